"""An example's own client, run beside the trial: it sends until SIGTERM, and then prints its counts as JSON."""

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

from .load import Counts

STOP_SECONDS = 30


class OwnClient:
    """A client in a process of its own."""

    def __init__(self, command: str, directory: Path, environment: dict[str, str]) -> None:
        """Starts it, by a line for the shell."""
        self._child = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def sent(self) -> int | None:
        """It tells at its end alone."""
        return None

    def stop(self) -> Counts:
        """Asks it to stop, and reads what it counted."""
        os.kill(self._child.pid, signal.SIGTERM)
        try:
            printed, _ = self._child.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
            raise RuntimeError("the example's client does not stop") from None
        said = json.loads(printed)
        return Counts(said["sent"], said["failed"], said["reasons"], Counter(said["releases"]))
