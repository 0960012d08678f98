"""Ports of the loopback interface that nobody has."""

import socket


def free_port() -> int:
    """One that was free a moment ago."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return candidate.getsockname()[1]
