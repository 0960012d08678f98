"""The page's generated part."""

import unittest
from pathlib import Path

import catalogue
import options
import report
from options import Options
from record import Record

FIGURES = {
    "cpu_us": 10.0, "user_us": 3.0, "system_us": 7.0, "requests_per_second": 90_000.0,
    "p50_us": 650.0, "p99_us": 900.0, "pss_bytes": 1 << 20, "rss_bytes": 2 << 20,
    "proxy_core": 0.8, "load_core": 0.99, "foreign": 0.0,
}  # fmt: skip


def chosen(cases: str) -> Options:
    return options.parse(["--cases", cases])


def record(proxy: str, cpu_us: float) -> Record:
    return Record("keepalive-64", proxy, 1, {**FIGURES, "cpu_us": cpu_us})


class ReportTest(unittest.TestCase):
    def test_ratios_limits_and_outcome_stand_in_one_row(self) -> None:
        records = [record("nginx", 10.0), record("haproxy", 12.0), record("plimsoll", 7.5)]
        text = report.write(chosen("keepalive-64"), {"Date": "today"}, records)
        row = next(line for line in text.splitlines() if line.startswith("| 128 B responses"))
        self.assertIn("0.75 (0.75 to 0.75)", row)
        self.assertIn("0.62 (0.62 to 0.62)", row)
        self.assertIn("0.78 nginx, 0.85 haproxy", row)
        self.assertTrue(row.endswith("| yes |"))

    def test_generator_that_was_the_limit_is_noted(self) -> None:
        text = report.write(chosen("keepalive-64"), {}, [record("nginx", 10.0)])
        self.assertIn("are the generator's: nginx 1", text)

    def test_wrong_answers_show_no_figure(self) -> None:
        wrong = Record("keepalive-64", "nginx", 1, FIGURES, problems=("9 status errors",))
        text = report.write(chosen("keepalive-64"), {}, [wrong])
        self.assertIn("| not valid |", text)
        self.assertIn("nginx: **not valid**: 9 status errors", text)

    def test_every_case_has_a_name_of_its_own(self) -> None:
        names = [case.name for case in catalogue.CASES]
        self.assertEqual(len(names), len(set(names)))


class OptionsTest(unittest.TestCase):
    def test_part_of_a_run_leaves_the_published_page_alone(self) -> None:
        self.assertEqual(options.parse([]).out, options.PAGE)
        self.assertIsNone(chosen("keepalive-64").out)
        named = options.parse(["--only", "nginx", "--out", "part.md"])
        self.assertEqual(named.out, Path("part.md"))
