"""Free ports on the loopback interface."""

import random
import socket
from pathlib import Path

LOWEST = 10_000
TRIES = 1_000


def free_address() -> str:
    """An address that nothing listens at.

    It lies below the range from which clients are given ports: among those, one of the many
    connections of a load generator could take it before the proxy does.
    """
    low = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0]
    for _ in range(TRIES):
        port = random.randrange(LOWEST, int(low))
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        return f"127.0.0.1:{port}"
    raise RuntimeError("no free port found")


def parts(address: str) -> tuple[str, int]:
    """Host and port of an address."""
    host, port = address.rsplit(":", 1)
    return host, int(port)
