"""The limit: a relay that passes bytes on and reads no HTTP. Owns its command line and nothing else.

What it takes is the kernel's part of two receives and two sends, which every proxy has.
"""

from dataclasses import dataclass

from deployment import Deployment
from origin import BUILD
from proxy import Command, Skill


@dataclass(frozen=True)
class Relay:
    """The least that any proxy does; built with the origins."""

    program: str = str(BUILD / "release" / "bench-relay")
    name: str = "relay"
    dressed: bool = True
    skills: frozenset[Skill] = frozenset()

    def version(self) -> str:
        """It has none of its own."""
        return "that of the origins"

    def prepare(self, deployment: Deployment) -> Command:
        """All that it needs stands on its command line."""
        arguments = [self.program, deployment.address, *deployment.origins]
        return Command(arguments, deployment.directory / "relay.log")
