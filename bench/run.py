#!/usr/bin/env python3
"""Measures nginx, HAProxy and Plimsoll side by side: `python3 bench/run.py --help`.

Owns the order of things and the exit code: 0 measured, 1 some case could not be measured, 2 wrong
use or something is missing. It must never measure or format anything itself: `rounds.py` runs the
rounds, `report.py` writes what they say.
"""

import signal
import sys
import tempfile
from pathlib import Path

import descriptor
import machine
import page
import report
import rounds
import tool
from options import Options, parse
from testbed import Cores, Testbed


def main(arguments: list[str]) -> int:
    """Runs the whole thing and returns the exit code."""
    options = parse(arguments)
    tool.widen_path()
    missing = tool.missing(options.proxies)
    if missing:
        print("\n".join(missing), file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    facts = machine.facts(options)
    memory = tool.memory_directory()
    cores = Cores(options.proxy_core, options.load_core)
    with (
        tempfile.TemporaryDirectory(prefix="plimsoll-bench-", dir=memory) as path,
        Testbed(Path(path), cores, descriptor.raise_limit()) as testbed,
    ):
        records = rounds.run(testbed, options)
    publish(options, report.write(options, facts, records))
    if options.json is not None:
        options.json.write_text(report.raw(facts, records), encoding="utf-8")
    return 1 if any(record.problems for record in records) else 0


def publish(options: Options, text: str) -> None:
    """Writes the page, or prints it where the run was only a part of the whole."""
    if options.out is None:
        print(text)
        return
    page.update(options.out, page.BENCH, text)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
