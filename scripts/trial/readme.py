"""What an example's README tells a reader to do. The trial does that, word for word but for the port.

Owns the form of these pages: a line `Needs ...` that names programs between backticks, and commands, indented by
four blanks. What stands before `plimsoll run` sets up, what stands behind it is typed in another terminal.
"""

import re
from dataclasses import dataclass
from pathlib import Path

RUN = "plimsoll run"
DEPLOYS = ("plimsoll deploy ", "./deploy.sh ")
"""A pipeline's script, too."""
ROLLS_BACK = ("plimsoll rollback ",)


@dataclass(frozen=True)
class Readme:
    """The commands of one example."""

    needs: list[str]
    """The programs that the machine has to have."""
    setup: list[str]
    run: str
    curl: str | None
    """Asks for the release that runs."""
    client: str | None
    """The example's own client, where HTTP alone would say little."""
    deploy: str
    rollback: str
    page: str | None
    """The page of the guide about it, from the example's directory."""


def read(directory: Path) -> Readme:
    """Reads the README in an example's directory."""
    return parse((directory / "README.md").read_text(encoding="utf-8"))


def parse(page: str) -> Readme:
    """Finds its commands; `ValueError` says what is missing."""
    commands = [line.strip() for line in page.splitlines() if line.startswith("    ")]
    commands = [re.sub(r"\s+# .*", "", command) for command in commands]
    runs = [index for index, command in enumerate(commands) if command.endswith(RUN)]
    if len(runs) != 1:
        raise ValueError(f"it says `{RUN}` {len(runs)} times")
    others = commands[runs[0] + 1 :]
    deploy, rollback = _one(others, DEPLOYS), _one(others, ROLLS_BACK)
    curl, client = _first(others, "curl "), next((it for it in others if " client." in it), None)
    known = {deploy, rollback, curl, client}
    unknown = [command for command in others if command not in known]
    if unknown:
        raise ValueError(f"what is to be done with {unknown}?")
    guide = re.search(r"\]\((\.\./[^)]*/docs/guide/[^)]*\.md)\)", page)
    return Readme(
        _needs(page), commands[: runs[0]], commands[runs[0]], curl, client, deploy, rollback, guide and guide[1]
    )


def _needs(page: str) -> list[str]:
    """Programs, not the packages that are named in brackets."""
    line = next((line for line in page.splitlines() if line.startswith("Needs ")), None)
    if line is None:
        raise ValueError("it does not say what it needs")
    return re.findall(r"`([\w-]+)`", re.sub(r"\([^)]*\)", "", line))


def _first(commands: list[str], begin: str) -> str | None:
    return next((command for command in commands if command.startswith(begin)), None)


def _one(commands: list[str], words: tuple[str, ...]) -> str:
    found = [command for command in commands if any(word in command for word in words)]
    if len(found) != 1:
        raise ValueError(f"it says `{words[0].strip()}` {len(found)} times")
    return found[0]
