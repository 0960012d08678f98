"""A `plimsoll run` in an example's directory. Owns that process, and the files that Plimsoll writes there.

Ends what it started by its id alone.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 60
STEP_SECONDS = 0.1
LISTENING = re.compile(r"listening on http://(\S+)")
KILLED = "instance did not stop when asked"
"""How the log begins to tell of an instance that had to be killed."""


class Fault(Exception):
    """The example does not do what it should."""


class Running:
    """Plimsoll with an example's file."""

    def __init__(self, line: str, directory: Path, environment: dict[str, str]) -> None:
        """Starts it, by the README's own line, and waits until the first release serves."""
        self._directory = directory
        self._environment = environment
        self._log = directory / "run.log"
        line = line.replace("plimsoll run", "exec plimsoll run")
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                ["sh", "-c", line],
                cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            self._wait("it does not listen", lambda: LISTENING.search(self.log()) is not None)
            self._wait("the first release does not serve", self._serves)
        except Fault:
            self.end()
            raise

    @property
    def address(self) -> str:
        """Where its only listener is."""
        found = LISTENING.search(self.log())
        assert found is not None, "it was waited for"
        return found[1]

    def log(self) -> str:
        """All that it has written."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def command(self, line: str) -> subprocess.CompletedProcess[str]:
        """Runs a line of the README in the same directory."""
        return subprocess.run(
            ["sh", "-c", line], cwd=self._directory, env=self._environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    def stop(self) -> None:
        """Asks it to stop. It has to end well, with each instance, and none may have to be killed."""
        os.kill(self._child.pid, signal.SIGTERM)
        try:
            code = self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Fault(f"plimsoll does not stop:\n{self._tail()}") from None
        if code != 0:
            raise Fault(f"plimsoll ended with {code}:\n{self._tail()}")
        if KILLED in self.log():
            raise Fault(f"an instance had to be killed:\n{self._tail()}")
        if left := self._processes():
            raise Fault(f"processes {left} are left over")

    def end(self) -> None:
        """Ends what is left, whatever happened."""
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        for pid in self._processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _processes(self) -> list[int]:
        """Those that run in the example's directory."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and Path(entry, "cwd").readlink().is_relative_to(self._directory):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def _serves(self) -> bool:
        if self._child.poll() is not None:
            raise Fault(f"plimsoll ended with {self._child.returncode}:\n{self._tail()}")
        status = self.command("plimsoll status --json")
        if status.returncode != 0:
            return False
        run = json.loads(status.stdout)["services"][0]["run"]
        return run["release"] is not None and run["deploy"] is None

    def _wait(self, fault: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise Fault(f"{fault}:\n{self._tail()}")
            time.sleep(STEP_SECONDS)

    def _tail(self) -> str:
        logs = sorted(self._directory.glob("state/logs/*/*"))
        tails = [self.log()[-3000:], *(log.read_text(errors="replace")[-1500:] for log in logs[-3:])]
        return "\n".join(tails)
