//! What the judge found, as people are shown it: in the time of the world, with what instances wrote beside the requests, and
//! with the rule that would have let it pass.
//!
//! How it is written down belongs to the API that reads it ([`crate::Forms`]).

mod output;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rollout::{Change, Example, Fault};

pub(crate) use output::{Wanted, read_output, shortened};

/// What the judge found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is, in the machine's time.
    pub fault: Fault,
    /// How sure the rule wants the judge to be.
    pub confidence: f64,
    /// Since when it is so, from the beginning of the deploy on.
    pub since: Duration,
    /// The same in the time of the world.
    pub since_at: SystemTime,
    /// Some of the requests, the latest first.
    pub requests: Vec<Shown>,
    /// A rule with which the record would not have been found worse, where one nearby would do.
    pub passes_with: Option<Change>,
}

/// A request, and what is known beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The request.
    pub request: Example,
    /// When it ended.
    pub at: SystemTime,
    /// What its instance wrote then: lines with its id, or those of its time.
    pub output: Vec<OutputLine>,
}

/// A line that an instance wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputLine {
    /// When, to the second; `None` where that is not known.
    pub at: Option<SystemTime>,
    /// What, as it is but for its length.
    pub text: String,
}

/// A finding as a line of a deploy has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// As it was found.
    Now(Arc<Finding>),
    /// As an earlier run of Plimsoll wrote it down.
    Kept(String),
}

/// One moment, by three clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// By the machine's.
    pub(crate) machine: Duration,
    /// By the world's.
    pub(crate) world: SystemTime,
    /// Since the deploy began.
    pub(crate) deploy: Duration,
}

impl Finding {
    /// What `fault` says at `now`, found by a rule that wants so much `confidence`.
    pub(crate) fn of(fault: &Fault, confidence: f64, now: Moment) -> Self {
        let ago = |at: Duration| now.machine.saturating_sub(at);
        let world = |at: Duration| now.world.checked_sub(ago(at)).unwrap_or(now.world);
        let requests = fault.examples.iter().map(|request| Shown {
            request: request.clone(),
            at: world(request.at),
            output: Vec::new(),
        });
        Self {
            confidence,
            since: now.deploy.saturating_sub(ago(fault.since)),
            since_at: world(fault.since),
            requests: requests.collect(),
            passes_with: None,
            fault: fault.clone(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::UNIX_EPOCH;

    use rollout::{Aspect, Basis, Fate, Rate, Struck};

    use super::*;

    /// A release that fails, found out at 103 s of the machine's time.
    pub(crate) fn fault() -> Fault {
        let example = |id: &str, at| Example {
            request_id: id.into(),
            at: Duration::from_secs(at),
            route: Some("/pay".into()),
            instance: "api-3".into(),
            status: Some(500),
            fate: Fate::Failed,
            latency: Duration::from_millis(40),
        };
        Fault {
            aspect: Aspect::Errors,
            basis: Basis::SameTime,
            route: Some("/pay".into()),
            instance: None,
            canary: Rate { hits: 12, requests: 20 },
            stable: Rate { hits: 0, requests: 60 },
            expected: 0.0,
            one_in: 12_345.6,
            since: Duration::from_secs(101),
            struck: vec![Struck { instance: "api-3".into(), hits: 12 }],
            examples: vec![example("00000000feedbeef", 103), example("00000000deadbeef", 102)],
            addresses: None,
            slow: None,
        }
    }

    #[test]
    fn what_was_found_is_told_in_the_time_of_the_world() {
        let world = UNIX_EPOCH + Duration::from_secs(1_000_003);
        let now =
            Moment { machine: Duration::from_secs(103), world, deploy: Duration::from_secs(7) };
        let finding = Finding::of(&fault(), 0.99, now);
        assert_eq!(
            (finding.since, finding.since_at),
            (Duration::from_secs(5), world - Duration::from_secs(2))
        );
        assert_eq!(finding.requests[1].at, world - Duration::from_secs(1));
        // A fault that began before the deploy was begun, by a clock that is a little late.
        let early = Moment { deploy: Duration::from_secs(1), ..now };
        assert_eq!(Finding::of(&fault(), 0.99, early).since, Duration::ZERO);
    }
}
