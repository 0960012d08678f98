"""The trial's own tests: it reads every README, and a response that is not right is a failure."""

import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import load
from .main import EXAMPLES, _names
from .readme import parse, read

PAGE = """# A

Needs `node` (18 or newer), `npm` and Sinatra (Debian: `apt-get install ruby-sinatra`).

    npm ci
    KEY=1 plimsoll run

In another terminal:

    curl -s http://localhost:8080/
    node client.js localhost:8080   # Ctrl-C ends it
    plimsoll deploy web 2
    plimsoll rollback web
"""


class ReadmeTest(unittest.TestCase):
    """What is found in a page."""

    def test_commands_and_programs_are_found(self) -> None:
        found = parse(PAGE)
        self.assertEqual(found.needs, ["node", "npm"])
        self.assertEqual(found.setup, ["npm ci"])
        self.assertEqual(found.run, "KEY=1 plimsoll run")
        self.assertEqual(found.client, "node client.js localhost:8080")
        self.assertEqual((found.deploy, found.rollback), ("plimsoll deploy web 2", "plimsoll rollback web"))

    def test_a_command_that_would_not_be_tried_is_refused(self) -> None:
        for fault in (
            PAGE + "    plimsoll drain web web-1\n",
            PAGE.replace("plimsoll deploy", "plimsoll depoly"),
            PAGE.replace("plimsoll run", "plimsoll"),
            PAGE.replace("Needs", "It needs"),
        ):
            with self.assertRaises(ValueError):
                parse(fault)

    def test_every_example_has_one_that_is_understood(self) -> None:
        self.assertGreaterEqual(len(_names()), 10)
        for name in _names():
            if (EXAMPLES / name / "compose.yaml").exists():
                continue
            self.assertTrue(read(EXAMPLES / name).needs, name)


class _Faulty(BaseHTTPRequestHandler):
    """Fails one in five: by its status, its body, or by closing the connection."""

    protocol_version = "HTTP/1.1"
    seen = 0
    lock = threading.Lock()

    def do_GET(self) -> None:  # noqa: N802, the library's name
        self._respond(b"release 1\n")

    def do_POST(self) -> None:  # noqa: N802
        self._respond(self.rfile.read(int(self.headers["content-length"])))

    def _respond(self, body: bytes) -> None:
        with self.lock:
            type(self).seen += 1
            number = self.seen
        if number % 10 == 5:
            self.close_connection = True
            return
        self.send_response(500 if number % 10 == 0 else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class LoadTest(unittest.TestCase):
    """What is counted."""

    def test_each_failure_is_counted_and_nothing_is_sent_twice(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Faulty)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        clients = load.HttpLoad(f"127.0.0.1:{server.server_port}", load.dynamic())
        while clients.sent() < 40:
            time.sleep(0.01)
        counts = clients.stop()
        server.shutdown()
        server.server_close()
        self.assertEqual(_Faulty.seen, counts.sent)
        self.assertEqual(counts.failed, counts.sent // 5)
        self.assertTrue(any("status 500" in reason for reason in counts.reasons), counts)

    def test_another_body_than_the_requests_own_is_a_failure(self) -> None:
        request = load.Request("POST", "/echo", "order 1")
        self.assertIsNone(request.fault(200, "order 1"))
        self.assertIsNotNone(request.fault(200, "order 2"))
        self.assertIsNotNone(request.fault(502, "order 1"))


if __name__ == "__main__":
    unittest.main()
