"""What a terminal shows after what was printed: as much of one as Plimsoll's output needs.

Anything else that is printed is an error here, so that the picture is never wrong in silence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .recording import COLUMNS, Output

PIECE = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")
STYLES = {"0": "", "1": "b", "2": "d", "31": "r", "32": "g", "33": "y"}
"""Select Graphic Rendition, and the picture's word for it."""
SYNCHRONIZED_END = ("?2026", "l")


@dataclass(frozen=True)
class Run:
    """Text in one style, and the column that it begins in."""

    column: int
    style: str
    text: str


Row = tuple[Run, ...]


@dataclass(frozen=True)
class Frame:
    """What is shown from a time on: all rows that were ever printed, and how many have scrolled away."""

    seconds: float
    rows: tuple[Row, ...]
    cursor: int


class Screen:
    """A terminal without a lower end."""

    def __init__(self) -> None:
        """An empty one."""
        self._rows: list[list[tuple[str, str]]] = [[]]
        self._row = 0
        self._column = 0
        self._style = ""
        self._is_held = False

    def print(self, text: str) -> bool:
        """Takes what was printed. Whether a reader would see it now: not in the middle of a synchronized update."""
        position = 0
        while position < len(text):
            piece = PIECE.match(text, position)
            if piece is None:
                raise ValueError(f"a terminal's word that is not known here: {text[position:position + 10]!r}")
            self._take(*piece.groups())
            position = piece.end()
        return not self._is_held

    def frame(self, seconds: float) -> Frame:
        """What it shows."""
        return Frame(seconds, tuple(_runs(row) for row in self._rows), self._row)

    def _take(self, argument: str | None, word: str | None, home: str | None, line: str | None, text: str) -> None:
        if word is not None:
            self._control(argument or "", word)
        elif home:
            self._column = 0
        elif line:
            self._row += 1
            if self._row == len(self._rows):
                self._rows.append([])
        else:
            self._write(text)

    def _control(self, argument: str, word: str) -> None:
        match word:
            case "m":
                self._style = STYLES[argument or "0"]
            case "A":
                self._row -= int(argument or 1)
            case "J" if argument in ("", "0"):
                del self._rows[self._row][self._column :]
                del self._rows[self._row + 1 :]
            case "h" | "l" if argument == SYNCHRONIZED_END[0]:
                self._is_held = word == "h"
            case "h" | "l" if argument == "?25":
                pass
            case _:
                raise ValueError(f"a terminal's word that is not known here: {argument}{word}")

    def _write(self, text: str) -> None:
        row = self._rows[self._row]
        row.extend([(" ", "")] * (self._column - len(row)))
        row[self._column : self._column + len(text)] = [(char, self._style) for char in text]
        self._column += len(text)
        if self._column > COLUMNS:
            raise ValueError(f"a row of {self._column} columns: {text!r}")


def frames(outputs: list[Output]) -> list[Frame]:
    """What was to be seen, whenever it changed."""
    screen = Screen()
    found: list[Frame] = []
    for output in outputs:
        if screen.print(output.text):
            found.append(screen.frame(output.seconds))
    return found


def _runs(row: list[tuple[str, str]]) -> Row:
    def found() -> Iterator[Run]:
        begin = 0
        for index in range(1, len(row) + 1):
            if index == len(row) or row[index][1] != row[begin][1]:
                text = "".join(char for char, _ in row[begin:index])
                if text.strip():
                    lead = len(text) - len(text.lstrip())
                    yield Run(begin + lead, row[begin][1], text.strip())
                begin = index

    return tuple(found())
