"""What is read from /proc."""

import os
import unittest

import core
import cpu
import memory
from cpu import TICK_NS, CpuSample, CpuTime

STAT = """cpu  300 0 300 1400 0 0 0 0 0 0
cpu0 100 0 100 700 50 5 40 5 0 0
cpu1 200 0 200 700 0 0 0 0 0 0
intr 12345
"""

SMAPS = """55ebeb89b000-7ffe5f720000 ---p 00000000 00:00 0                          [rollup]
Rss:                1744 kB
Pss:                 331 kB
Pss_Dirty:           112 kB
"""


class CoreTest(unittest.TestCase):
    def test_waiting_is_idle_and_all_else_is_busy(self) -> None:
        samples = core.parse(STAT)
        self.assertEqual(samples[0], core.CoreSample(busy=250, idle=750))
        self.assertEqual(sorted(samples), [0, 1])

    def test_share_is_of_the_time_between(self) -> None:
        before, after = core.CoreSample(100, 900), core.CoreSample(175, 925)
        self.assertEqual(core.busy_share(before, after), 0.75)
        self.assertEqual(core.busy_share(before, before), 0.0)


class CpuTest(unittest.TestCase):
    def test_total_is_the_scheduler_s_and_the_split_is_by_ticks(self) -> None:
        before = CpuSample({1: 1_000, 2: 5_000}, user_ns=0, system_ns=0)
        after = CpuSample({1: 9_000, 2: 9_000, 3: 8_000}, user_ns=TICK_NS, system_ns=3 * TICK_NS)
        self.assertEqual(cpu.between(before, after), CpuTime(20_000, 5_000, 15_000))

    def test_ticks_are_the_total_where_a_thread_has_ended(self) -> None:
        before = CpuSample({1: 1_000, 2: 5_000}, user_ns=0, system_ns=0)
        after = CpuSample({1: 9_000}, user_ns=TICK_NS, system_ns=TICK_NS)
        self.assertEqual(cpu.between(before, after).total_ns, 2 * TICK_NS)

    def test_process_of_the_test_has_had_time(self) -> None:
        self.assertGreater(sum(cpu.sample([os.getpid()]).threads_ns.values()), 0)


class MemoryTest(unittest.TestCase):
    def test_kib_become_bytes(self) -> None:
        self.assertEqual(memory.parse(SMAPS), memory.Memory(331 * 1024, 1744 * 1024))
