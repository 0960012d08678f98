"""What an idle connection costs: opens many, lets each make one request, and keeps them open."""

import select
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import check
import cpu
import memory
import port
from case import IdleLoad
from deployment import Deployment, Front
from memory import Memory
from process import Process, wait_until

WAIT_SECONDS = 10.0
IDLE_SECONDS = 3.0
"""After the last request: a proxy may tell a connection that is idle from one between two requests."""
QUIET_NS = 500_000
QUIET_STEP_SECONDS = 0.05
TIMEOUT_SECONDS = 10.0
ORIGIN_CONNECTIONS = 64
"""How many connections to its origins a proxy may close meanwhile, at the most."""
TLS = check.tls_context()


class IdleError(Exception):
    """The connections could not be opened or used."""


def run(load: IdleLoad, deployment: Deployment, process: Process) -> dict[str, float]:
    """Bytes for each idle connection. The proxy must have served a first request already."""
    if deployment.descriptors < load.connections + 1_000:
        raise IdleError(f"needs more than the {deployment.descriptors} descriptors allowed here")
    settle(process)
    baseline = memory.sample(process.pids())
    descriptors = _descriptors(process)
    with ExitStack() as stack:
        connections = [stack.enter_context(_connect(deployment)) for _ in range(load.connections)]
        expected = descriptors + load.connections - ORIGIN_CONNECTIONS
        if not wait_until(lambda: _descriptors(process) >= expected, WAIT_SECONDS):
            raise IdleError(f"only {_descriptors(process) - descriptors} connections were taken")
        settle(process)
        fresh = memory.sample(process.pids())
        for connection in connections:
            _request(connection)
        time.sleep(IDLE_SECONDS)
        settle(process)
        idle = memory.sample(process.pids())
        if closed := _closed(connections):
            raise IdleError(f"{closed} connections were closed that should stay open")
    return _figures(load.connections, baseline, fresh, idle)


def settle(process: Process) -> None:
    """Waits until a proxy has done what it has to do, as its CPU time shows."""
    last = -QUIET_NS

    def quiet() -> bool:
        nonlocal last
        now = sum(cpu.sample(process.pids()).threads_ns.values())
        settled, last = now - last < QUIET_NS, now
        return settled

    wait_until(quiet, WAIT_SECONDS, QUIET_STEP_SECONDS)


def _figures(
    connections: int, baseline: Memory, fresh: Memory, idle: Memory
) -> dict[str, float]:
    def each(of: Callable[[Memory], int], after: Memory) -> float:
        return (of(after) - of(baseline)) / connections

    return {
        "idle_bytes": each(lambda one: one.pss_bytes, idle),
        "fresh_bytes": each(lambda one: one.pss_bytes, fresh),
        "idle_rss_bytes": each(lambda one: one.rss_bytes, idle),
        "pss_bytes": idle.pss_bytes,
        "rss_bytes": idle.rss_bytes,
    }


def _connect(deployment: Deployment) -> socket.socket:
    try:
        plain = socket.create_connection(port.parts(deployment.address), TIMEOUT_SECONDS)
        if deployment.front is not Front.TLS:
            return plain
        return TLS.wrap_socket(plain)
    except OSError as error:
        raise IdleError(f"no connection: {error}") from error


def _request(connection: socket.socket) -> None:
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while not received.endswith(b"\n") or b"\r\n\r\n" not in received:
            part = connection.recv(4096)
            if not part:
                raise IdleError("a connection was closed")
            received += part
    except OSError as error:
        raise IdleError(f"no answer: {error}") from error
    if not received.startswith(b"HTTP/1.1 200"):
        raise IdleError(f"answered {received[:20]!r}")


def _closed(connections: Iterable[socket.socket]) -> int:
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLRDHUP)
    return len(poll.poll(0))


def _descriptors(process: Process) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in process.pids())
