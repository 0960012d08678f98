"""What all cases of a run share: a directory in memory, a certificate, the origins, the cores."""

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import certificate
import port
from deployment import Deployment, Front, Routes
from gate import Gate, Keys
from origin import Origin


@dataclass(frozen=True)
class Cores:
    """Who runs where."""

    proxy: int
    load: int
    """For the generator and the origins."""


class Wanted(Protocol):
    """What a case asks of a proxy."""

    @property
    def front(self) -> Front:
        """What the clients speak."""

    @property
    def routes(self) -> Routes | None:
        """The routes, where there are many."""

    @property
    def access_log(self) -> bool:
        """Whether it writes one."""

    @property
    def gate(self) -> Gate | None:
        """What is asked of requests."""


class Testbed:
    """Everything that a proxy needs around it. Entered once for a whole run."""

    def __init__(self, directory: Path, cores: Cores, descriptors: int) -> None:
        """Takes what was decided; starts nothing yet."""
        self.directory = directory
        self.proxy_core = cores.proxy
        self.load_core = cores.load
        self.descriptors = descriptors
        self._count = 0

    def __enter__(self) -> "Testbed":
        """Pins this process, and so each generator that it starts, and starts the origins."""
        os.sched_setaffinity(0, {self.load_core})
        self._certificate = certificate.make(self.directory)
        self._keys = Keys.make(self.directory)
        self._origin = Origin(self.load_core)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the origins."""
        self._origin.stop()

    def deployment(self, case: Wanted) -> Deployment:
        """What a proxy is asked to do in `case`, at a free port, with an empty directory."""
        self._count += 1
        directory = self.directory / str(self._count)
        directory.mkdir()
        return Deployment(
            directory=directory,
            address=port.free_address(),
            front=case.front,
            certificate=self._certificate,
            origins=self._origin.addresses,
            routes=case.routes,
            access_log=directory / "access.log" if case.access_log else None,
            gate=case.gate,
            keys=self._keys,
            descriptors=self.descriptors,
        )
