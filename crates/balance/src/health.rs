//! Active checks: from a series of results to a state, for one instance.
//!
//! A result counts only when enough of its kind follow each other. When checks are made, and how,
//! is the caller's business. The states are drawn in `LIFECYCLE.md`; the names of the counts are
//! HAProxy's `rise` and `fall`, the configuration's `healthy` and `unhealthy`.

use std::fmt;
use std::time::Duration;

use model::HealthCheck;

use crate::eligibility::Eligibility;

/// Where an instance comes from, which decides what it is before its first check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody else runs it. It gets traffic until the first check decides: a load balancer that
    /// starts must serve at once.
    Target,
    /// Plimsoll has just started it. It gets traffic once a check passed.
    Started,
}

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The instance answered as it should.
    Passed,
    /// It did not, or not in time.
    Failed,
}

/// What the checks say of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A target before its first check.
    Unchecked,
    /// A started instance before its first passed check.
    Starting,
    /// It passes.
    Healthy,
    /// It fails.
    Unhealthy,
}

impl State {
    /// How the instance stands by its checks alone.
    pub const fn eligibility(self) -> Eligibility {
        match self {
            Self::Unchecked | Self::Healthy => Eligibility::Healthy,
            Self::Starting => Eligibility::Starting,
            Self::Unhealthy => Eligibility::Unhealthy,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unchecked => "unchecked",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        })
    }
}

/// How many results in a row change the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Passes until an unhealthy instance is healthy; at least 1.
    pub healthy: u32,
    /// Failures until a healthy instance is unhealthy; at least 1.
    pub unhealthy: u32,
}

impl From<&HealthCheck> for Thresholds {
    fn from(check: &HealthCheck) -> Self {
        Self { healthy: check.healthy, unhealthy: check.unhealthy }
    }
}

/// A change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
}

impl Transition {
    /// Whether the instance gets traffic now and did not before: slow start begins.
    pub fn begins_traffic(self) -> bool {
        self.from.eligibility() != Eligibility::Healthy
            && self.to.eligibility() == Eligibility::Healthy
    }
}

/// The checks of one instance.
#[derive(Clone, Debug)]
pub struct Health {
    thresholds: Thresholds,
    state: State,
    since: Duration,
    /// Results in a row that contradict the state.
    against: u32,
    /// Whether it ever passed. Until then it is new, and the first pass is enough.
    has_passed: bool,
}

impl Health {
    /// An instance that has not been checked.
    pub fn new(now: Duration, thresholds: Thresholds, origin: Origin) -> Self {
        let state = match origin {
            Origin::Target => State::Unchecked,
            Origin::Started => State::Starting,
        };
        Self { thresholds, state, since: now, against: 0, has_passed: false }
    }

    /// What the checks say.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when they say it.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Results in a row that contradict the state, and how many change it: "2 of 3 failures".
    pub fn against(&self) -> (u32, u32) {
        (self.against, self.needed())
    }

    /// Takes up a result.
    pub fn observe(&mut self, now: Duration, check: Check) -> Option<Transition> {
        let from = self.state;
        let to = self.after(check);
        self.has_passed |= check == Check::Passed;
        if from != to {
            self.state = to;
            self.since = now;
            self.against = 0;
        }
        self.check_invariants();
        (from != to).then_some(Transition { from, to })
    }

    /// Takes other thresholds, for the results that come.
    pub fn set_thresholds(&mut self, thresholds: Thresholds) {
        self.thresholds = thresholds;
        self.against = self.against.min(self.needed() - 1);
        self.check_invariants();
    }

    /// The state after a result, which is counted.
    fn after(&mut self, check: Check) -> State {
        let other = match (self.state, check) {
            (State::Unchecked | State::Starting | State::Unhealthy, Check::Passed) => {
                State::Healthy
            }
            (State::Unchecked | State::Healthy, Check::Failed) => State::Unhealthy,
            // How long it may be starting is the deployer's to judge.
            (State::Starting | State::Unhealthy, Check::Failed)
            | (State::Healthy, Check::Passed) => {
                self.against = 0;
                return self.state;
            }
        };
        self.against += 1;
        match self.against >= self.needed() {
            true => other,
            false => self.state,
        }
    }

    /// How many results in a row change the state.
    fn needed(&self) -> u32 {
        match self.state {
            State::Unchecked | State::Starting => 1,
            State::Healthy => self.thresholds.unhealthy.max(1),
            State::Unhealthy if self.has_passed => self.thresholds.healthy.max(1),
            State::Unhealthy => 1,
        }
    }

    fn check_invariants(&self) {
        debug_assert!(self.against < self.needed(), "enough results change the state: {self:?}");
        match self.state {
            State::Healthy => debug_assert!(self.has_passed, "health is seen: {self:?}"),
            State::Unchecked | State::Starting => {
                debug_assert!(!self.has_passed, "one pass ends the beginning: {self:?}");
            }
            State::Unhealthy => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Check::{Failed, Passed};

    const THRESHOLDS: Thresholds = Thresholds { healthy: 2, unhealthy: 3 };

    fn new(origin: Origin) -> Health {
        Health::new(Duration::ZERO, THRESHOLDS, origin)
    }

    fn states(health: &mut Health, checks: &[Check]) -> Vec<State> {
        let mut observe = |(second, check): (u64, &Check)| {
            health.observe(Duration::from_secs(second), *check);
            health.state()
        };
        (1..).zip(checks).map(&mut observe).collect()
    }

    #[test]
    fn a_target_serves_until_its_first_check_decides() {
        let mut health = new(Origin::Target);
        assert_eq!(health.state().eligibility(), Eligibility::Healthy);
        assert_eq!(states(&mut health, &[Failed]), [State::Unhealthy]);
        let mut health = new(Origin::Target);
        let change = health.observe(Duration::ZERO, Passed).unwrap();
        assert_eq!(change.to, State::Healthy);
        assert!(!change.begins_traffic());
    }

    #[test]
    fn one_pass_is_enough_for_an_instance_that_never_passed() {
        let mut health = new(Origin::Started);
        assert_eq!(health.state().eligibility(), Eligibility::Starting);
        use State::{Healthy, Starting, Unhealthy};
        assert_eq!(
            states(&mut health, &[Failed, Failed, Failed, Passed]),
            [Starting, Starting, Starting, Healthy]
        );
        let mut health = new(Origin::Target);
        assert_eq!(states(&mut health, &[Failed, Failed, Passed]), [Unhealthy, Unhealthy, Healthy]);
    }

    #[test]
    fn only_results_in_a_row_change_the_state() {
        let mut health = new(Origin::Started);
        use State::{Healthy, Unhealthy};
        let checks = [Passed, Failed, Failed, Passed, Failed, Failed, Failed];
        let expected = [Healthy, Healthy, Healthy, Healthy, Healthy, Healthy, Unhealthy];
        assert_eq!(states(&mut health, &checks), expected);
        assert_eq!(health.since(), Duration::from_secs(7));
        let checks = [Passed, Failed, Passed, Passed];
        assert_eq!(states(&mut health, &checks), [Unhealthy, Unhealthy, Unhealthy, Healthy]);
    }

    #[test]
    fn lower_thresholds_count_from_the_next_result() {
        let mut health = new(Origin::Started);
        states(&mut health, &[Passed, Failed, Failed]);
        health.set_thresholds(Thresholds { healthy: 1, unhealthy: 1 });
        assert_eq!(health.state(), State::Healthy);
        assert_eq!(states(&mut health, &[Failed]), [State::Unhealthy]);
    }
}
