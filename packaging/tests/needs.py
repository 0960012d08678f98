"""What some tests need, and what happens where it is not there."""

import os
import shutil
import unittest

# With this variable set to 1, what the machine lacks is a failure.
REQUIRE = "PLIMSOLL_REQUIRE"


def need(*tools):
    """Skips the caller's tests, or fails them where nothing may be skipped, unless all `tools` are there, and root is."""
    lacks = [tool for tool in tools if not shutil.which(tool)]
    if os.geteuid() != 0:
        lacks.append("root")
    if not lacks:
        return
    why = f"this machine lacks {', '.join(lacks)}"
    if os.environ.get(REQUIRE) == "1":
        raise AssertionError(f"{why}, and {REQUIRE} is set")
    raise unittest.SkipTest(why)
