//! What may happen any number of times and is to be said now and then: a line at once, and then no
//! more than one each while, with how often it happened in between.

use std::cell::Cell;
use std::time::Duration;

/// How long is kept silent after a line.
const SILENCE: Duration = Duration::from_secs(10);

/// One kind of event, as one worker sees it.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    silent_until: Cell<Duration>,
    unsaid: Cell<u64>,
}

impl Seldom {
    /// It happened, by `now` in the time of the worker's wheel. `Some` when it is to be said, with
    /// how often it has happened since it was said last and before this.
    pub(crate) fn happens(&self, now: Duration) -> Option<u64> {
        if now < self.silent_until.get() {
            self.unsaid.set(self.unsaid.get() + 1);
            return None;
        }
        self.silent_until.set(now + SILENCE);
        Some(self.unsaid.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_all_the_time_is_said_once_a_while_with_its_count() {
        let seldom = Seldom::default();
        let at = Duration::from_millis;
        assert_eq!(seldom.happens(at(0)), Some(0));
        let said: Vec<_> = (1..=30_000).filter_map(|n| seldom.happens(at(n))).collect();
        assert_eq!(said, [9_999, 9_999, 9_999]);
    }
}
