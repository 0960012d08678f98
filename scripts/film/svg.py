"""Draws frames as an SVG that plays by itself, again and again, without a script.

Each different row is drawn once, and shown from one frame to another by CSS. A reader whose system asks for less motion,
or whose viewer plays nothing, sees the last frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from .recording import COLUMNS
from .screen import Frame, Row

BYTES_MAX = 60 * 1024
SHOWN_ROWS = 30
STEP_SECONDS = 0.5
"""Between two frames; steps in between are left out."""
HOLD_SECONDS = 8.0
"""How long the last frame stays."""
CHAR, LINE, MARGIN, HEAD = 8.4, 18, 16, 34

STYLE = """
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}
.b{font-weight:700}.h{visibility:hidden}
rect{fill:#f6f8fa;stroke:#d1d9e0}text{fill:#1f2328}.d{fill:#656d76}.g{fill:#1a7f37}.r{fill:#cf222e}.y{fill:#9a6700}
@media(prefers-color-scheme:dark){rect{fill:#0d1117;stroke:#3d444d}text{fill:#e6edf3}
.d{fill:#8b949e}.g{fill:#3fb950}.r{fill:#f85149}.y{fill:#d29922}}
@media(prefers-reduced-motion:reduce){*{animation:none!important}}
"""


@dataclass(frozen=True)
class Shown:
    """A row, and the frames that it is in: from the first up to the last, which it is not in."""

    index: int
    row: Row
    first: int
    last: int


def draw(command: str, frames: list[Frame]) -> str:
    """The picture of what `command` printed."""
    frames = list(_thinned(frames))
    total = frames[-1].seconds + HOLD_SECONDS
    shown = [it for it in _shown(frames) if it.row]
    spans = sorted({(it.first, it.last) for it in shown if not _is_always(it, frames)})
    names = {span: f"k{number}" for number, span in enumerate(spans)}
    # Fonts differ a little in width.
    inner = (COLUMNS + 2) * CHAR
    width, height = inner + 2 * MARGIN, HEAD + SHOWN_ROWS * LINE + 2 * MARGIN
    rules = [_rule(name, frames, span, total) for span, name in names.items()]
    offsets = _offsets(frames)
    rows = [_text(it, names.get((it.first, it.last)), it.last == len(frames)) for it in shown]
    return "".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">',
        f"<title>{escape(command)}</title><style>{STYLE}",
        f"[class^=k],.s{{animation:{total:.1f}s step-end infinite}}\n", *rules,
        _scroll(frames, offsets, total), "</style>",
        f'<rect width="{width:g}" height="{height:g}" rx="8"/>',
        f'<text x="{MARGIN}" y="26"><tspan class="d">$</tspan> {escape(command)}</text>',
        f'<svg x="{MARGIN}" y="{HEAD}" width="{inner:g}" height="{SHOWN_ROWS * LINE + 6}">',
        f'<g class="s" transform="translate(0,{-offsets[-1] * LINE})">', *rows, "</g></svg></svg>\n",
    ])  # fmt: skip


def _thinned(frames: list[Frame]) -> Iterator[Frame]:
    """Those that are far enough apart, and the last."""
    at = float("-inf")
    for frame in frames[:-1]:
        if frame.seconds - at >= STEP_SECONDS:
            at = frame.seconds
            yield frame
    yield frames[-1]


def _shown(frames: list[Frame]) -> Iterator[Shown]:
    for index in range(max(len(frame.rows) for frame in frames)):
        rows = [frame.rows[index] if index < len(frame.rows) else () for frame in frames]
        first = 0
        for at in range(1, len(rows) + 1):
            if at == len(rows) or rows[at] != rows[first]:
                yield Shown(index, rows[first], first, at)
                first = at


def _is_always(shown: Shown, frames: list[Frame]) -> bool:
    return shown.first == 0 and shown.last == len(frames)


def _offsets(frames: list[Frame]) -> list[int]:
    """How many rows have scrolled away; none comes back."""
    found: list[int] = []
    for frame in frames:
        found.append(max(frame.cursor + 1 - SHOWN_ROWS, found[-1] if found else 0))
    return found


def _share(frames: list[Frame], index: int, total: float) -> str:
    return f"{100 * (frames[index].seconds if index > 0 else 0) / total:.1f}%"


def _rule(name: str, frames: list[Frame], span: tuple[int, int], total: float) -> str:
    first, last = span
    steps = [] if first == 0 else ["0%{visibility:hidden}"]
    steps.append(f"{_share(frames, first, total)}{{visibility:visible}}")
    if last < len(frames):
        steps.append(f"{_share(frames, last, total)},to{{visibility:hidden}}")
    else:
        steps.append("to{visibility:visible}")
    return f"@keyframes {name}{{{''.join(steps)}}}.{name}{{animation-name:{name}}}\n"


def _scroll(frames: list[Frame], offsets: list[int], total: float) -> str:
    changes = [index for index in range(len(frames)) if index == 0 or offsets[index] != offsets[index - 1]]
    steps = [
        f"{_share(frames, index, total)}{{transform:translateY({-offsets[index] * LINE}px)}}" for index in changes
    ]
    return f"@keyframes s{{{''.join(steps)}to{{transform:translateY({-offsets[-1] * LINE}px)}}}}.s{{animation-name:s}}\n"


def _text(shown: Shown, name: str | None, stays: bool) -> str:
    words = []
    for run in shown.row:
        place = f' x="{run.column * CHAR:.4g}"' if run.column else ' x="0"'
        style = f' class="{run.style}"' if run.style else ""
        words.append(f"<tspan{place}{style}>{escape(run.text, quote=False)}</tspan>")
    classes = " ".join(filter(None, [name, None if stays else "h"]))
    marked = f' class="{classes}"' if classes else ""
    return f'<text y="{(shown.index + 1) * LINE - 4}"{marked}>{"".join(words)}</text>\n'
