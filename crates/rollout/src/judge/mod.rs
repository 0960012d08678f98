//! The judge: whether the new release is worse than the old one, on what became of the same
//! period's requests.
//!
//! It is fed every sample and may be asked at any time; what it has said against a release it does
//! not take back. Each of three tests has its part of the chance that a release which is no worse
//! is rolled back, `1 - confidence`: a half for failing more often than the old release
//! (`evidence`), a quarter each for failing more often than the limit and for being slower
//! (`slowness`). Why these tests: docs/decisions/0022-always-valid-judge.md.

mod evidence;
mod slowness;

use std::fmt;
use std::time::Duration;

use crate::tally::Tally;
use evidence::{AgainstLimit, AgainstOld, Counts};
use slowness::{Slower, Slowness};

/// What the judge says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Enough requests, and nothing against the new release.
    Good,
    /// It is worse: to be rolled back now.
    Worse(Fault),
    /// Too few requests to say anything good.
    NotEnoughData {
        /// Requests of the new release.
        requests: u64,
        /// How many it takes.
        needed: u64,
    },
}

/// In which way a release is worse.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It fails more often than the old one.
    FailsMore {
        /// Failures and requests of the new release.
        canary: (u64, u64),
        /// The same of the old one.
        stable: (u64, u64),
    },
    /// It fails more often than is allowed.
    FailsTooOften {
        /// Failures and requests of the new release.
        canary: (u64, u64),
        /// The share that may fail.
        limit: f64,
    },
    /// It is slower than is allowed.
    Slower {
        /// Its 95th percentile.
        canary: Duration,
        /// The old one's.
        stable: Duration,
        /// The allowed ratio.
        max: f64,
    },
}

/// Compares two releases.
#[derive(Clone, Debug)]
pub struct Judge {
    rule: model::Judge,
    against_old: AgainstOld,
    against_limit: Option<AgainstLimit>,
    slowness: Option<Slowness>,
    /// The logarithms of the evidence that suffices against the old release and the limit.
    enough: (f64, f64),
    canary: Tally,
    stable: Tally,
    fault: Option<Fault>,
}

impl Judge {
    /// Has seen nothing yet.
    pub fn new(rule: &model::Judge) -> Self {
        let alpha = 1.0 - rule.confidence;
        let slowness = rule.max_slowdown.map(|max| Slowness::new(alpha / 4.0, max));
        Self {
            rule: rule.clone(),
            against_old: AgainstOld::default(),
            against_limit: rule.max_error_rate.map(AgainstLimit::new),
            slowness,
            enough: ((2.0 / alpha).ln(), (4.0 / alpha).ln()),
            canary: Tally::default(),
            stable: Tally::default(),
            fault: None,
        }
    }

    /// Takes up what became of requests since the last time, of both releases over the same time.
    pub fn observe(&mut self, canary: &Tally, stable: &Tally) {
        self.canary.add(canary);
        self.stable.add(stable);
        self.against_old.observe(counts(canary), counts(stable));
        if let Some(evidence) = &mut self.against_limit {
            evidence.observe(counts(canary));
        }
        if self.fault.is_none() {
            self.fault = self.find_fault();
        }
    }

    /// What it says now.
    pub fn verdict(&self) -> Verdict {
        let (requests, needed) = (self.canary.requests, self.rule.min_requests);
        match &self.fault {
            Some(fault) => Verdict::Worse(fault.clone()),
            None if requests < needed => Verdict::NotEnoughData { requests, needed },
            None => Verdict::Good,
        }
    }

    /// All that it has seen of the new release.
    pub fn canary(&self) -> &Tally {
        &self.canary
    }

    /// All that it has seen of the old release.
    pub fn stable(&self) -> &Tally {
        &self.stable
    }

    fn find_fault(&mut self) -> Option<Fault> {
        let canary = (self.canary.errors, self.canary.requests);
        if self.against_old.worth() >= self.enough.0 {
            let stable = (self.stable.errors, self.stable.requests);
            return Some(Fault::FailsMore { canary, stable });
        }
        if let (Some(limit), Some(evidence)) = (self.rule.max_error_rate, &self.against_limit)
            && evidence.worth() >= self.enough.1
        {
            return Some(Fault::FailsTooOften { canary, limit });
        }
        let max = self.rule.max_slowdown?;
        let slower = self.slowness.as_mut()?.look(&self.canary.latencies, &self.stable.latencies);
        slower.map(|Slower { canary, stable }| Fault::Slower { canary, stable, max })
    }
}

fn counts(tally: &Tally) -> Counts {
    Counts { requests: tally.requests as f64, errors: tally.errors as f64 }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("better or equal"),
            Self::Worse(fault) => write!(f, "worse: {fault}"),
            Self::NotEnoughData { requests, needed } => {
                let requests = match requests {
                    1 => "1 request".to_owned(),
                    requests => format!("{requests} requests"),
                };
                write!(f, "not enough data: {requests} of {needed}")
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |(errors, requests): (u64, u64)| {
            format!("{errors} of {requests} requests ({:.1} %)", percent(errors, requests))
        };
        match self {
            Self::FailsMore { canary, stable } => {
                write!(f, "it failed {}, the old release {}", share(*canary), share(*stable))
            }
            Self::FailsTooOften { canary, limit } => {
                write!(f, "it failed {}, and {} % may fail", share(*canary), limit * 100.0)
            }
            Self::Slower { canary, stable, max } => write!(
                f,
                "its 95th percentile is {} ms, the old release's {} ms, and {max} times that is allowed",
                millis(*canary),
                millis(*stable),
            ),
        }
    }
}

/// Milliseconds, to three figures.
fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    let decimals = match millis {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{millis:.decimals$}")
}

fn percent(errors: u64, requests: u64) -> f64 {
    errors as f64 / (requests.max(1)) as f64 * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(requests: u64, errors: u64) -> Tally {
        Tally { requests, errors, ..Tally::default() }
    }

    #[test]
    fn few_requests_are_too_few_for_praise_but_not_for_blame() {
        let mut judge = Judge::new(&model::Judge::default());
        judge.observe(&tally(0, 0), &tally(30, 0));
        assert_eq!(judge.verdict().to_string(), "not enough data: 0 requests of 50");
        judge.observe(&tally(49, 0), &tally(49, 0));
        assert_eq!(judge.verdict(), Verdict::NotEnoughData { requests: 49, needed: 50 });
        judge.observe(&tally(1, 0), &tally(0, 0));
        assert_eq!(judge.verdict().to_string(), "better or equal");

        let mut judge = Judge::new(&model::Judge::default());
        judge.observe(&tally(0, 0), &tally(40, 0));
        judge.observe(&tally(8, 8), &tally(9, 0));
        assert_eq!(
            judge.verdict().to_string(),
            "worse: it failed 8 of 8 requests (100.0 %), the old release 0 of 49 requests (0.0 %)"
        );
    }

    #[test]
    fn what_was_said_against_a_release_stays_said() {
        let mut judge = Judge::new(&model::Judge::default());
        judge.observe(&tally(20, 20), &tally(20, 0));
        let said = judge.verdict();
        judge.observe(&tally(100_000, 0), &tally(100_000, 0));
        assert_eq!(judge.verdict(), said);
    }

    #[test]
    fn a_first_release_is_held_to_the_limit() {
        let mut judge = Judge::new(&model::Judge::default());
        judge.observe(&tally(60, 0), &tally(0, 0));
        assert_eq!(judge.verdict(), Verdict::Good);
        judge.observe(&tally(60, 12), &tally(0, 0));
        let said = judge.verdict().to_string();
        assert_eq!(said, "worse: it failed 12 of 120 requests (10.0 %), and 1 % may fail");
    }

    #[test]
    fn a_release_as_bad_as_the_old_one_is_no_worse_where_no_limit_is_set() {
        let rule = model::Judge { max_error_rate: None, ..model::Judge::default() };
        let mut judge = Judge::new(&rule);
        (0..100).for_each(|_| judge.observe(&tally(20, 6), &tally(20, 6)));
        assert_eq!(judge.verdict(), Verdict::Good);
    }
}
