"""What the harness knows of any proxy. Owns the interface only; `proxies.py` lists who has it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deployment import Deployment


@dataclass(frozen=True)
class Command:
    """How a proxy is started in the foreground."""

    arguments: list[str]
    output: Path
    """Where its standard output and standard error go."""


class Proxy(Protocol):
    """A proxy that can be measured."""

    @property
    def name(self) -> str:
        """How it is called on the command line and in tables."""

    @property
    def program(self) -> str:
        """Its program: a name to be found in PATH, or a path."""

    @property
    def dressed(self) -> bool:
        """Whether it is there for comparison in some cases only, as those that add headers."""

    @property
    def clear_only(self) -> bool:
        """Whether it knows no TLS."""

    def version(self) -> str:
        """Its version in a few words."""

    def prepare(self, deployment: Deployment) -> Command:
        """Writes its configuration into the deployment's directory."""
