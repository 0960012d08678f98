"""What `scripts/release` makes of a program that is built already."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# What is made for the tests and can be used again.
KEPT = ROOT / "target" / "package-test"


def program():
    """The program under test, as `scripts/package-test` names it."""
    return os.environ["PLIMSOLL_BINARY"]


TARGET = json.loads(subprocess.run([program(), "version", "--json"], check=True, stdout=subprocess.PIPE).stdout)["target"]


def release(out, *words, check=True, binary=None, **environment):
    """Runs `scripts/release` into `out`."""
    command = [ROOT / "scripts/release", "--binary", binary or program(), "--out", out, *words]
    ended = subprocess.run(command, env=os.environ | environment, text=True, capture_output=True)
    if check and ended.returncode != 0:
        raise AssertionError(f"{command}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended


def only(directory, pattern):
    """The one file that is called so."""
    found = list(Path(directory).glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]
