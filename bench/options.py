"""The command line. Owns the names of the options and their defaults; it starts nothing."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import catalogue
import proxies
from case import Case
from proxy import Proxy

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "benchmarks.md"

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Options:
    """What is measured, how long, and where the result goes."""

    cases: tuple[Case, ...]
    proxies: tuple[Proxy, ...]
    rounds: int
    seconds: int
    warmup_seconds: int
    proxy_core: int
    load_core: int
    out: Path | None
    json: Path | None
    command: str


def parse(arguments: list[str]) -> Options:
    """Reads the command line; ends the program with code 2 on wrong use."""
    parser = _parser()
    given = parser.parse_args(arguments)
    cases = _pick(parser, "case", given.cases, {case.name: case for case in catalogue.CASES})
    chosen = _pick(parser, "proxy", given.only, {one.name: one for one in proxies.all_proxies()})
    cores = os.sched_getaffinity(0)
    if given.proxy_core == given.load_core or not {given.proxy_core, given.load_core} <= cores:
        parser.error(f"needs two different cores of {sorted(cores)}")
    whole = given.cases is None and given.only is None
    return Options(
        cases=cases,
        proxies=chosen,
        rounds=given.rounds,
        seconds=given.seconds,
        warmup_seconds=given.warmup,
        proxy_core=given.proxy_core,
        load_core=given.load_core,
        out=given.out or (PAGE if whole else None),
        json=given.json,
        command=" ".join(["python3 bench/run.py", *arguments]),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench/run.py",
        description="Measures nginx, HAProxy and Plimsoll side by side, in interleaved rounds.",
        epilog="cases: " + ", ".join(case.name for case in catalogue.CASES),
    )
    parser.add_argument("--cases", metavar="A,B", help="only these cases")
    parser.add_argument("--only", metavar="A,B", help="only these proxies: nginx, haproxy, "
                        "plimsoll, nginx-dressed, haproxy-dressed, relay")
    parser.add_argument("--rounds", type=_positive, default=5, metavar="N", help="default 5")
    parser.add_argument("--seconds", type=_positive, default=4, metavar="N",
                        help="how long each proxy is measured in each round and case; default 4")
    parser.add_argument("--warmup", type=_positive, default=1, metavar="N",
                        help="seconds of load before that; default 1")
    parser.add_argument("--proxy-core", type=int, default=0, metavar="N", help="default 0")
    parser.add_argument("--load-core", type=int, default=1, metavar="N",
                        help="for the generator and the origins; default 1")
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="the page to update; without it a whole run updates "
                        "docs/benchmarks.md and a part of one prints")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every single measurement")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _pick(
    parser: argparse.ArgumentParser, what: str, names: str | None, known: dict[str, Choice]
) -> tuple[Choice, ...]:
    if names is None:
        return tuple(known.values())
    chosen = names.split(",")
    unknown = [name for name in chosen if name not in known]
    if unknown:
        parser.error(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(chosen))
