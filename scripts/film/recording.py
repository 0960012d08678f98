"""Runs a command on a terminal of its own, and notes what it prints and when."""

import fcntl
import os
import pty
import struct
import sys
import termios
import time
from dataclasses import dataclass

COLUMNS = 100
ROWS = 60
READ_BYTES = 65536


@dataclass(frozen=True)
class Output:
    """Something that was printed."""

    seconds: float
    """Since the start."""
    text: str


def record(command: list[str]) -> list[Output]:
    """Everything that the command prints, until it has ended well."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = os.environ | {"TERM": "xterm-256color"}
        environment.pop("NO_COLOR", None)
        os.execve(command[0], command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began, found, pending = time.monotonic(), [], b""
    while chunk := _read(terminal):
        pending += chunk
        # What ends within a character waits for its rest.
        text = pending.decode(errors="ignore")
        pending = pending[len(text.encode()) :]
        found.append(Output(time.monotonic() - began, text))
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code != 0:
        sys.exit(f"{' '.join(command)} ended with {code}")
    return found


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, READ_BYTES)
    except OSError:
        # So Linux says that nobody holds the other side any more.
        return b""
