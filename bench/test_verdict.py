"""What is said of the records."""

import unittest

import verdict
from case import Case, Http1Load, IdleLoad
from record import Record

CASE = Case("one", "one", Http1Load(64), limits={"nginx": 0.8, "haproxy": 1.0})


def records(**proxies: list[float]) -> list[Record]:
    return [
        Record("one", proxy, number, {"cpu_us": figure})
        for proxy, figures in proxies.items()
        for number, figure in enumerate(figures, start=1)
    ]


class VerdictTest(unittest.TestCase):
    def test_every_limit_must_be_kept(self) -> None:
        kept = records(plimsoll=[8.0, 8.0], nginx=[10.0, 10.0], haproxy=[8.0, 9.0])
        self.assertIs(verdict.reached(CASE, kept), True)
        missed = records(plimsoll=[8.0, 8.0], nginx=[10.0, 10.0], haproxy=[7.0, 7.0])
        self.assertIs(verdict.reached(CASE, missed), False)

    def test_what_was_not_measured_is_neither_reached_nor_missed(self) -> None:
        self.assertIsNone(verdict.reached(CASE, records(nginx=[10.0], haproxy=[10.0])))
        self.assertIsNone(verdict.reached(CASE, records(plimsoll=[1.0], nginx=[10.0])))

    def test_one_missed_limit_is_enough_to_say_no(self) -> None:
        self.assertIs(verdict.reached(CASE, records(plimsoll=[9.0], nginx=[10.0])), False)

    def test_measurement_with_problems_is_not_used(self) -> None:
        wrong = Record("one", "plimsoll", 2, {"cpu_us": 1.0}, problems=("7 status errors",))
        found = [*records(plimsoll=[9.0], nginx=[10.0, 10.0]), wrong]
        self.assertEqual(verdict.rounds_of(CASE, "plimsoll", found), {1: 9.0})
        summary = verdict.summary(CASE, "plimsoll", found)
        assert summary is not None
        self.assertEqual(summary.problems, ("7 status errors",))
        self.assertEqual(summary.rounds, 1)

    def test_memory_is_what_counts_for_idle_connections(self) -> None:
        case = Case("idle", "idle", IdleLoad(10), limits={"nginx": 1.0})
        found = [
            Record("idle", "plimsoll", 1, {"idle_bytes": 500.0}),
            Record("idle", "nginx", 1, {"idle_bytes": 530.0}),
        ]
        self.assertIs(verdict.reached(case, found), True)

    def test_full_generator_is_noted_only_where_the_proxy_had_time_left(self) -> None:
        self.assertTrue(Record("a", "b", 1, {"load_core": 0.99, "proxy_core": 0.8}).load_bound)
        self.assertFalse(Record("a", "b", 1, {"load_core": 0.99, "proxy_core": 0.98}).load_bound)
