"""How many descriptors a process may have. Ten thousand connections need more than the usual."""

import resource

WANTED = 65_536


def raise_limit() -> int:
    """Raises this process's limit, which its children inherit, as far as is allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, WANTED), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        except (ValueError, PermissionError):
            continue
        return limit
    raise AssertionError("a process may always keep the hard limit it has")
