import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A small shop's API. Plimsoll gives each instance its port and the release's version. */
public final class Server {
    private static final String VERSION = System.getenv("VERSION");

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        // Without an executor one thread serves all requests, one after the other.
        ExecutorService threads = Executors.newFixedThreadPool(32);
        server.setExecutor(threads);
        server.createContext("/", exchange -> send(exchange, release()));
        server.createContext("/health", exchange -> send(exchange, text("ok\n")));
        server.createContext("/slow", Server::slow);
        server.createContext("/echo", exchange -> send(exchange, exchange.getRequestBody().readAllBytes()));
        // The JVM ends as soon as its hooks have run. `stop` closes the listener and waits for open requests, in Java 17
        // often for its whole delay though none is open. Plimsoll has waited for them already, so one second is enough.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(1);
            threads.shutdown();
        }));
        server.start();
        System.out.printf("release %s listens on %d%n", VERSION, port);
    }

    private static void slow(HttpExchange exchange) throws IOException {
        try {
            Thread.sleep(500);
        } catch (InterruptedException interrupted) {
            throw new IOException(interrupted);
        }
        send(exchange, release());
    }

    private static byte[] release() {
        return text("release " + VERSION + "\n");
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void send(HttpExchange exchange, byte[] body) throws IOException {
        try (exchange) {
            exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
            // 0 would mean a body of unknown length.
            exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
        }
    }
}
