//! Ejection: an instance that fails requests is left out for a while.
//!
//! One [`Ejector`] for each service, stepped by one task; the data plane counts, and this decides.
//! Two rules eject: `max_fails` failures in a row, and a failure rate of half or more over the last
//! `fail_timeout` with at least `max_fails` failures in it. Two limits hold at every moment and for each
//! release, whatever comes, goes or falls ill: no more than [`max_ejected`](Passive::max_ejected) of its
//! instances are out, and of those that could serve one always does. Were they the service's, a burst of failures
//! could eject a whole release during a deploy, and move all requests to the other one (decision 0096). Who gets traffic
//! in the end is [`eligibility`](crate::eligibility)'s to say.
//!
//! The rules are those of Envoy's outlier detection (`consecutive_5xx`, `failure_percentage`,
//! `max_ejection_percent`); the length of an ejection doubles instead of growing by its base, and a
//! readmitted instance is on probation as nginx's is after `fail_timeout`: failures in a row are
//! forgotten by a success only, so the first failure ejects it again.

mod strikes;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use model::{InstanceName, Passive};

use strikes::Strikes;
use window::Window;

pub use window::Outcomes;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The instance belongs to the service; said again whenever its fitness changes.
    Present {
        /// Which.
        instance: &'a InstanceName,
        /// Among which instances it counts.
        cohort: Cohort,
        /// Whether it could serve.
        fitness: Fitness,
    },
    /// The instance belongs to the service no more.
    Gone {
        /// Which.
        instance: &'a InstanceName,
    },
    /// Requests failed on the instance. Fewer than `max_fails` need not be told; each one from
    /// there on should be, as an earlier one may have come when nobody more could be ejected.
    Failed {
        /// Which.
        instance: &'a InstanceName,
        /// Failures since the last success, be they before or after an ejection.
        in_a_row: u32,
    },
    /// The instance's counters were read. To be done every second or so, for each.
    Sampled {
        /// Which.
        instance: &'a InstanceName,
        /// All since it began.
        outcomes: Outcomes,
    },
    /// Only time has passed, to [`Ejector::next_deadline`].
    Tick,
}

/// The instances among which the limits hold: those of a release, or all that Plimsoll does not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cohort(i64);

impl Cohort {
    /// The instances of the release with this number. Not those of a version: two releases may have the same.
    pub fn of_release(number: i64) -> Self {
        Self(number)
    }
}

/// Whether an instance could serve if it were not ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// It is healthy, and nobody drains it.
    Fit,
    /// It is unhealthy, drained or starting: it gets nothing anyway, so there is no sense in ejecting
    /// it.
    Unfit,
}

/// What shall be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The instance gets no traffic.
    Ejected {
        /// Which.
        instance: InstanceName,
        /// Until then.
        until: Duration,
        /// What it did.
        cause: Cause,
    },
    /// The instance gets traffic again.
    Readmitted {
        /// Which.
        instance: InstanceName,
        /// Why now.
        reason: Reason,
    },
}

/// What an instance was ejected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// So many failures in a row.
    InARow(u32),
    /// So many failures among the attempts of the last `fail_timeout`.
    Rate(Outcomes),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InARow(count) => write!(f, "{count} failures in a row"),
            Self::Rate(outcomes) => {
                write!(f, "{} of {} attempts failed", outcomes.failures, outcomes.attempts())
            }
        }
    }
}

/// Why an instance was readmitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its time was over.
    Served,
    /// Too many were out for those that are left.
    Needed,
    /// Ejection was switched off.
    Disbanded,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Served => "its time is over",
            Self::Needed => "too few instances are left without it",
            Self::Disbanded => "ejection was switched off",
        })
    }
}

/// Ejects and readmits the instances of one service, each among those of its release.
#[derive(Clone, Debug)]
pub struct Ejector {
    rule: Passive,
    members: BTreeMap<InstanceName, Member>,
}

#[derive(Clone, Debug)]
struct Member {
    cohort: Cohort,
    fitness: Fitness,
    seat: Seat,
    strikes: Strikes,
    window: Window,
}

#[derive(Clone, Copy, Debug)]
enum Seat {
    Admitted { since: Duration },
    Ejected { until: Duration },
}

impl Member {
    fn ejected_until(&self) -> Option<Duration> {
        match self.seat {
            Seat::Admitted { .. } => None,
            Seat::Ejected { until } => Some(until),
        }
    }

    fn is_ejected(&self) -> bool {
        self.ejected_until().is_some()
    }

    fn is_fit(&self) -> bool {
        self.fitness == Fitness::Fit
    }

    fn is_of(&self, cohort: Cohort) -> bool {
        self.cohort == cohort
    }

    fn serves(&self) -> bool {
        self.is_fit() && !self.is_ejected()
    }
}

impl Ejector {
    /// An ejector that knows no instance yet.
    pub fn new(rule: Passive) -> Self {
        Self { rule, members: BTreeMap::new() }
    }

    /// Takes up what happened and tells what follows from it, and from the time that has passed.
    /// Events of instances that are not [`Present`](Event::Present) are ignored.
    pub fn step(&mut self, now: Duration, event: Event<'_>) -> Vec<Transition> {
        let mut transitions = Vec::new();
        self.readmit_served(now, &mut transitions);
        match event {
            Event::Present { instance, cohort, fitness } => {
                self.present(now, instance, cohort, fitness);
            }
            Event::Gone { instance } => drop(self.members.remove(instance)),
            Event::Failed { instance, in_a_row } => {
                if in_a_row >= self.rule.max_fails.get() {
                    transitions.extend(self.eject(now, instance, Cause::InARow(in_a_row)));
                }
            }
            Event::Sampled { instance, outcomes } => {
                if let Some(cause) = self.sample(now, instance, outcomes) {
                    transitions.extend(self.eject(now, instance, cause));
                }
            }
            Event::Tick => {}
        }
        self.readmit_needed(now, &mut transitions);
        self.check_invariants(now);
        transitions
    }

    /// Takes another rule. Whoever is out stays so for as long as was said, if the rule lets so
    /// many be out.
    pub fn set_rule(&mut self, now: Duration, rule: Passive) -> Vec<Transition> {
        self.rule = rule;
        self.step(now, Event::Tick)
    }

    /// Readmits everyone, as ejection is switched off.
    pub fn disband(self) -> Vec<Transition> {
        let ejected = self.members.into_iter().filter(|(_, member)| member.is_ejected());
        ejected
            .map(|(instance, _)| Transition::Readmitted { instance, reason: Reason::Disbanded })
            .collect()
    }

    /// When the next ejection is over, if one is running.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.members.values().filter_map(Member::ejected_until).min()
    }

    /// Until when the instance is ejected, if it is.
    pub fn ejected_until(&self, instance: &InstanceName) -> Option<Duration> {
        self.members.get(instance)?.ejected_until()
    }

    /// How many of a release may be out at once: the share, rounded down, but one at least unless the share is
    /// 0; none of a release that has one instance.
    pub fn limit(&self, cohort: Cohort) -> usize {
        let count = self.of(cohort).count();
        if self.rule.max_ejected <= 0.0 || count < 2 {
            return 0;
        }
        // A share such as 0.29 of 100 falls short of 29 by a rounding error.
        let share = self.rule.max_ejected * count as f64 + 1e-9;
        (share as usize).max(1)
    }

    fn present(
        &mut self,
        now: Duration,
        instance: &InstanceName,
        cohort: Cohort,
        fitness: Fitness,
    ) {
        match self.members.get_mut(instance) {
            Some(member) => {
                (member.cohort, member.fitness) = (cohort, fitness);
            }
            None => {
                let member = Member {
                    cohort,
                    fitness,
                    seat: Seat::Admitted { since: now },
                    strikes: Strikes::default(),
                    window: Window::default(),
                };
                self.members.insert(instance.clone(), member);
            }
        }
    }

    /// Keeps the sample, and judges the instance by it.
    fn sample(
        &mut self,
        now: Duration,
        instance: &InstanceName,
        outcomes: Outcomes,
    ) -> Option<Cause> {
        let member = self.members.get_mut(instance)?;
        if member.is_ejected() {
            // What was sent before the ejection still ends; only what comes after it counts.
            member.window = Window::default();
        }
        let recent = member.window.advance(now, outcomes, self.rule.fail_timeout);
        let enough = recent.failures >= u64::from(self.rule.max_fails.get());
        (enough && recent.failures >= recent.successes).then_some(Cause::Rate(recent))
    }

    /// Ejects the instance, if the limits let it; for no time at all it is not worth it.
    fn eject(
        &mut self,
        now: Duration,
        instance: &InstanceName,
        cause: Cause,
    ) -> Option<Transition> {
        let base = self.rule.fail_timeout;
        let cohort = self.members.get(instance)?.cohort;
        if base.is_zero()
            || self.ejected_of(cohort) >= self.limit(cohort)
            || !self.another_serves(instance, cohort)
        {
            return None;
        }
        let member = self.members.get_mut(instance)?;
        let Seat::Admitted { since } = member.seat else { return None };
        if !member.is_fit() {
            return None;
        }
        let term = member.strikes.strike(base, now.saturating_sub(since));
        let until = now.saturating_add(term);
        member.seat = Seat::Ejected { until };
        member.window = Window::default();
        Some(Transition::Ejected { instance: instance.clone(), until, cause })
    }

    fn readmit_served(&mut self, now: Duration, transitions: &mut Vec<Transition>) {
        while let Some((until, instance)) = self.next_to_return(|_| true) {
            if until > now {
                break;
            }
            transitions.push(self.readmit(until, instance, Reason::Served));
        }
    }

    /// Readmits those that the limits, as they are now, do not let be out: those first whose time would
    /// be over first.
    fn readmit_needed(&mut self, now: Duration, transitions: &mut Vec<Transition>) {
        let ejected = self.members.values().filter(|member| member.is_ejected());
        let cohorts: BTreeSet<Cohort> = ejected.map(|member| member.cohort).collect();
        for cohort in cohorts {
            while self.ejected_of(cohort) > self.limit(cohort) {
                let is_meant = |member: &Member| member.is_of(cohort);
                let Some((_, instance)) = self.next_to_return(is_meant) else { break };
                transitions.push(self.readmit(now, instance, Reason::Needed));
            }
            let is_fit = |member: &Member| member.is_of(cohort) && member.is_fit();
            if !self.of(cohort).any(Member::serves)
                && let Some((_, instance)) = self.next_to_return(is_fit)
            {
                transitions.push(self.readmit(now, instance, Reason::Needed));
            }
        }
    }

    fn readmit(&mut self, since: Duration, instance: InstanceName, reason: Reason) -> Transition {
        if let Some(member) = self.members.get_mut(&instance) {
            member.seat = Seat::Admitted { since };
        }
        Transition::Readmitted { instance, reason }
    }

    /// Who of the ejected returns first; by name where several do.
    fn next_to_return(&self, counts: impl Fn(&Member) -> bool) -> Option<(Duration, InstanceName)> {
        let (until, instance) = self
            .members
            .iter()
            .filter(|(_, member)| counts(member))
            .filter_map(|(instance, member)| Some((member.ejected_until()?, instance)))
            .min()?;
        Some((until, instance.clone()))
    }

    fn of(&self, cohort: Cohort) -> impl Iterator<Item = &Member> {
        self.members.values().filter(move |member| member.is_of(cohort))
    }

    fn ejected_of(&self, cohort: Cohort) -> usize {
        self.of(cohort).filter(|member| member.is_ejected()).count()
    }

    fn another_serves(&self, instance: &InstanceName, cohort: Cohort) -> bool {
        self.members
            .iter()
            .any(|(name, member)| name != instance && member.is_of(cohort) && member.serves())
    }

    fn check_invariants(&self, now: Duration) {
        let ejected = || self.members.values().filter(|member| member.is_ejected());
        for member in ejected() {
            let cohort = member.cohort;
            let (out, limit) = (self.ejected_of(cohort), self.limit(cohort));
            debug_assert!(out <= limit, "{out} of {cohort:?} are out, {limit} may be");
            debug_assert!(
                !self.of(cohort).any(Member::is_fit) || self.of(cohort).any(Member::serves),
                "of those of a release that could serve one does"
            );
        }
        debug_assert!(
            ejected().all(|member| member.ejected_until() > Some(now)),
            "nobody is out for longer than was said"
        );
        debug_assert!(
            ejected().all(|member| member.strikes.count() > 0),
            "nobody is out for nothing"
        );
    }
}

#[cfg(test)]
mod tests;
