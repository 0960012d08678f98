"""A small shop's API on Python's own server. Plimsoll gives each instance its port and the release's version."""

import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ["VERSION"]


class Shop(BaseHTTPRequestHandler):
    """Its pages."""

    protocol_version = "HTTP/1.1"
    # Idle connections are closed after that long: later than Plimsoll closes them (50 s).
    timeout = 65

    def do_GET(self) -> None:  # noqa: N802, the library's name
        match self.path:
            case "/":
                self._send(200, f"release {VERSION}\n".encode())
            case "/health":
                self._send(200, b"ok\n")
            case "/slow":
                time.sleep(0.5)
                self._send(200, f"release {VERSION}\n".encode())
            case _:
                self._send(404, b"there is no such page\n")

    def do_POST(self) -> None:  # noqa: N802
        self._send(200, self.rfile.read(int(self.headers["content-length"])))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Plimsoll has an access log."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop)
    # Idle connections would keep it alive. What is open has ended: Plimsoll waits for it before it sends SIGTERM.
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
