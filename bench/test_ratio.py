"""The arithmetic of the comparison."""

import unittest

from ratio import Spread, percentile, ratios, spread


class RatioTest(unittest.TestCase):
    def test_ratio_is_taken_within_each_round(self) -> None:
        # The second round was slow for both: medians of each side would not show that.
        found = ratios({1: 8.0, 2: 16.0, 3: 9.0}, {1: 10.0, 2: 20.0, 3: 10.0})
        self.assertEqual(found, Spread(0.8, 0.8, 0.9, 3))

    def test_round_that_one_side_lacks_does_not_count(self) -> None:
        self.assertEqual(ratios({1: 5.0, 2: 6.0}, {2: 10.0}), Spread(0.6, 0.6, 0.6, 1))

    def test_nothing_to_compare_is_no_ratio(self) -> None:
        self.assertIsNone(ratios({}, {1: 1.0}))
        self.assertIsNone(ratios({1: 1.0}, {1: 0.0}))

    def test_spread_has_middle_and_ends(self) -> None:
        self.assertEqual(spread([3.0, 1.0, 2.0, 10.0]), Spread(2.5, 1.0, 10.0, 4))
        self.assertIsNone(spread([]))

    def test_percentile_is_a_figure_that_was_seen(self) -> None:
        figures = [float(number) for number in range(100, 0, -1)]
        self.assertEqual(percentile(figures, 50), 50.0)
        self.assertEqual(percentile(figures, 99), 99.0)
        self.assertEqual(percentile([7.0], 99), 7.0)
        self.assertEqual(percentile([], 99), 0.0)
