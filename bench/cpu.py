"""How much CPU time a proxy has had.

The total is the scheduler's own account in nanoseconds (/proc/PID/task/TID/schedstat). The kernel
splits it into user and system by what it finds running at each tick (/proc/PID/stat), so that the
split is a sample. On loopback the receiver's side of TCP is done in the sender's time: part of what
a proxy sends is taken in by the generator on the proxy's account, for each proxy alike.
"""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuSample:
    """The CPU time that some processes have had until now."""

    threads_ns: dict[int, int]
    """Of each thread that lives."""
    user_ns: int
    """Of all threads, ended ones too, in whole ticks."""
    system_ns: int


@dataclass(frozen=True)
class CpuTime:
    """CPU time between two samples."""

    total_ns: int
    user_ns: int
    system_ns: int


def sample(pids: Iterable[int]) -> CpuSample:
    """The CPU time of these processes until now."""
    threads: dict[int, int] = {}
    user = system = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                threads[int(task.name)] = _schedstat_ns(task)
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            fields = stat.rpartition(")")[2].split()
            user += int(fields[11]) * TICK_NS
            system += int(fields[12]) * TICK_NS
    return CpuSample(threads, user, system)


def between(before: CpuSample, after: CpuSample) -> CpuTime:
    """The CPU time between two samples.

    Where a thread has ended in between, its nanoseconds are lost and the ticks are taken.
    """
    user = after.user_ns - before.user_ns
    system = after.system_ns - before.system_ns
    ticks = user + system
    if before.threads_ns.keys() <= after.threads_ns.keys():
        total = sum(after.threads_ns.values()) - sum(before.threads_ns.values())
    else:
        total = ticks
    user_share = user / ticks if ticks else 0.0
    return CpuTime(total, round(total * user_share), round(total * (1 - user_share)))


def _schedstat_ns(task: Path) -> int:
    return int((task / "schedstat").read_text(encoding="ascii").split()[0])
