"""What wrk is told and what it says."""

import unittest
from dataclasses import replace
from pathlib import Path

import wrk
from case import Http1Load
from deployment import Certificate, Deployment, Front, RouteKey, Routes
from gate import Keys
from load import LoadError

SAID = """Running 4s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
Requests/sec:  41234.50
Transfer/sec:     11.00MB
{"requests":164938,"duration_us":4000000,"bytes":44000000,"p50_us":1500,"p99_us":2300,"errors":\
{"connect":0,"read":3,"write":0,"status":7,"timeout":0}}
"""

SOMEWHERE = Deployment(
    directory=Path("/tmp/none"),
    address="127.0.0.1:8080",
    front=Front.PLAIN,
    certificate=Certificate(Path("c"), Path("k"), Path("b")),
    origins=("127.0.0.1:1", "127.0.0.1:2"),
    routes=None,
    access_log=None,
    gate=None,
    keys=Keys(Path("p"), Path("q")),
    descriptors=1024,
)


class WrkTest(unittest.TestCase):
    def test_line_of_json_gives_figures_and_only_the_errors_that_happened(self) -> None:
        report = wrk.parse(SAID)
        self.assertEqual(report.requests, 164_938)
        self.assertEqual(report.seconds, 4.0)
        self.assertEqual((report.p50_us, report.p99_us), (1500, 2300))
        self.assertEqual(report.body_bytes_min, 44_000_000)
        self.assertEqual(report.errors, {"read": 3, "status": 7})

    def test_output_without_that_line_is_an_error_that_shows_it(self) -> None:
        with self.assertRaisesRegex(LoadError, "unable to connect"):
            wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n")

    def test_tls_front_is_loaded_over_https(self) -> None:
        secure = replace(SOMEWHERE, front=Front.TLS)
        self.assertIn("https://127.0.0.1:8080/10k", wrk.command(Http1Load(64, "/10k"), secure, 4))

    def test_close_is_a_header_of_the_client(self) -> None:
        self.assertIn("Connection: close", wrk.command(Http1Load(64, close=True), SOMEWHERE, 4))
        self.assertNotIn("Connection: close", wrk.command(Http1Load(64), SOMEWHERE, 4))

    def test_script_is_told_of_uploads_and_routes(self) -> None:
        upload = wrk.command(Http1Load(16, upload_bytes=9), SOMEWHERE, 4)
        self.assertEqual(upload[-3:], ["--", "upload", "9"])
        routed = replace(SOMEWHERE, routes=Routes(RouteKey.HOST, 10))
        self.assertEqual(wrk.command(Http1Load(64), routed, 4)[-3:], ["--", "host", "10"])
