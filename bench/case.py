"""What a case is: a kind of load, what the proxy is configured for, and the ratios to reach.

Owns the types only; `catalogue.py` lists the cases, `trial.py` runs one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployment import Front, Routes
from gate import Asked, Gate
from proxy import Skill


@dataclass(frozen=True)
class Http1Load:
    """Requests by wrk, as fast as the connections allow."""

    connections: int
    path: str = "/"
    answer_bytes: int = 128
    upload_bytes: int = 0
    close: bool = False
    """A new connection for each request, by the client's `Connection: close`."""


@dataclass(frozen=True)
class Http2Load:
    """Requests by h2load, with so many streams open on each connection."""

    connections: int
    streams: int
    path: str = "/"
    answer_bytes: int = 128


@dataclass(frozen=True)
class IdleLoad:
    """Connections that stay open with nothing to do."""

    connections: int


Load = Http1Load | Http2Load | IdleLoad


@dataclass(frozen=True)
class Case:
    """One row of the result."""

    name: str
    title: str
    load: Load
    front: Front = Front.PLAIN
    routes: Routes | None = None
    access_log: bool = False
    gate: Gate | None = None
    dressed: bool = False
    """Also run with the proxies that add headers as Plimsoll does."""
    limits: Mapping[str, float] = field(default_factory=lambda: {"nginx": 1.0, "haproxy": 1.0})
    """The largest ratio that Plimsoll may have to each of these proxies."""

    @property
    def skills(self) -> frozenset[Skill]:
        """What a proxy must be able to do."""
        asked = {Skill.TLS} if self.front is Front.TLS else set()
        if self.gate is not None and self.gate.token is not None:
            asked.add(Skill.TOKEN)
        if self.gate is not None and self.gate.limit is not None:
            asked.add(Skill.LIMIT)
        if self.gate is not None and self.gate.asked is Asked.SERVICE:
            asked.add(Skill.ASK)
        return frozenset(asked)

    @property
    def figure(self) -> str:
        """The name of the figure that is compared (see `record.py`)."""
        return "idle_bytes" if isinstance(self.load, IdleLoad) else "cpu_us"
