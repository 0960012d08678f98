"""Load that is the same each time: all connections send, all are answered, and so on.

wrk and h2load send as fast as they can, so which requests a proxy finds ready together is chance, and
with it what the proxy does for each. Here every round is whole before the next begins. It keeps no time.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import port

TIMEOUT_SECONDS = 60.0
READ_BYTES = 1 << 18


@dataclass(frozen=True)
class Requests:
    """What each connection sends in a round."""

    connections: int
    head: bytes
    tls: bool = False
    close: bool = False
    """A new connection for each request."""

    def with_headers(self, headers: Mapping[str, str]) -> "Requests":
        """The same with these as well."""
        added = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return replace(self, head=self.head.removesuffix(b"\r\n") + added.encode() + b"\r\n")


class WrongAnswer(Exception):
    """An answer was not 200, or not whole."""


@contextmanager
def connected(requests: Requests, address: str) -> Iterator["Load"]:
    """The connections, open as long as this is entered."""
    load = Load(requests, address)
    try:
        yield load
    finally:
        load.close()


class Load:
    """Connections that are open."""

    def __init__(self, requests: Requests, address: str) -> None:
        """Opens them, unless each request opens its own."""
        self._requests = requests
        self._address = port.parts(address)
        self._sockets: list[socket.socket] = [] if requests.close else self._open()

    def rounds(self, count: int) -> int:
        """Sends so many rounds; the number of requests in them."""
        for _ in range(count):
            sockets = self._open() if self._requests.close else self._sockets
            for one in sockets:
                one.sendall(self._requests.head)
            for one in sockets:
                answer(one)
            if self._requests.close:
                self._end(sockets)
        return count * self._requests.connections

    def close(self) -> None:
        """Closes what is open."""
        for one in self._sockets:
            one.close()

    def _open(self) -> list[socket.socket]:
        plain = [socket.create_connection(self._address, TIMEOUT_SECONDS)
                 for _ in range(self._requests.connections)]
        for one in plain:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._requests.tls:
            return plain
        context = _context()
        return [context.wrap_socket(one) for one in plain]

    @staticmethod
    def _end(sockets: list[socket.socket]) -> None:
        for one in sockets:
            if one.recv(1):
                raise WrongAnswer("something came behind an answer")
            one.close()


def answer(one: socket.socket) -> None:
    """Reads one answer, head and body."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _some(one)
    if not data.startswith(b"HTTP/1.1 200 "):
        raise WrongAnswer(data[:80].decode(errors="replace"))
    left = end + 4 + length_of(data[:end]) - len(data)
    while left > 0:
        left -= len(_some(one))


def length_of(head: bytes) -> int:
    """The body's length as the head says."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise WrongAnswer("the head has no length")


def _some(one: socket.socket) -> bytes:
    data = one.recv(READ_BYTES)
    if not data:
        raise WrongAnswer("the connection ended within an answer")
    return data


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
