"""Control groups of the tests' own, which outlive what was in them until they are removed."""

import os
from pathlib import Path

from wait import until

ROOT = Path("/sys/fs/cgroup")


def remove(name):
    """Removes the group with this name, with those below it, from every hierarchy, once nothing is in them any more."""
    until(f"the control group {name} is empty", lambda: _is_removed(name))


def _is_removed(name):
    for group in [ROOT / name, *ROOT.glob(f"*/{name}")]:
        for directory, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                return False
    return True
