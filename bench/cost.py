#!/usr/bin/env python3
"""What one request costs Plimsoll's own code: `scripts/cost --help`.

Counts instructions, allocations and system calls of the worker for one request of each case. Unlike
times these are nearly the same on each run, so that commits can be compared. The table stands in
docs/benchmarks.md; a case that costs more than it says there fails. Owns the order of things, the
comparison and the exit code: 0 no case costs more, 1 one does, 2 wrong use or something is missing.
"""

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import descriptor
import machine
import page
import plimsoll
import tool
from cost_case import CASES, CostCase
from cost_run import Cost, measure
from options import PAGE
from testbed import Cores, Testbed

TOLERANCE = 0.03
"""A case may cost so much more before it fails, or twice its spread where that is more."""

PROGRAM = plimsoll.PROGRAM.parent.parent / "release" / "plimsoll"
"""Not what is shipped, which takes a quarter of an hour to build: so that a commit can be counted while one works on it."""

PROGRAMS = ("valgrind", "strace", "h2load", "openssl", "setpriv", "taskset")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: str
    instructions: int
    spread: float
    """Largest less smallest of all runs, as a share of the median."""
    allocations: float
    system_calls: float


def main(arguments: list[str]) -> int:
    """Measures, compares, and returns the exit code."""
    options = _parser().parse_args(arguments)
    tool.widen_path()
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or not Path(options.program).exists():
        print(f"missing: {', '.join(missing) or options.program}; on Debian: apt-get install "
              "valgrind strace nghttp2-client openssl util-linux; "
              "Plimsoll: cargo build --release", file=sys.stderr)  # fmt: skip
        return 2
    before = rows_of(page.generated(PAGE.read_text(encoding="utf-8"), page.COST))
    cases = [case for case in CASES if options.cases is None or case.name in options.cases]
    memory = tool.memory_directory()
    cores = Cores(*sorted(os.sched_getaffinity(0))[:2])
    with (
        tempfile.TemporaryDirectory(prefix="plimsoll-cost-", dir=memory) as path,
        Testbed(Path(path), cores, descriptor.raise_limit()) as testbed,
    ):
        now = [_row(case, testbed, options) for case in cases]
    print(table(now, before))
    if options.write:
        kept = [row for name, row in before.items() if name not in {row.case for row in now}]
        page.update(PAGE, page.COST, described(sorted(now + kept, key=_order), options.program))
    return 1 if any(costs_more(row, before.get(row.case)) for row in now) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/cost",
        description="Counts instructions, allocations and system calls for one request.",
        epilog="cases: " + ", ".join(case.name for case in CASES),
    )
    parser.add_argument("--cases", type=lambda text: text.split(","), metavar="A,B",
                        help="only these cases")
    parser.add_argument("--repeat", type=int, default=1, metavar="N",
                        help="runs of each case, whose median counts; default 1")
    parser.add_argument("--program", default=str(PROGRAM), metavar="FILE",
                        help="default: what `cargo build --release` made")
    parser.add_argument("--write", action="store_true",
                        help="write the table into docs/benchmarks.md")
    return parser


def _row(case: CostCase, testbed: Testbed, options: argparse.Namespace) -> Row:
    proxy = plimsoll.Plimsoll(program=options.program)
    row = summary(case.name, [measure(case, testbed, proxy) for _ in range(options.repeat)])
    print(f"{row.case}: {row.instructions:,} instructions", file=sys.stderr)
    return row


def summary(name: str, costs: list[Cost]) -> Row:
    """The medians of several runs."""
    instructions = [cost.instructions for cost in costs]
    middle = statistics.median(instructions)
    return Row(
        case=name,
        instructions=round(middle),
        spread=(max(instructions) - min(instructions)) / middle,
        allocations=statistics.median(cost.allocations for cost in costs),
        system_calls=statistics.median(cost.system_calls for cost in costs),
    )


def costs_more(row: Row, before: Row | None) -> bool:
    """Whether a case costs more than the table says, beyond what chance explains."""
    if before is None:
        return False
    allowed = max(TOLERANCE, 2 * before.spread, 2 * row.spread)
    return row.instructions > before.instructions * (1 + allowed)


def table(rows: Iterable[Row], before: dict[str, Row]) -> str:
    """The table, with what the page says where it is given."""
    lines = ["| case | instructions | spread | allocations | system calls |" + (" before |" if before else ""),
             "| --- | ---: | ---: | ---: | ---: |" + (" ---: |" if before else "")]
    for row in rows:
        line = (f"| {row.case} | {row.instructions:,} | {row.spread:.1%} | {row.allocations:.2f} "
                f"| {row.system_calls:.2f} |")
        if before:
            old = before.get(row.case)
            line += f" {old.instructions:,} |" if old else " - |"
            line += " costs more" if costs_more(row, old) else ""
        lines.append(line)
    return "\n".join(lines)


def rows_of(text: str) -> dict[str, Row]:
    """Reads a table that `table` wrote."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if len(cells) >= 5 and re.fullmatch(r"[\d,]+", cells[1]):
            found[cells[0]] = Row(cells[0], int(cells[1].replace(",", "")),
                                  float(cells[2].rstrip("%")) / 100, float(cells[3]), float(cells[4]))
    return found


def described(rows: list[Row], program: str) -> str:
    """The part of the page."""
    cases = "\n".join(f"- `{case.name}`: {case.title}" for case in CASES)
    version = plimsoll.Plimsoll(program=program).version()
    profile = Path(program).resolve().parent.name
    return (f"{table(rows, {})}\n\n{cases}\n\nPlimsoll {version}, profile `{profile}`, {machine.cpu_model()}, "
            f"{tool.output_of(['valgrind', '--version'])}, {datetime.now(UTC):%Y-%m-%d}.")


def _order(row: Row) -> int:
    return [case.name for case in CASES].index(row.case)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
