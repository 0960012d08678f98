"""Waiting for what happens, however slow the machine is."""

import time

# Longer than anything takes that happens at all.
DEADLINE = 120.0
# Between two looks.
PAUSE = 0.1


def until(what, look, deadline=DEADLINE):
    """What `look` returns, as soon as it is anything; fails with `what` past the deadline."""
    ends = time.monotonic() + deadline
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > ends:
            raise AssertionError(f"not within {deadline:.0f} s: {what}")
        time.sleep(PAUSE)
