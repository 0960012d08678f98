//! One directory of a CA: what it still may be asked, and whether it is in trouble.

use std::time::Duration;

use crate::budget::{Budget, Spent};
use crate::failure::Failed;
use crate::pace;

/// What is known of a directory.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    spent: Spent,
    trouble: Option<Trouble>,
    /// Orders under way.
    under_way: u32,
}

/// Its orders fail, whatever they are for.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    /// How many have, in a row; those that were under way together are one.
    times: u32,
    /// When the last of them failed.
    seen: Duration,
    /// When one is tried again.
    again: Duration,
}

impl Directory {
    /// From when on an order may be placed, as far as it can be told now; `None` while one is under way that will tell.
    pub(crate) fn free_at(&self, budget: Budget) -> Option<Duration> {
        let free_at = self.spent.free_at(budget);
        match self.trouble {
            Some(_) if self.under_way > 0 => None,
            Some(Trouble { again, .. }) => Some(free_at.max(again)),
            None => Some(free_at),
        }
    }

    /// How often it has failed in a row; 0 where one order may try it again now.
    pub(crate) fn failures(&self, elapsed: Duration) -> u32 {
        match self.trouble {
            Some(Trouble { again, .. }) if elapsed >= again && self.under_way == 0 => 0,
            Some(Trouble { times, .. }) => times,
            None => 0,
        }
    }

    /// An order is placed.
    pub(crate) fn begin(&mut self, budget: Budget, elapsed: Duration) {
        self.spent.take(budget, elapsed);
        self.under_way += 1;
    }

    /// An order that was begun is not placed after all.
    pub(crate) fn undo(&mut self, budget: Budget) {
        self.spent.give_back(budget);
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// An order that began at `begun` has ended; in `failed` as it failed.
    pub(crate) fn end(&mut self, begun: Duration, failed: Option<&Failed>, elapsed: Duration) {
        self.under_way = self.under_way.saturating_sub(1);
        let before = self.trouble;
        let times = before.map_or(0, |it| it.times).saturating_add(1);
        match failed.map(|failed| pace::directory(failed, times)) {
            // It says what is known.
            Some(Some(_)) if before.is_some_and(|it| begun < it.seen) => {}
            Some(Some(pause)) => {
                let again = elapsed + pause;
                self.trouble = Some(Trouble { times, seen: elapsed, again });
            }
            // It answers, if only by refusing.
            Some(None) | None => self.trouble = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn one_order_tries_a_directory_that_was_down() {
        let (budget, mut directory) = (Budget::default(), Directory::default());
        let down =
            Failed { kind: FailureKind::Unreachable, retry_after: None, problem: String::new() };
        let begun = 1_000 * MINUTE;
        for _ in 0..16 {
            directory.begin(budget, begun);
        }
        for _ in 0..16 {
            directory.end(begun, Some(&down), begun + MINUTE);
        }
        assert_eq!(directory.failures(begun + MINUTE), 1, "they tell of one outage");
        assert_eq!(directory.free_at(budget), Some(begun + 2 * MINUTE));
        assert_eq!(directory.failures(begun + 2 * MINUTE), 0, "it is tried");
        directory.begin(budget, begun + 2 * MINUTE);
        assert_eq!(directory.free_at(budget), None, "by one");
        directory.end(begun + 2 * MINUTE, Some(&down), begun + 3 * MINUTE);
        assert_eq!(directory.free_at(budget), Some(begun + 5 * MINUTE));
        directory.begin(budget, begun + 5 * MINUTE);
        directory.end(begun + 5 * MINUTE, None, begun + 6 * MINUTE);
        assert!(directory.free_at(budget).is_some_and(|it| it < begun + 6 * MINUTE));
    }
}
