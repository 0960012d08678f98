"""The arithmetic of the comparison. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The middle of some figures and how far they reach."""

    median: float
    lowest: float
    highest: float
    count: int


def spread(figures: Sequence[float]) -> Spread | None:
    """Middle and reach, or nothing of nothing."""
    if not figures:
        return None
    return Spread(median(figures), min(figures), max(figures), len(figures))


def ratios(subject: Mapping[int, float], reference: Mapping[int, float]) -> Spread | None:
    """How the subject's figures are to the reference's, round by round.

    What disturbs a machine for minutes disturbs both sides of such a ratio, which a ratio of two
    medians would not notice. Rounds in which one of them is missing do not count.
    """
    common = sorted(subject.keys() & reference.keys())
    return spread([subject[key] / reference[key] for key in common if reference[key] > 0])


def percentile(figures: Sequence[float], percent: float) -> float:
    """The figure that so many per cent do not exceed (nearest rank)."""
    if not figures:
        return 0.0
    ordered = sorted(figures)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]
