//! An instance's outcomes over the recent past, from counters that only grow.

use std::collections::VecDeque;
use std::time::Duration;

/// Samples are kept this far apart, as a part of the window: whatever its length, few are kept.
const KEPT_APART: u32 = 10;

/// What came of an instance's attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Attempts that ended well.
    pub successes: u64,
    /// Attempts that did not.
    pub failures: u64,
}

impl Outcomes {
    /// All attempts.
    pub fn attempts(self) -> u64 {
        self.successes + self.failures
    }

    /// What was added since `earlier`; `None` where something was taken away.
    fn since(self, earlier: Self) -> Option<Self> {
        Some(Self {
            successes: self.successes.checked_sub(earlier.successes)?,
            failures: self.failures.checked_sub(earlier.failures)?,
        })
    }
}

/// The samples of one instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    kept: VecDeque<(Duration, Outcomes)>,
}

impl Window {
    /// Takes up a sample, and tells what happened in the last `length`: since the newest kept
    /// sample that is so old, or the oldest there is. So the true length is greater by up to a
    /// tenth, or by the time between two samples.
    pub(super) fn advance(
        &mut self,
        now: Duration,
        outcomes: Outcomes,
        length: Duration,
    ) -> Outcomes {
        let begin = now.saturating_sub(length);
        while self.kept.get(1).is_some_and(|(at, _)| *at <= begin) {
            self.kept.pop_front();
        }
        let recent = match self.kept.front() {
            Some((_, base)) => outcomes.since(*base),
            None => None,
        };
        if recent.is_none() {
            // The first, or the instance counts anew.
            self.kept.clear();
        }
        let apart = length / KEPT_APART;
        if self.kept.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= apart) {
            self.kept.push_back((now, outcomes));
        }
        recent.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const TEN: Duration = Duration::from_secs(10);

    fn all(successes: u64, failures: u64) -> Outcomes {
        Outcomes { successes, failures }
    }

    #[test]
    fn tells_what_happened_within_its_length() {
        let mut window = Window::default();
        assert_eq!(window.advance(S(0), all(100, 7), TEN), all(0, 0));
        for second in 1..=30 {
            let recent = window.advance(S(second), all(100 + second, 7 + 2 * second), TEN);
            let length = second.min(10);
            assert_eq!(recent, all(length, 2 * length));
        }
    }

    #[test]
    fn keeps_few_samples_however_often_they_come() {
        let mut window = Window::default();
        for millis in 0..60_000 {
            window.advance(Duration::from_millis(millis), all(millis, 0), TEN);
        }
        assert!(window.kept.len() <= 12, "{}", window.kept.len());
    }

    #[test]
    fn samples_rarer_than_its_length_are_compared_with_the_one_before() {
        let mut window = Window::default();
        window.advance(S(0), all(0, 0), TEN);
        assert_eq!(window.advance(S(60), all(5, 1), TEN), all(5, 1));
        assert_eq!(window.advance(S(120), all(5, 4), TEN), all(0, 3));
    }

    #[test]
    fn counters_that_begin_anew_begin_a_new_window() {
        let mut window = Window::default();
        window.advance(S(0), all(50, 50), TEN);
        assert_eq!(window.advance(S(1), all(1, 3), TEN), all(0, 0));
        assert_eq!(window.advance(S(2), all(1, 5), TEN), all(0, 2));
    }
}
