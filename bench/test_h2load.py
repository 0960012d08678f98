"""What h2load says."""

import unittest

import h2load
from load import LoadError

SAID = """starting benchmark...
Warm-up started for thread #0.
progress: 0% of clients started
TLS Protocol: TLSv1.3
Cipher: TLS_AES_128_GCM_SHA256
Server Temp Key: X25519 253 bits
Application protocol: h2

finished in 2.00s, 73752.00 req/s, 10.40MB/s
requests: 147504 total, 147904 started, 147504 done, 147500 succeeded, 4 failed, 0 errored, \
0 timeout
status codes: 147500 2xx, 0 3xx, 0 4xx, 4 5xx
traffic: 20.81MB (21818242) total, 1.27MB (1330000) headers (space savings 94.87%), \
18.00MB (18880512) data
                     min         max         mean         sd        +/- sd
time for request:     1.53ms      9.04ms      5.40ms       715us    80.95%
"""


class H2loadTest(unittest.TestCase):
    def test_figures_errors_and_negotiation_are_read(self) -> None:
        report = h2load.parse(SAID, [100, 400, 200, 300])
        self.assertEqual(report.requests, 147_504)
        self.assertEqual(report.seconds, 2.0)
        self.assertEqual((report.p50_us, report.p99_us), (200, 400))
        self.assertEqual(report.body_bytes_min, 18_880_512)
        self.assertEqual(report.errors, {"failed": 4, "status": 4})
        self.assertEqual(report.cipher, "TLSv1.3 TLS_AES_128_GCM_SHA256")

    def test_time_may_be_in_smaller_units(self) -> None:
        short = SAID.replace("finished in 2.00s", "finished in 612us")
        self.assertAlmostEqual(h2load.parse(short, [1]).seconds, 612e-6)

    def test_answer_that_began_before_the_end_is_no_error(self) -> None:
        good = SAID.replace(" 4 failed", " 0 failed").replace(" 4 5xx", " 0 5xx")
        began = good.replace("codes: 147500 2xx", "codes: 147505 2xx")
        self.assertEqual(h2load.parse(began, [1]).errors, {})

    def test_clear_text_negotiates_nothing(self) -> None:
        clear = "\n".join(line for line in SAID.splitlines() if "Cipher" not in line)
        self.assertEqual(h2load.parse(clear, [1]).cipher, "")

    def test_output_without_figures_is_an_error_that_shows_it(self) -> None:
        with self.assertRaisesRegex(LoadError, "Could not connect"):
            h2load.parse("Could not connect to the host\n", [])
