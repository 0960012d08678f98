"""The film's own tests: what is shown is what a terminal would show, and the picture is one that every reader opens."""

import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from .recording import Output
from .screen import Run, Screen, frames
from .svg import BYTES_MAX, SHOWN_ROWS, draw

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "demo.svg"
TEXT = "{http://www.w3.org/2000/svg}text"


class ScreenTest(unittest.TestCase):
    """The terminal."""

    def test_a_picture_that_is_drawn_again_takes_the_place_of_the_last(self) -> None:
        screen = Screen()
        screen.print("said\r\n\x1b[?2026h\x1b[32mok\x1b[0m  1\r\n\x1b[?2026l")
        screen.print("\x1b[?2026h\x1b[1A\x1b[Jmore\r\nok  2\r\n\x1b[?2026l")
        rows = [" ".join(run.text for run in row) for row in screen.frame(0).rows]
        self.assertEqual(rows, ["said", "more", "ok  2", ""])

    def test_runs_keep_their_columns_and_styles(self) -> None:
        screen = Screen()
        screen.print("  a \x1b[31mb\x1b[0m  c")
        self.assertEqual(screen.frame(0).rows[0], (Run(2, "", "a"), Run(4, "r", "b"), Run(7, "", "c")))

    def test_nothing_is_seen_in_the_middle_of_an_update(self) -> None:
        seen = frames([Output(0, "a\r\n"), Output(1, "\x1b[?2026hb"), Output(2, "\r\n\x1b[?2026l")])
        self.assertEqual([frame.seconds for frame in seen], [0, 2])

    def test_what_it_does_not_know_it_refuses(self) -> None:
        for text in ("\x1b[2K", "\x1b[35mviolet", "x" * 101):
            with self.assertRaises((ValueError, KeyError)):
                Screen().print(text)


class PictureTest(unittest.TestCase):
    """The SVG."""

    def test_rows_scroll_and_what_is_over_is_hidden_at_the_end(self) -> None:
        lines = [Output(number, f"line <{number}>\r\n") for number in range(SHOWN_ROWS + 5)]
        lines.append(Output(99, "\x1b[1A\x1b[Jlast\r\n"))
        picture = draw("a command", frames(lines))
        texts = list(ElementTree.fromstring(picture).iter(TEXT))
        hidden = ["".join(text.itertext()) for text in texts if "h" in text.get("class", "").split()]
        self.assertEqual(hidden, [f"line <{SHOWN_ROWS + 4}>"])
        self.assertIn("translate(0,-108)", picture)

    def test_the_one_that_is_kept_is_small_and_well_formed(self) -> None:
        text = PICTURE.read_text(encoding="utf-8")
        self.assertLess(len(text.encode()), BYTES_MAX)
        shown = "\n".join("".join(row.itertext()) for row in ElementTree.fromstring(text).iter(TEXT))
        for part in ("plimsoll demo", "was promoted", "was rolled back"):
            self.assertIn(part, shown)


if __name__ == "__main__":
    unittest.main()
