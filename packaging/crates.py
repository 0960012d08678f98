"""What the program is linked of, as Cargo resolves it: the crates of others, not what tests, build scripts and macros need.

Features are those of the whole workspace, tests included, so that a crate may be listed that only a test links.
"""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "plimsoll"


class Crates:
    """The program's crates for one target."""

    def __init__(self, known):
        self.packages = {package["id"]: package for package in known["packages"]}
        nodes = known["resolve"]["nodes"]
        self.links = {node["id"]: [dep["pkg"] for dep in node["deps"] if self._is_linked(dep)] for node in nodes}
        ours = (id for id, package in self.packages.items() if not package["source"])
        self.program = next(id for id in ours if self.packages[id]["name"] == PROGRAM)

    @classmethod
    def of(cls, target):
        """Those of the program that is built for `target`."""
        words = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
        return cls(json.loads(subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout))

    def _is_linked(self, dependency):
        is_macro = any("proc-macro" in made["kind"] for made in self.packages[dependency["pkg"]]["targets"])
        return not is_macro and any(kind["kind"] is None for kind in dependency["dep_kinds"])

    def linked(self):
        """All of others, by name and version."""
        return self._sorted(id for id in self._reached(self.program, lambda id: True) if self.packages[id]["source"])

    def direct(self, package):
        """What one of them asks for; for the program what its own crates ask for, which are part of it."""
        own = self._reached(package["id"], lambda id: not self.packages[id]["source"])
        asked = {link for id in own for link in self.links[id]} - own
        return self._sorted(asked)

    def _reached(self, start, goes_on):
        """The crates that are reached through those of which `goes_on` holds."""
        seen, waiting = {start}, [start]
        while waiting:
            for link in self.links[waiting.pop()]:
                if link not in seen and goes_on(link):
                    seen.add(link)
                    waiting.append(link)
        return seen

    def _sorted(self, ids):
        return sorted((self.packages[id] for id in ids), key=lambda package: (package["name"], package["version"]))
