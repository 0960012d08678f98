"""A program under valgrind's callgrind: counts what it does between two moments, and reads the count.

Owns the command lines and the file format (callgrind's manual, "Callgrind Format Specification");
it must never know what program that is, or what it is asked to do.
"""

import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

CONTROL_SECONDS = 60

ALLOCATION = re.compile(r"_?(?:mi|m|re|c|aligned_)?_?(?:malloc|zalloc|calloc|realloc)\w*|mi_heap_\w*alloc\w*|posix_memalign")
"""Functions that hand out memory; one that is called by another of them is not counted again."""

FUNCTION = re.compile(r"(c?fn)=\((\d+)\)(?: (.*))?")


@dataclass(frozen=True)
class Counted:
    """What one thread did."""

    instructions: int
    allocations: int


def command(program: list[str], directory: Path) -> list[str]:
    """The command line that runs `program` with its counting switched off."""
    return [
        "valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
        f"--callgrind-out-file={directory}/callgrind.out", f"--vgdb-prefix={directory}/vgdb",
        *program,
    ]  # fmt: skip


class Control:
    """The switch of a running one."""

    def __init__(self, pid: int, directory: Path) -> None:
        """Takes the id of the process under valgrind."""
        self._pid = pid
        self._directory = directory

    def begin(self) -> None:
        """Switches counting on."""
        self._say("instrumentation on")

    def forget(self) -> None:
        """Counts from zero again."""
        self._say("zero")

    def counted(self) -> Counted:
        """Writes down what was counted, and reads it: of the thread that did most."""
        self._say("dump")
        threads = [parse(path.read_text()) for path in self._directory.glob("callgrind.out.*-*")]
        return max(threads, key=lambda thread: thread.instructions)

    def _say(self, words: str) -> None:
        subprocess.run(
            ["vgdb", f"--pid={self._pid}", f"--vgdb-prefix={self._directory}/vgdb", *words.split()],
            check=True,
            capture_output=True,
            timeout=CONTROL_SECONDS,
        )


def parse(text: str) -> Counted:
    """Reads one file of callgrind's."""
    names: dict[str, str] = {}
    calls: Counter[str] = Counter()
    caller = callee = ""
    instructions = 0
    for line in text.splitlines():
        if found := FUNCTION.match(line):
            kind, number, name = found.groups()
            if name:
                names[number] = name
            if kind == "fn":
                caller = names[number]
            else:
                callee = names[number]
        elif line.startswith("calls=") and hands_out(callee) and not hands_out(caller):
            calls[callee] += int(line.removeprefix("calls=").split()[0])
        elif line.startswith(("summary:", "totals:")):
            instructions = max(instructions, int(line.split()[1]))
    return Counted(instructions, calls.total())


def hands_out(function: str) -> bool:
    """Whether a function of this name allocates."""
    return ALLOCATION.fullmatch(function.partition("'")[0]) is not None
