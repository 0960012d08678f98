"""The generated part of the page."""

import tempfile
import unittest
from pathlib import Path

import page


class PageTest(unittest.TestCase):
    def test_prose_around_the_markers_stays(self) -> None:
        before = f"# Title\n\nBefore.\n\n{page.BENCH.begin}\nold\n{page.BENCH.end}\n\nAfter.\n"
        after = page.replaced(before, page.BENCH, "new\n")
        self.assertTrue(after.startswith("# Title\n\nBefore.\n\n"))
        self.assertTrue(after.endswith("\n\nAfter.\n"))
        self.assertIn("new", after)
        self.assertNotIn("old", after)

    def test_second_run_changes_nothing_else(self) -> None:
        once = page.replaced(page.NEW_PAGE, page.BENCH, "same\n")
        self.assertEqual(page.replaced(once, page.BENCH, "same\n"), once)

    def test_page_without_markers_gets_them_at_its_end(self) -> None:
        after = page.replaced("# Title\n", page.BENCH, "new")
        self.assertTrue(after.startswith("# Title\n"))
        self.assertTrue(after.endswith(f"new\n\n{page.BENCH.end}\n"))

    def test_lost_end_marker_is_an_error_and_not_a_lost_page(self) -> None:
        with self.assertRaises(ValueError):
            page.replaced(f"{page.BENCH.begin}\nold\n\nAfter.\n", page.BENCH, "new")

    def test_missing_page_is_made(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "docs" / "benchmarks.md"
            page.update(path, page.BENCH, "new")
            self.assertIn("new", path.read_text(encoding="utf-8"))

    def test_each_part_has_a_place_of_its_own(self) -> None:
        both = page.replaced(page.replaced("# Title\n", page.BENCH, "one"), page.COST, "two")
        self.assertEqual(page.generated(both, page.BENCH).strip(), "one")
        self.assertEqual(page.generated(both, page.COST).strip(), "two")
