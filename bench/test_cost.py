"""Reading what callgrind and strace wrote, and the comparison of costs."""

import unittest

import callgrind
import cost
import cost_run
from cost import Row
from cost_run import Cost

PROFILE = """# callgrind format
version: 1
thread: 3
positions: line
events: Ir
summary: 900

fn=(1) edge::worker::run
16 400
cfn=(2) mi_malloc_aligned
calls=5 0
16 200
cfn=(3) memcpy
calls=9 0
16 100
fn=(2)
10 50
cfn=(4) _mi_malloc_generic
calls=5 0
10 150
"""

TRACE = """77    execve("plimsoll") = 0
77    clone3({flags=0}) = 0
78    recvfrom(9, "GET", 100, 0, NULL, NULL) = 3
78    epoll_wait(5,  <unfinished ...>
77    futex(1 <unfinished ...>
78    <... epoll_wait resumed>[], 1024, 9) = 0
78    sendto(9, "x", 1, 0, NULL, 0) = 1
78    --- SIGTERM ---
78    +++ exited with 0 +++
"""


def row(instructions: int, spread: float = 0.0) -> Row:
    return Row("small", instructions, spread, 1.0, 4.0)


class CostTest(unittest.TestCase):
    def test_an_allocation_within_the_allocator_is_not_counted_again(self) -> None:
        self.assertEqual(callgrind.parse(PROFILE), callgrind.Counted(900, 5))

    def test_names_of_allocators(self) -> None:
        for name in ("malloc", "mi_malloc_aligned", "mi_zalloc", "_mi_malloc_generic", "realloc",
                     "mi_realloc_aligned", "mi_heap_malloc_zero", "mi_malloc'2"):  # fmt: skip
            self.assertTrue(callgrind.hands_out(name), name)
        for name in ("mi_free", "memcpy", "edge::pool::malloc_less"):
            self.assertFalse(callgrind.hands_out(name), name)

    def test_calls_are_those_of_the_busiest_thread_each_once(self) -> None:
        self.assertEqual(cost_run.calls(TRACE), 3)

    def test_a_case_fails_beyond_the_tolerance_or_twice_its_spread(self) -> None:
        self.assertFalse(cost.costs_more(row(1030), row(1000)))
        self.assertTrue(cost.costs_more(row(1031), row(1000)))
        self.assertFalse(cost.costs_more(row(1090), row(1000, spread=0.05)))
        self.assertFalse(cost.costs_more(row(10_000), None))

    def test_the_table_reads_as_it_was_written(self) -> None:
        rows = [Row("small", 16_911, 0.012, 1.0, 4.13), Row("tls", 20_001, 0.0, 2.5, 4.0)]
        self.assertEqual(cost.rows_of(cost.table(rows, {})), {one.case: one for one in rows})

    def test_the_median_of_the_runs_counts(self) -> None:
        found = cost.summary("small", [Cost(100, 1, 4), Cost(110, 1, 4), Cost(101, 1, 4)])
        self.assertEqual((found.instructions, round(found.spread, 3)), (101, 0.099))


if __name__ == "__main__":
    unittest.main()
