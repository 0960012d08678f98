//! The first release of a service: tried as the file names it until it stays, at the pace of
//! `restart`, as an instance that ends is.
//!
//! All tries are one deploy, with one number: a release that cannot run for a night leaves one line in the
//! history and not thousands.

use std::sync::Arc;
use std::time::Duration;

use model::Restart;
use rollout::instance::restart::{Cause, Pace, Restarts};

use super::{Purpose, Release, ServiceRun};
use crate::writer::Target;

/// A first release that is tried until it stays.
#[derive(Clone, Debug)]
pub(crate) struct FirstTries {
    restarts: Restarts,
    /// Tries that have begun.
    tries: u32,
    /// What the last deploy of it was to bring.
    release: Option<Arc<Release>>,
    /// Why the last try failed, and when the next begins, in the edge's time.
    failed: Option<(String, Duration)>,
}

/// How a first release stands that has not stayed yet, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstStanding {
    /// Tries that have failed, at least one.
    pub tries: u32,
    /// Why the last one did.
    pub why: String,
    /// When the next begins; `None` while one is on.
    pub again_in: Option<Duration>,
}

impl FirstTries {
    /// None yet.
    pub(crate) fn new(restart: Restart, now: Duration) -> Self {
        let Restart { backoff, max_backoff } = restart;
        // However long a try took, one that failed was no success.
        let pace = Pace { backoff, backoff_max: max_backoff, stable: Duration::MAX };
        Self { restarts: Restarts::new(pace, now), tries: 0, release: None, failed: None }
    }

    /// One begins.
    pub(crate) fn begins(&mut self, now: Duration) {
        self.restarts.started(now);
        self.tries = self.tries.saturating_add(1);
        if let Some((_, again_at)) = &mut self.failed {
            *again_at = Duration::MAX;
        }
    }

    /// The next begins at `at` and not before.
    pub(crate) fn put_off(&mut self, at: Duration) {
        if let Some((_, again_at)) = &mut self.failed {
            *again_at = at;
        }
    }

    /// It failed. `chance` is uniform in 0..1. How long the pause is until the next.
    pub(crate) fn fails(&mut self, now: Duration, why: String, chance: f64) -> Duration {
        let pause = self.restarts.ended(now, Cause::Exit, chance).pause;
        self.failed = Some((why, now + pause));
        pause
    }

    /// When the next begins, if none is on.
    pub(crate) fn again_at(&self) -> Option<Duration> {
        self.failed.as_ref().map(|(_, at)| *at).filter(|at| *at < Duration::MAX)
    }

    fn standing(&self, now: Duration) -> Option<FirstStanding> {
        let (why, _) = self.failed.as_ref()?;
        let again_in = self.again_at().map(|at| at.saturating_sub(now));
        let tries = if again_in.is_some() { self.tries } else { self.tries.saturating_sub(1) };
        Some(FirstStanding { tries, why: why.clone(), again_in })
    }
}

impl ServiceRun {
    /// The number of the deploy that tried to bring the same as a first release.
    pub(crate) fn first_try_of(&self, target: &Target) -> Option<i64> {
        let release = self.first.as_ref()?.release.as_ref()?;
        let is_same = release.version == target.version && release.recipe == target.recipe;
        is_same.then_some(release.id)
    }

    /// A deploy of `release` begins.
    pub(crate) fn first_tried(&mut self, purpose: Purpose, release: &Arc<Release>) {
        match purpose {
            Purpose::First => {
                if let Some(first) = &mut self.first {
                    first.release = Some(release.clone());
                }
            }
            // What somebody wants is tried once, and told.
            Purpose::Wanted => self.first = None,
        }
    }

    /// How often the first release was tried so far.
    pub(crate) fn first_tries(&self) -> u32 {
        self.first.as_ref().map_or(0, |first| first.tries)
    }

    /// How a first release stands that has failed.
    pub(crate) fn first_standing(&self, now: Duration) -> Option<FirstStanding> {
        self.first.as_ref()?.standing(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_however_long_a_try_took() {
        let restart =
            Restart { backoff: Duration::from_secs(1), max_backoff: Duration::from_secs(3) };
        let mut first = FirstTries::new(restart, Duration::ZERO);
        let mut now = Duration::ZERO;
        let pauses: Vec<u64> = (0..4)
            .map(|_| {
                first.begins(now);
                assert_eq!(first.again_at(), None);
                now += Duration::from_secs(60);
                let pause = first.fails(now, "passed no check".to_owned(), 1.0);
                assert_eq!(first.again_at(), Some(now + pause));
                now += pause;
                pause.as_secs()
            })
            .collect();
        assert_eq!(pauses, [1, 2, 3, 3]);
    }

    #[test]
    fn what_the_last_try_said_is_told_while_the_next_is_on() {
        let restart =
            Restart { backoff: Duration::from_secs(8), max_backoff: Duration::from_secs(8) };
        let mut first = FirstTries::new(restart, Duration::ZERO);
        first.begins(Duration::ZERO);
        assert_eq!(first.standing(Duration::ZERO), None);
        first.fails(Duration::from_secs(1), "no database".to_owned(), 1.0);
        let why = "no database".to_owned();
        let left = Some(Duration::from_secs(6));
        let standing = FirstStanding { tries: 1, why: why.clone(), again_in: left };
        assert_eq!(first.standing(Duration::from_secs(3)), Some(standing));
        first.begins(Duration::from_secs(9));
        let standing = FirstStanding { tries: 1, why, again_in: None };
        assert_eq!(first.standing(Duration::from_secs(9)), Some(standing));
    }
}
