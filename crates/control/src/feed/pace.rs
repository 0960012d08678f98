//! When an input is fetched again: when its lifetime is over, or soon where it could not be fetched. A pure function of
//! what came of the last fetches, and of chance.

use std::time::Duration;

/// When inputs of a kind are fetched, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// How long an input is used at least before it is fetched again, since some sources give no time at all.
    pub(crate) lifetime_min: Duration,
    /// How long it is used at most: an operator who changes it waits for this.
    pub(crate) lifetime_max: Duration,
    /// When a fetch that failed is tried again; doubles up to `retry_max`.
    pub(crate) retry_min: Duration,
    /// How long to wait at most after fetches that failed.
    pub(crate) retry_max: Duration,
    /// How long a configuration waits for its first inputs.
    pub(crate) patience: Duration,
    /// How long each later fetch may take.
    pub(crate) deadline: Duration,
    /// How many fetches may be under way at once.
    pub(crate) at_once: usize,
}

/// By which part of its wait a fetch may come later, by chance: what was first fetched together is not fetched together
/// for ever.
const SPREAD: f64 = 0.1;

/// When one input is fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    times: Times,
    failures: u32,
}

impl Pace {
    pub(super) fn new(times: Times) -> Self {
        Self { times, failures: 0 }
    }

    /// How long to wait after a fetch: `lifetime` is of what it gave, `None` where it failed; `chance` is uniform
    /// from 0 to 1.
    pub(super) fn after(&mut self, lifetime: Option<Duration>, chance: f64) -> Duration {
        let Times { lifetime_min, lifetime_max, retry_min, retry_max, .. } = self.times;
        let wait = match lifetime {
            Some(lifetime) => {
                self.failures = 0;
                lifetime.clamp(lifetime_min, lifetime_max)
            }
            None => {
                let wait = retry_min.saturating_mul(1 << self.failures.min(16)).min(retry_max);
                self.failures += 1;
                wait
            }
        };
        wait + wait.mul_f64(SPREAD * chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMES: Times = Times {
        lifetime_min: SECOND,
        lifetime_max: Duration::from_secs(300),
        retry_min: SECOND,
        retry_max: Duration::from_secs(30),
        patience: SECOND,
        deadline: SECOND,
        at_once: 1,
    };

    #[test]
    fn a_lifetime_is_kept_within_its_bounds() {
        let mut pace = Pace::new(TIMES);
        for (told, waited) in [(0, 1), (1, 1), (60, 60), (301, 300), (u64::MAX, 300)] {
            assert_eq!(pace.after(Some(Duration::from_secs(told)), 0.0).as_secs(), waited);
        }
    }

    #[test]
    fn failures_double_the_wait_and_a_success_ends_that() {
        let mut pace = Pace::new(TIMES);
        let waits: Vec<_> = (0..7).map(|_| pace.after(None, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        pace.after(Some(SECOND), 0.0);
        assert_eq!(pace.after(None, 0.0), SECOND);
        let mut long = Pace::new(TIMES);
        (0..1000).for_each(|_| assert!(long.after(None, 1.0) <= Duration::from_secs(33)));
    }

    #[test]
    fn what_is_fetched_together_drifts_apart_by_at_most_a_tenth() {
        let mut pace = Pace::new(TIMES);
        let at = |chance| Pace::new(TIMES).after(Some(SECOND * 100), chance).as_secs();
        assert_eq!([at(0.0), at(0.5), at(1.0)], [100, 105, 110]);
        assert_eq!(pace.after(None, 1.0), Duration::from_millis(1100));
    }
}
