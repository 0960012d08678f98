"""The page's generated part, in Markdown, and the raw records. Pure: it measures nothing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from case import Case, IdleLoad
from options import Options
from proxies import SUBJECT
from ratio import Spread
from record import FOREIGN_MAX, Record
from verdict import Summary, ratio_to, reached, rounds_of, summary

REFERENCES = ("nginx", "haproxy")
SHOWN = (SUBJECT, *REFERENCES)
NOTHING = "-"


def write(options: Options, facts: Mapping[str, str], records: list[Record]) -> str:
    """The whole generated part."""
    parts = [
        _facts(facts),
        _how(options),
        "### The comparison",
        _comparison(options.cases, records),
        *_with_headers(options, records),
        "### Each case",
        *(_case(case, options, records) for case in options.cases),
    ]
    return "\n\n".join(parts) + "\n"


def raw(facts: Mapping[str, str], records: Iterable[Record]) -> str:
    """Every measurement, as JSON."""
    return json.dumps({"facts": dict(facts), "records": [asdict(one) for one in records]}, indent=1)


def _facts(facts: Mapping[str, str]) -> str:
    return _table(["", ""], [[name, value] for name, value in facts.items()])


def _how(options: Options) -> str:
    return (
        f"Rounds: {options.rounds}, each of {options.seconds} s after {options.warmup_seconds} s "
        f"of warm-up; each proxy with one worker on core {options.proxy_core}, generator and "
        f"origins on core {options.load_core}. CPU is the proxy's own time for one request, all "
        "its processes and threads together. Figures are medians over the rounds; a ratio is the "
        "median of the ratios within each round, its lowest and highest in brackets; less is "
        "better."
    )


def _comparison(cases: Iterable[Case], records: list[Record]) -> str:
    header = ["case", *SHOWN, "to nginx", "to haproxy", "at most", "reached"]
    return _table(header, [_comparison_row(case, records) for case in cases])


def _with_headers(options: Options, records: list[Record]) -> list[str]:
    """The comparison with those that add headers too; nothing where none was measured."""
    names = [proxy.name for proxy in options.proxies if proxy.dressed]
    if not names:
        return []
    rows = [
        [
            case.title,
            *(_main_figure(case, name, records) for name in (SUBJECT, *names)),
            *(_ratio(ratio_to(case, name, records)) for name in names),
        ]
        for case in options.cases
        if case.dressed
    ]
    header = ["case", SUBJECT, *names, *(f"to {name}" for name in names)]
    sentence = (
        "Those with the headers that Plimsoll always adds, and the limit: `relay` passes bytes on "
        "and reads no HTTP."
    )
    return [sentence, _table(header, rows)]


def _comparison_row(case: Case, records: list[Record]) -> list[str]:
    outcome = {True: "yes", False: "**no**", None: "not measured"}[reached(case, records)]
    limits = ", ".join(f"{limit:.2f} {name}" for name, limit in case.limits.items())
    return [
        case.title,
        *(_main_figure(case, proxy, records) for proxy in SHOWN),
        *(_ratio(ratio_to(case, reference, records)) for reference in REFERENCES),
        limits,
        outcome,
    ]


def _main_figure(case: Case, proxy: str, records: list[Record]) -> str:
    found = summary(case, proxy, records)
    if found is None:
        return NOTHING
    if not rounds_of(case, proxy, records):
        return "not valid"
    figure = found.figures[case.figure].median
    return f"{figure:,.0f} B" if isinstance(case.load, IdleLoad) else f"{_short(figure)} µs"


def _case(case: Case, options: Options, records: list[Record]) -> str:
    found = [summary(case, proxy.name, records) for proxy in options.proxies]
    summaries = [one for one in found if one is not None]
    table = _idle_table(summaries) if isinstance(case.load, IdleLoad) else _load_table(summaries)
    notes = _notes(summaries)
    lines = [f"#### {case.title} (`{case.name}`)", "", table]
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    return "\n".join(lines)


def _load_table(summaries: list[Summary]) -> str:
    header = ["", "CPU µs", "lowest to highest", "user", "system", "requests/s", "p50 µs",
              "p99 µs", "PSS MiB", "RSS MiB", "its core", "generator's core"]  # fmt: skip
    return _table(header, [_load_row(one) for one in summaries if one.figures])


def _load_row(one: Summary) -> list[str]:
    middle = {name: found.median for name, found in one.figures.items()}
    cpu = one.figures["cpu_us"]
    return [
        one.proxy,
        _short(cpu.median),
        f"{_short(cpu.lowest)} to {_short(cpu.highest)}",
        _short(middle["user_us"]),
        _short(middle["system_us"]),
        f"{middle['requests_per_second']:,.0f}",
        f"{middle['p50_us']:,.0f}",
        f"{middle['p99_us']:,.0f}",
        _mib(middle["pss_bytes"]),
        _mib(middle["rss_bytes"]),
        f"{middle['proxy_core']:.0%}",
        f"{middle['load_core']:.0%}",
    ]


def _idle_table(summaries: list[Summary]) -> str:
    header = ["", "PSS each, idle after a request", "before its first request", "RSS each",
              "PSS MiB of the whole", "RSS MiB of the whole"]  # fmt: skip
    return _table(header, [_idle_row(one) for one in summaries if one.figures])


def _idle_row(one: Summary) -> list[str]:
    middle = {name: found.median for name, found in one.figures.items()}
    return [
        one.proxy,
        f"{middle['idle_bytes']:,.0f} B",
        f"{middle['fresh_bytes']:,.0f} B",
        f"{middle['idle_rss_bytes']:,.0f} B",
        _mib(middle["pss_bytes"]),
        _mib(middle["rss_bytes"]),
    ]


def _notes(summaries: list[Summary]) -> list[str]:
    ciphers: dict[str, list[str]] = {}
    for one in summaries:
        for cipher in one.ciphers:
            ciphers.setdefault(cipher, []).append(one.proxy)
    notes = [f"{cipher}: {', '.join(names)}" for cipher, names in ciphers.items()]
    bound = [f"{one.proxy} {one.load_bound}" for one in summaries if one.load_bound]
    if bound:
        notes.append(
            "Rounds in which the generator's core was the limit, so that requests/s and latencies "
            f"are the generator's: {', '.join(bound)}"
        )
    disturbed = [f"{one.proxy} {one.disturbed}" for one in summaries if one.disturbed]
    if disturbed:
        notes.append(
            f"Rounds in which others had more than {FOREIGN_MAX:.0%} of the proxy's core: "
            f"{', '.join(disturbed)}"
        )
    notes += [f"{one.proxy}: **not valid**: {text}" for one in summaries for text in one.problems]
    return notes


def _ratio(found: Spread | None) -> str:
    if found is None:
        return NOTHING
    return f"{found.median:.2f} ({found.lowest:.2f} to {found.highest:.2f})"


def _short(figure: float) -> str:
    return f"{figure:.1f}" if figure < 100 else f"{figure:,.0f}"


def _mib(figure: float) -> str:
    return f"{figure / (1 << 20):.1f}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells).replace("\n", " ") + " |" for cells in lines)
