//! A first release that is tried until it stays: when the next try begins, and what is known of the last.
//!
//! It has nothing behind it that could be rolled back to. The pauses are those of an instance that ends
//! ([`restart`](crate::instance::restart)), however long a try took: one that failed was no success.

use std::time::Duration;

use crate::instance::restart::{Cause, Pace, Restarts};

/// The tries of one first release.
#[derive(Clone, Debug)]
pub struct Tries {
    restarts: Restarts,
    begun: u32,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// None has failed. One may be on.
    Untroubled,
    /// The last failed, and the next begins then.
    Pausing { why: String, until: Duration },
    /// One is on; the one before failed.
    Again { why: String },
}

/// The last try that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedTry<'a> {
    /// How many have failed, at least one.
    pub tries: u32,
    /// Why the last one did.
    pub why: &'a str,
    /// When the next begins, in the machine's time; `None` while one is on.
    pub next_at: Option<Duration>,
}

impl Tries {
    /// None has begun. Of `pace` its bounds count; a try is never long enough to be a success.
    pub fn new(pace: Pace, now: Duration) -> Self {
        let restarts = Restarts::new(Pace { stable: Duration::MAX, ..pace }, now);
        Self { restarts, begun: 0, state: State::Untroubled }
    }

    /// One begins.
    pub fn begin(&mut self, now: Duration) {
        self.restarts.started(now);
        self.begun = self.begun.saturating_add(1);
        if let State::Pausing { why, .. } = &mut self.state {
            self.state = State::Again { why: std::mem::take(why) };
        }
    }

    /// The one that was to begin now cannot: it does at `until`, and not before.
    pub fn put_off(&mut self, until: Duration) {
        if let State::Pausing { until: at, .. } = &mut self.state {
            *at = until;
        }
    }

    /// It failed. `chance` is uniform in 0..1. How long the pause is until the next.
    pub fn fail(&mut self, now: Duration, why: String, chance: f64) -> Duration {
        let pause = self.restarts.ended(now, Cause::Exit, chance).pause;
        self.state = State::Pausing { why, until: now + pause };
        pause
    }

    /// How many have begun.
    pub fn begun(&self) -> u32 {
        self.begun
    }

    /// When the next begins, if one has failed and none is on.
    pub fn next_deadline(&self) -> Option<Duration> {
        match self.state {
            State::Pausing { until, .. } => Some(until),
            State::Untroubled | State::Again { .. } => None,
        }
    }

    /// What is known of the last that failed.
    pub fn failed(&self) -> Option<FailedTry<'_>> {
        match &self.state {
            State::Untroubled => None,
            State::Pausing { why, until } => {
                Some(FailedTry { tries: self.begun, why, next_at: Some(*until) })
            }
            State::Again { why } => {
                Some(FailedTry { tries: self.begun.saturating_sub(1), why, next_at: None })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(backoff: u64, backoff_max: u64) -> Tries {
        let seconds = Duration::from_secs;
        let pace = Pace {
            backoff: seconds(backoff),
            backoff_max: seconds(backoff_max),
            ..Pace::default()
        };
        Tries::new(pace, Duration::ZERO)
    }

    #[test]
    fn pauses_grow_however_long_a_try_took() {
        let mut tries = tries(1, 3);
        let mut now = Duration::ZERO;
        let pauses: Vec<u64> = (0..4)
            .map(|_| {
                tries.begin(now);
                assert_eq!(tries.next_deadline(), None);
                now += Duration::from_secs(60);
                let pause = tries.fail(now, "passed no check".to_owned(), 1.0);
                assert_eq!(tries.next_deadline(), Some(now + pause));
                now += pause;
                pause.as_secs()
            })
            .collect();
        assert_eq!(pauses, [1, 2, 3, 3]);
    }

    #[test]
    fn what_the_last_try_said_is_told_while_the_next_is_on() {
        let mut tries = tries(8, 8);
        tries.begin(Duration::ZERO);
        assert_eq!(tries.failed(), None);
        tries.fail(Duration::from_secs(1), "no database".to_owned(), 1.0);
        let why = "no database";
        let next_at = Some(Duration::from_secs(9));
        assert_eq!(tries.failed(), Some(FailedTry { tries: 1, why, next_at }));
        tries.begin(Duration::from_secs(9));
        assert_eq!(tries.failed(), Some(FailedTry { tries: 1, why, next_at: None }));
    }

    #[test]
    fn one_that_cannot_begin_yet_is_put_off_and_one_that_is_on_is_not() {
        let mut tries = tries(1, 1);
        tries.begin(Duration::ZERO);
        tries.put_off(Duration::from_secs(5));
        assert_eq!(tries.next_deadline(), None);
        tries.fail(Duration::from_secs(1), "no database".to_owned(), 1.0);
        tries.put_off(Duration::from_secs(5));
        assert_eq!(tries.next_deadline(), Some(Duration::from_secs(5)));
    }
}
