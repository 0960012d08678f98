"""What a proxy is asked to do in a case, in no proxy's language.

Owns the facts that all configurations are made from, so that they say the same; it must never know
a proxy. `nginx.py`, `haproxy.py` and `plimsoll.py` translate it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import gate
from gate import Gate, Keys

IDLE_SECONDS = 300
"""Time limits long enough that none is reached."""

CLIENT_CONNECTIONS = 20_000
"""How many connections each proxy must be able to hold."""


class Front(Enum):
    """What the clients speak."""

    PLAIN = "plain"
    """HTTP/1.1 on clear text."""
    TLS = "tls"
    """TLS, with HTTP/1.1 and HTTP/2 on offer."""
    H2C = "h2c"
    """HTTP/2 on clear text, by prior knowledge."""


class RouteKey(Enum):
    """What the routes of a deployment differ in."""

    PATH = "path"
    HOST = "host"


@dataclass(frozen=True)
class Routes:
    """Many routes of one kind, which lead to two services in turn."""

    key: RouteKey
    count: int

    def values(self) -> Iterator[tuple[str, str]]:
        """Each route's path prefix (with its last slash) or host, and its service."""
        for index in range(self.count):
            yield self.value(index), SERVICES[index % len(SERVICES)]

    def value(self, index: int) -> str:
        """One route's path prefix or host. `wrk.lua` makes the same."""
        if self.key is RouteKey.PATH:
            return f"/r{index:05}/"
        return f"h{index:05}.example.com"


SERVICES = ("a", "b")
"""The services that routes lead to; a deployment without routes has the first alone."""


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, and both in one file, as HAProxy wants them."""

    certificate: Path
    key: Path
    both: Path


@dataclass(frozen=True)
class Deployment:
    """What a proxy is asked to do."""

    directory: Path
    """Its own, empty, in memory."""
    address: str
    """Where it listens."""
    front: Front
    certificate: Certificate
    origins: tuple[str, ...]
    """The servers behind it; every service has all of them."""
    routes: Routes | None
    access_log: Path | None
    gate: Gate | None
    keys: Keys
    """What tokens are checked with."""
    descriptors: int
    """How many descriptors a process may have."""

    @property
    def client_headers(self) -> dict[str, str]:
        """What each request carries."""
        return gate.headers(self.gate, self.keys)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that are needed."""
        return SERVICES if self.routes else SERVICES[:1]
