"""How busy each core was, from /proc/stat."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CoreSample:
    """Ticks of a core since the machine started."""

    busy: int
    idle: int


def sample() -> dict[int, CoreSample]:
    """The ticks of each core until now."""
    return parse(Path("/proc/stat").read_text(encoding="ascii"))


def parse(text: str) -> dict[int, CoreSample]:
    """Reads /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal of each core."""
    samples = {}
    for line in text.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(field) for field in fields[:8]]
            idle = ticks[3] + ticks[4]
            samples[int(name.removeprefix("cpu"))] = CoreSample(sum(ticks) - idle, idle)
    return samples


def busy_share(before: CoreSample, after: CoreSample) -> float:
    """The share of the time in which a core was busy, steal included; from 0 to 1."""
    busy, idle = after.busy - before.busy, after.idle - before.idle
    return busy / (busy + idle) if busy + idle else 0.0
