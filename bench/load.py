"""What a load generator says. Owns the common shape; `wrk.py` and `h2load.py` fill it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoadReport:
    """One run of a generator."""

    requests: int
    """Completed, whatever the answer."""
    seconds: float
    p50_us: float
    p99_us: float
    body_bytes_min: int
    """What was received at the least, in total."""
    errors: dict[str, int] = field(default_factory=dict)
    """What went wrong, by kind; empty when nothing did."""
    cipher: str = ""
    """What was negotiated, where the generator says so."""


class LoadError(Exception):
    """A generator could not run, or said what is not understood."""
