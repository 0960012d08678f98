"""The generated part of a hand-written page, between two markers. It touches nothing else."""

from pathlib import Path

BEGIN = "<!-- bench:begin: written by bench/run.py -->"
END = "<!-- bench:end -->"

NEW_PAGE = f"""# Benchmarks

nginx, HAProxy and Plimsoll, measured side by side by `python3 bench/run.py`.
[How it is done](../bench/README.md) says what was chosen, and what the figures do not say.

{BEGIN}
{END}
"""


def update(path: Path, text: str) -> None:
    """Puts `text` between the page's markers; makes the page where there is none."""
    page = path.read_text(encoding="utf-8") if path.exists() else NEW_PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(replaced(page, text), encoding="utf-8")


def replaced(page: str, text: str) -> str:
    """`page` with `text` between its markers, or at its end where it has none."""
    before, begin, rest = page.partition(BEGIN)
    if not begin:
        return f"{page.rstrip()}\n\n{BEGIN}\n\n{text.strip()}\n\n{END}\n"
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has {BEGIN} without {END}")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"
