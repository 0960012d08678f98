"""The command line: which examples, by which program, and what is printed of them."""

import argparse
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .trial import Failed, Held, Outcome, Passed, Skipped, tried

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
AT_A_TIME = 3
"""Most of the time goes to waiting: for registries, for releases that are watched."""
HEAVY = {"next", "rust"}
"""A minute of two cores, or hundreds of MB of packages: tried when they are named, or with --all."""
REQUIRE = "PLIMSOLL_REQUIRE"
"""With this variable set to 1, what the machine lacks is a failure."""


def main(arguments: list[str]) -> int:
    """Tries the examples that are named, or those that are light, or all; gives the exit code."""
    options = _options(arguments)
    program = (options.program or _built()).resolve()
    names = options.names or [name for name in _names() if options.all or name not in HEAVY]
    examples = [EXAMPLES / name for name in names]
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        outcomes = []
        for example, outcome in zip(examples, threads.map(lambda it: tried(it, program), examples)):
            print(_line(example.name, outcome), flush=True)
            if options.show and isinstance(outcome, Passed | Held):
                print(outcome.printed, flush=True)
            outcomes.append(outcome)
    failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
    skipped = sum(isinstance(outcome, Skipped) for outcome in outcomes)
    print(f"examples: {len(outcomes) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    if not options.names and not options.all:
        print(f"not tried: {', '.join(sorted(HEAVY))} (scripts/examples --all)")
    return 1 if failed or (skipped and os.environ.get(REQUIRE) == "1") else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/examples", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *_names()], metavar="NAME", help="an example; by default all that are light")
    parser.add_argument("--all", action="store_true", help=f"these as well: {', '.join(sorted(HEAVY))}")
    parser.add_argument("--show", action="store_true", help="what each deploy printed, for the pages of the guide")
    parser.add_argument("--program", type=Path, help="the plimsoll to try them with; by default one is built")
    return parser.parse_args(arguments)


def _names() -> list[str]:
    return sorted(path.parent.name for path in EXAMPLES.glob("*/plimsoll.toml"))


def _built() -> Path:
    subprocess.run(["cargo", "build", "--locked", "--quiet", "--bin", "plimsoll"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    return ROOT / target / "debug" / "plimsoll"


def _line(name: str, outcome: Outcome) -> str:
    match outcome:
        case Passed(counts, setup, took):
            releases = ", ".join(f"release {name}: {count}" for name, count in sorted(counts.releases.items()))
            return (
                f"{name:12} ok: {counts.sent} requests, 0 failed ({releases}); "
                f"set up in {setup:.0f} s, tried for {took:.0f} s"
            )
        case Held(printed, took):
            return f"{name:12} ok: {len(printed.splitlines())} rules hold at two edges; tried for {took:.0f} s"
        case Failed(why):
            return f"{name:12} FAILED: {why}"
        case Skipped(lacks):
            return f"{name:12} skipped: this machine lacks {', '.join(lacks)}"
