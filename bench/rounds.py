"""The order of the measurements: in each round each case, in each case each proxy once.

Rounds are spread over the whole run, and who goes first changes with them, so that neither a slow
change of the machine nor a place in the order speaks for one proxy.
"""

from collections.abc import Iterator

import trial
from case import Case
from options import Options
from proxy import Proxy
from record import Record
from testbed import Testbed

OVERHEAD_SECONDS = 1
"""Starting and stopping a proxy and waiting for it to be quiet, roughly."""


def run(testbed: Testbed, options: Options) -> list[Record]:
    """Runs all rounds, and prints a line for each measurement."""
    plan = list(schedule(options))
    each = options.seconds + options.warmup_seconds + OVERHEAD_SECONDS
    print(f"{len(plan)} measurements, about {len(plan) * each // 60 + 1} min", flush=True)
    records = []
    for number, case, proxy in plan:
        record = trial.measure(testbed, options, case, proxy, number)
        place = f"round {number}/{options.rounds} {case.name} {proxy.name}"
        print(f"{place}: {line(record)}", flush=True)
        records.append(record)
    return records


def schedule(options: Options) -> Iterator[tuple[int, Case, Proxy]]:
    """Every measurement: its round (from 1), case and proxy."""
    for number in range(1, options.rounds + 1):
        for case in options.cases:
            here = [proxy for proxy in options.proxies if _belongs(proxy, case)]
            first = (number - 1) % len(here) if here else 0
            for proxy in here[first:] + here[:first]:
                yield number, case, proxy


def _belongs(proxy: Proxy, case: Case) -> bool:
    """Whether the case is one for this proxy."""
    return case.skills <= proxy.skills and (case.dressed or not proxy.dressed)


def line(record: Record) -> str:
    """One measurement in a few words."""
    figures = record.figures
    if record.problems:
        return "NOT VALID: " + "; ".join(record.problems)
    if "idle_bytes" in figures:
        return (
            f"{figures['idle_bytes']:,.0f} B each, "
            f"{figures['fresh_bytes']:,.0f} B before the first request"
        )
    marks = [
        mark
        for mark, applies in (
            ("the generator's core was full", record.load_bound),
            (f"others had {figures['foreign']:.0%} of its core", record.disturbed),
        )
        if applies
    ]
    return (
        f"{figures['cpu_us']:.2f} us ({figures['user_us']:.2f} user, "
        f"{figures['system_us']:.2f} system), {figures['requests_per_second']:,.0f}/s, "
        f"p50 {figures['p50_us']:,.0f} us, p99 {figures['p99_us']:,.0f} us"
        + "".join(f"; {mark}" for mark in marks)
    )
