"""A Debian 12 of the tests' own, as files: made once of this machine's mirror, and kept."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

from built import KEPT

SUITE = "bookworm"
# What the tests use in it; nothing of it is what the package depends on.
INCLUDED = ["systemd-sysv", "logrotate", "busybox", "procps"]
# Older than this it may have lost touch with the mirror.
DAYS_KEPT = 7
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


def base():
    """The directory with a fresh Debian 12. Nothing may change in it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    # Tests that run beside each other make it once.
    with open(KEPT / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _made()


def _made():
    kept = KEPT / f"debian-{hashlib.sha256(repr([SUITE, INCLUDED]).encode()).hexdigest()[:12]}"
    if kept.exists() and time.time() - kept.stat().st_mtime < DAYS_KEPT * 24 * 3600:
        return kept
    making = KEPT / f"making-{os.getpid()}"
    # Another suite than the machine's has the mirror by its name alone.
    sources = [SOURCES] if SOURCES.exists() and SUITE in SOURCES.read_text() else []
    command = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(INCLUDED)}", SUITE, making, *sources]
    try:
        # The directory may be private, but not what is in it to the users in it.
        subprocess.run(command, check=True, umask=0o022)
        os.utime(making)
        shutil.rmtree(kept, ignore_errors=True)
        making.rename(kept)
    except subprocess.CalledProcessError:
        # Without a network the old one is better than none.
        if not kept.exists():
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return kept
