"""How much memory a proxy has, all its processes together."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """Memory in use. Socket buffers are the kernel's and not in it."""

    pss_bytes: int
    """Each page divided by how many processes share it."""
    rss_bytes: int


def sample(pids: Iterable[int]) -> Memory:
    """The memory of these processes now."""
    pss = rss = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            part = parse(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8"))
            pss += part.pss_bytes
            rss += part.rss_bytes
    return Memory(pss, rss)


def parse(text: str) -> Memory:
    """Reads /proc/PID/smaps_rollup."""
    lines = (line.split() for line in text.splitlines()[1:])
    kib = {fields[0]: int(fields[1]) for fields in lines}
    return Memory(kib["Pss:"] * 1024, kib["Rss:"] * 1024)
