"""The servers behind the proxies: builds and starts `bench/origin`."""

import subprocess
from pathlib import Path

from process import Process

SOURCE = Path(__file__).resolve().parent / "origin"
BUILD = SOURCE.parent.parent / "target" / "bench"


class Origin:
    """A running origin."""

    def __init__(self, core: int) -> None:
        """Builds it where needed, and starts it on `core`."""
        self._process = Process([str(build())], core, subprocess.PIPE)
        ports = self._process.first_line().split()
        self.addresses = tuple(f"127.0.0.1:{port}" for port in ports)

    def stop(self) -> None:
        """Ends it."""
        self._process.stop()


def build() -> Path:
    """Builds it where needed; the program. With PORT in its environment it serves there alone."""
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--locked", "--target-dir", str(BUILD)],
        cwd=SOURCE,
        check=True,
    )
    return BUILD / "release" / "bench-origin"


def body(length: int) -> bytes:
    """The body that the origin sends where it is asked for so many bytes."""
    letters = b"abcdefghijklmnopqrstuvwxyz"
    return (letters * (length // len(letters) + 1))[: length - 1] + b"\n"
