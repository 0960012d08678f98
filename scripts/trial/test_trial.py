"""The trial's own tests: it reads every README, and a response that is not right is a failure."""

import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import bad, load
from .main import EXAMPLES, _names
from .readme import parse, read
from .transcript import faults, printed_by, transcripts
from .trial import OWN_TRIALS

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
            if name in OWN_TRIALS:
                continue
            self.assertTrue(read(EXAMPLES / name).needs, name)


SHOWN = """prints (with `--bake 2s`):

         0.0 s  both run what lies in /srv/shop
         0.0 s  web-3 of release 2 is starting
         0.5 s  web-3 is ready after 0.5 s
         3.4 s  the judge says better or equal

    web: release 2 was promoted (before: 1)
      deploy 2, rolling, 3.5 s, by root@vm
      1            0 of 43 attempts failed, p50 960 µs, p95 492 ms, p99 508 ms

And more.

    plimsoll rollback web
"""


class TranscriptTest(unittest.TestCase):
    """What a page shows."""

    def test_what_a_command_prints_stands_below_it(self) -> None:
        page = "It is\n\n    ./replace.sh 2\n\n    one\n      two\n\nand\n\n    more\n"
        self.assertEqual(printed_by("./replace.sh 2", page), ["one", "  two"])
        with self.assertRaises(ValueError):
            printed_by("./replace.sh 3", page)

    def test_numbers_and_units_may_differ_and_nothing_else(self) -> None:
        (shown,) = transcripts(SHOWN)
        self.assertEqual(len(shown), 7)
        printed = """
            0.1 s  both run what lies in /tmp/x
            10.0 s  web-3 of release 2 is starting
            10.7 s  web-3 is ready after 0.7 s
            12.4 s  the judge says errors better or equal; latency not compared
        web: release 2 was promoted (before: 1)
          deploy 12, rolling, 13 s, by ops@host by CI
          1            0 of 1,043 attempts failed, p50 -, p95 5.1 ms, p99 1.2 s
        """
        self.assertEqual(faults(shown, printed), [])
        for there, instead in (("is ready", "has passed"), ("p95", "p90"), ("rolling, ", ""), ("web-3 is", "web-4 is")):
            self.assertEqual(len(faults(shown, printed.replace(there, instead))), 1, there)
        quiet = printed[: printed.index("1            0")] + "no requests came while it was watched\n"
        self.assertEqual(faults(shown, quiet), [])
        self.assertEqual(len(faults(shown, printed[: printed.index("1            0")])), 1)
        self.assertEqual(faults(shown[1:], printed), ["not shown: 0.1 s  both run what lies in /tmp/x"])


class BadTest(unittest.TestCase):
    """What is told of a bad release."""

    def test_each_line_that_has_to_be_there_is_missed(self) -> None:
        page = (EXAMPLES.parent / "docs/guide/frameworks/ci.md").read_text(encoding="utf-8")
        self.assertEqual(bad.missing(page), [])
        for lost, what in ((" s into the deploy)", "since when"), (" | sqlite3", "what was written"), ("500 after", "which requests")):
            self.assertEqual(bad.missing(page.replace(lost, "")), [what])


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
