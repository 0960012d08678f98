"""The generated parts of a hand-written page, each between two markers. It touches nothing else."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One generated part."""

    begin: str
    end: str


BENCH = Part("<!-- bench:begin: written by bench/run.py -->", "<!-- bench:end -->")
COST = Part("<!-- cost:begin: written by scripts/cost -->", "<!-- cost:end -->")

NEW_PAGE = f"""# Benchmarks

nginx, HAProxy and Plimsoll, measured side by side by `python3 bench/run.py`.
[How it is done](../bench/README.md) says what was chosen, and what the figures do not say.

{BENCH.begin}
{BENCH.end}
"""


def update(path: Path, part: Part, text: str) -> None:
    """Puts `text` between the part's markers; makes the page where there is none."""
    page = path.read_text(encoding="utf-8") if path.exists() else NEW_PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(replaced(page, part, text), encoding="utf-8")


def replaced(page: str, part: Part, text: str) -> str:
    """`page` with `text` between the part's markers, or at its end where it has none."""
    before, begin, rest = page.partition(part.begin)
    if not begin:
        return f"{page.rstrip()}\n\n{part.begin}\n\n{text.strip()}\n\n{part.end}\n"
    _, end, after = rest.partition(part.end)
    if not end:
        raise ValueError(f"the page has {part.begin} without {part.end}")
    return f"{before}{part.begin}\n\n{text.strip()}\n\n{part.end}{after}"


def generated(page: str, part: Part) -> str:
    """What stands between the part's markers; empty where it is not there."""
    return page.partition(part.begin)[2].partition(part.end)[0]
