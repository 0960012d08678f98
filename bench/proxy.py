"""What the harness knows of any proxy. Owns the interface only; `proxies.py` lists who has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from deployment import Deployment


@dataclass(frozen=True)
class Command:
    """How a proxy is started in the foreground."""

    arguments: list[str]
    output: Path
    """Where its standard output and standard error go."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it finds in its environment besides the harness's own."""


class Skill(Enum):
    """What a case may ask of a proxy that not each of them can do."""

    TLS = "TLS"
    LIMIT = "limits"
    TOKEN = "tokens"
    ASK = "asking another service"


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
    def skills(self) -> frozenset[Skill]:
        """What it can do beyond forwarding."""

    def version(self) -> str:
        """Its version in a few words."""

    def prepare(self, deployment: Deployment) -> Command:
        """Writes its configuration into the deployment's directory."""
