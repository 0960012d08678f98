"""Processes of the harness: started on one core, watched, and ended by their own ids.

Nothing outlives the harness: the kernel ends each one (PR_SET_PDEATHSIG) should the harness be
killed before it can.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

STOP_SECONDS = 5.0

TIED = ["setpriv", "--pdeathsig", "TERM"]
"""Put before a command line, this ends the program with the harness, whatever happens to that."""


class Process:
    """A long-lived program with all processes that it starts."""

    def __init__(
        self, arguments: list[str], core: int, output: Path | int, environment: Mapping[str, str] | None = None
    ) -> None:
        """Starts it on `core`. `output` takes what it prints: a file, or a subprocess constant.

        `environment` is what it finds in its own besides the harness's.
        """
        pinned = [*TIED, "taskset", "-c", str(core), *arguments]
        with contextlib.ExitStack() as stack:
            target = stack.enter_context(output.open("ab")) if isinstance(output, Path) else output
            self._child = subprocess.Popen(
                pinned,
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | dict(environment or {}),
            )

    def first_line(self) -> str:
        """The first line that it prints; only for a process whose output is a pipe."""
        assert self._child.stdout is not None, "started with a pipe"
        return self._child.stdout.readline().decode()

    def alive(self) -> bool:
        """Whether its first process still runs."""
        return self._child.poll() is None

    def pids(self) -> list[int]:
        """Its first process, and all that come from it."""
        children: dict[int, list[int]] = {}
        for pid, parent in _parents():
            children.setdefault(parent, []).append(pid)
        found = [self._child.pid]
        for pid in found:
            found.extend(children.get(pid, []))
        return found

    def stop(self) -> None:
        """Ends it: politely, and after a while for good."""
        pids = self.pids()
        self._child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(STOP_SECONDS)
        # Workers that their master has left behind, each checked to be still the one that was seen.
        for pid in pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(pid) == self._child.pid:
                    os.kill(pid, signal.SIGKILL)
        if self.alive():
            self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()


def _parents() -> list[tuple[int, int]]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The name before the last bracket may itself hold brackets and blanks.
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            found.append((int(entry.name), int(stat.rpartition(")")[2].split()[1])))
    return found


def wait_until(
    condition: Callable[[], bool], seconds: float, step_seconds: float = 0.02
) -> bool:
    """Asks again and again; whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step_seconds)
    return True
