"""What the records say of each case: medians, ratios, and whether the ratios are reached. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from case import Case
from proxies import SUBJECT
from ratio import Spread, ratios, spread
from record import Record


@dataclass(frozen=True)
class Summary:
    """One proxy in one case, over all rounds."""

    proxy: str
    figures: Mapping[str, Spread]
    ciphers: tuple[str, ...]
    load_bound: int
    """Rounds in which the generator's core was the limit."""
    disturbed: int
    rounds: int
    problems: tuple[str, ...]


def rounds_of(case: Case, proxy: str, records: Iterable[Record]) -> dict[int, float]:
    """The figure that counts, by round, where it may be used."""
    return {
        record.round: record.figures[case.figure]
        for record in records
        if record.case == case.name and record.proxy == proxy and not record.problems
    }


def ratio_to(case: Case, reference: str, records: list[Record]) -> Spread | None:
    """How the subject is to a reference in a case."""
    subject = rounds_of(case, SUBJECT, records)
    return ratios(subject, rounds_of(case, reference, records))


def reached(case: Case, records: list[Record]) -> bool | None:
    """Whether every limit of the case is kept; `None` when a side of one was not measured."""
    kept = []
    for reference, limit in case.limits.items():
        found = ratio_to(case, reference, records)
        kept.append(None if found is None else found.median <= limit)
    if False in kept:
        return False
    return None if None in kept else True


def summary(case: Case, proxy: str, records: Iterable[Record]) -> Summary | None:
    """One proxy in one case, or nothing where it did not take part."""
    own = [record for record in records if record.case == case.name and record.proxy == proxy]
    if not own:
        return None
    valid = [record for record in own if not record.problems]
    names = dict.fromkeys(name for record in valid for name in record.figures)
    figures = {name: spread([record.figures[name] for record in valid]) for name in names}
    return Summary(
        proxy=proxy,
        figures={name: found for name, found in figures.items() if found is not None},
        ciphers=tuple(dict.fromkeys(record.cipher for record in valid if record.cipher)),
        load_bound=sum(record.load_bound for record in valid),
        disturbed=sum(record.disturbed for record in valid),
        rounds=len(valid),
        problems=tuple(dict.fromkeys(text for record in own for text in record.problems)),
    )
