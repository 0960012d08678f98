//! What is thought of one service's instances, and what follows: who is barred from traffic.
//!
//! Three judges, each with a bar of its own: active checks, failed requests, a person. The
//! machines are `balance`'s; here they are fed, and what they decide is written to [`Live`], where
//! the data plane reads it at the next pick. Nothing is published for it.

mod instance;
mod outliers;
mod series;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use balance::Mode;
use balance::ejection::{Cohort, Ejector, Event, Outcomes, Transition};
use edge::{Instance, Live, ServiceTlsPlan};
use model::{InstanceName, OnOutlier, Passive, Service};
use rollout::outlier::Second;
use telemetry::{Events, event};
use tokio::sync::mpsc;

use crate::drains::DrainList;
use crate::probe::{Checker, Passed, ProbeFault};
use crate::status::InstanceStatus;
use instance::InstanceWatch;
pub(crate) use outliers::Seconds;
use outliers::{Found, OutlierWatch};
use telemetry::scrape::InstanceState;

/// The result of a check.
pub(crate) struct Report {
    /// Of this instance.
    pub(crate) live: Arc<Live>,
    pub(crate) result: Result<Passed, ProbeFault>,
}

/// The little that metrics tell of an instance beside its counters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brief {
    pub(crate) state: InstanceState,
    pub(crate) weight: u32,
    pub(crate) ejections: u64,
    pub(crate) is_outlier: bool,
}

/// What makes checks, and where they tell their results.
#[derive(Clone)]
pub(crate) struct Reports {
    pub(crate) checker: Checker,
    pub(crate) tell: mpsc::UnboundedSender<Report>,
}

/// The instances of a service that are published.
pub(crate) struct Published<'a> {
    pub(crate) instances: &'a [Instance],
    /// What the edge observes of them, in the same order.
    pub(crate) lives: &'a [Arc<Live>],
    /// How TLS is spoken with them; `None` for clear text.
    pub(crate) tls: Option<&'a ServiceTlsPlan>,
    /// Among which of them ejection has its limits; those that are not in it are one cohort.
    pub(crate) cohorts: BTreeMap<InstanceName, Cohort>,
}

/// One service, as the control loop sees it.
pub(crate) struct ServiceWatch {
    service: Arc<Service>,
    events: Events,
    instances: BTreeMap<InstanceName, InstanceWatch>,
    ejector: Option<Ejector>,
    /// How many are ejected.
    ejected: usize,
    outliers: OutlierWatch,
    mode: Mode,
    /// It had an instance that could get traffic.
    has_served: bool,
}

impl ServiceWatch {
    /// A service without instances.
    pub(crate) fn new(service: Arc<Service>, events: Events) -> Self {
        Self {
            service,
            events,
            instances: BTreeMap::new(),
            ejector: None,
            ejected: 0,
            outliers: OutlierWatch::default(),
            mode: Mode::Normal(balance::Role::Primary),
            has_served: false,
        }
    }

    /// Takes up what is wanted now. Those that were there before keep what is thought of them.
    pub(crate) fn want(
        &mut self,
        now: Duration,
        service: &Arc<Service>,
        published: Published<'_>,
        drains: &DrainList,
        reports: &Reports,
    ) {
        let Published { instances, lives, tls, cohorts } = published;
        debug_assert_eq!(instances.len(), lives.len(), "the edge serves what was published");
        self.service = service.clone();
        let mut before = std::mem::take(&mut self.instances);
        let by_hand = |live: &Live| drains.since(service.name.as_str(), live.name.as_str());
        let mut present: Vec<_> = instances.iter().zip(lives).collect();
        // Those that get requests again do so before others get none: there is always one that may.
        present.sort_by_key(|(instance, live)| instance.is_drained || by_hand(live).is_some());
        for (instance, live) in present {
            let known = before.remove(&live.name).filter(|watch| Arc::ptr_eq(&watch.live, live));
            let by_hand = by_hand(live);
            let before = known.as_ref().and_then(InstanceWatch::drained);
            let retired = || before.unwrap_or_else(SystemTime::now);
            let drained = by_hand.or_else(|| instance.is_drained.then(retired));
            let mut watch = known.unwrap_or_else(|| InstanceWatch::new(now, live.clone(), drained));
            watch.is_retired = drained.is_some() && by_hand.is_none();
            watch.set_drained(now, drained);
            watch.want(now, service, instance, tls, reports);
            watch.cohort = cohorts.get(&live.name).copied().unwrap_or_default();
            self.instances.insert(live.name.clone(), watch);
        }
        self.outliers.keep(|name| self.instances.contains_key(name));
        self.want_ejection(now, service.passive.as_ref(), before.into_keys());
        self.look();
    }

    fn want_ejection(
        &mut self,
        now: Duration,
        rule: Option<&Passive>,
        gone: impl Iterator<Item = InstanceName>,
    ) {
        let mut transitions = Vec::new();
        match (self.ejector.take(), rule) {
            (None, None) => {}
            (Some(ejector), None) => transitions.extend(ejector.disband()),
            (ejector, Some(rule)) => {
                let mut ejector = ejector.unwrap_or_else(|| Ejector::new(rule.clone()));
                transitions.extend(ejector.set_rule(now, rule.clone()));
                for instance in gone {
                    transitions.extend(ejector.step(now, Event::Gone { instance: &instance }));
                }
                for (instance, watch) in &self.instances {
                    let (cohort, fitness) = (watch.cohort, watch.fitness());
                    let present = Event::Present { instance, cohort, fitness };
                    transitions.extend(ejector.step(now, present));
                }
                self.ejector = Some(ejector);
            }
        }
        self.apply(now, transitions);
    }

    /// Takes up the result of a check. Says why the instance is unhealthy, if it has become so.
    pub(crate) fn checked(&mut self, now: Duration, report: Report) -> Option<String> {
        let watch = self.instances.get_mut(&report.live.name)?;
        if !Arc::ptr_eq(&watch.live, &report.live) {
            return None;
        }
        let transition = watch.checked(now, report.result)?;
        let (service, instance) = (self.service.name.clone(), report.live.name.clone());
        let why = watch.failure();
        match &why {
            None => {
                let from = transition.from.to_string().into();
                self.events.emit(event::InstanceHealthy { service, instance, from });
            }
            Some(why) => {
                let (from, why) = (transition.from.to_string().into(), why.clone());
                self.events.emit(event::InstanceUnhealthy { service, instance, from, why });
            }
        }
        self.refit(now, &report.live.name);
        why
    }

    /// Takes up that the data plane suspects an instance.
    pub(crate) fn suspected(&mut self, now: Duration, live: &Live) {
        // To be taken in any case, or nothing more is told of it.
        let in_a_row = live.take_suspicion();
        let watch = self.instances.get(&live.name);
        if watch.is_none_or(|watch| !std::ptr::eq(&*watch.live, live)) {
            return;
        }
        self.eject(now, Event::Failed { instance: &live.name, in_a_row });
    }

    /// Reads the counters. To be done every second.
    pub(crate) fn sample(&mut self, now: Duration) {
        let mut transitions = Vec::new();
        for (instance, watch) in &mut self.instances {
            watch.window.sample(now, &watch.live);
            if let Some(ejector) = &mut self.ejector {
                let all = watch.live.outcomes();
                let outcomes = Outcomes { successes: all.served(), failures: all.failed() };
                transitions.extend(ejector.step(now, Event::Sampled { instance, outcomes }));
            }
        }
        self.apply(now, transitions);
    }

    /// Takes up what became of a second's requests, by its instances and routes. Those that are to be replaced.
    pub(crate) fn take_second(
        &mut self,
        now: Duration,
        seconds: Seconds,
        second: Second,
    ) -> Vec<InstanceName> {
        if self.service.outliers == OnOutlier::Off {
            self.outliers.forget();
            self.instances.values_mut().for_each(|watch| watch.outlier = None);
            return Vec::new();
        }
        let serving = self.instances.iter().filter(|(_, watch)| watch.live.is_eligible());
        let serving = serving.map(|(name, _)| name.clone()).collect();
        let mut to_replace = Vec::new();
        for found in self.outliers.take(seconds, second, serving) {
            let service = self.service.name.clone();
            match found {
                Found::Named(instance, outlier) => {
                    let Some(watch) = self.instances.get_mut(&instance) else { continue };
                    let (why, since) = (outlier.text(), Some(outlier.since));
                    watch.outlier = Some(outlier);
                    if self.outliers.may_replace(now, self.service.outliers) {
                        to_replace.push(instance.clone());
                    }
                    self.events.emit(event::InstanceOutlier { service, instance, why, since });
                }
                Found::Recovered(instance) => {
                    let Some(watch) = self.instances.get_mut(&instance) else { continue };
                    watch.outlier = None;
                    self.events.emit(event::InstanceOutlierOver { service, instance });
                }
            }
        }
        to_replace
    }

    /// Something else than chance decides for a while which instance is asked.
    pub(crate) fn unsettle(&mut self, seconds: Seconds) {
        self.outliers.unsettle(seconds);
    }

    /// Ends the ejections whose time is over.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.eject(now, Event::Tick);
    }

    /// When the next ejection is over, if there is one.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        if self.ejected == 0 {
            return None;
        }
        self.ejector.as_ref()?.next_deadline()
    }

    /// Gives the instance nothing new if `drains` has it, and something if not.
    pub(crate) fn look_for_drain(&mut self, now: Duration, name: &str, drains: &DrainList) {
        let Some(watch) = self.instances.get_mut(name) else { return };
        let drained = drains.since(self.service.name.as_str(), name);
        if watch.set_drained(now, drained) {
            let (service, instance) = (self.service.name.clone(), name.into());
            match drained {
                Some(_) => self.events.emit(event::InstanceDrained { service, instance }),
                None => self.events.emit(event::InstanceEnabled { service, instance }),
            }
        }
        self.refit(now, &name.into());
    }

    /// Every instance's name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.instances.keys().map(InstanceName::as_str)
    }

    /// Who of the instances gets traffic.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Everything about the instance `name`, for people.
    pub(crate) fn status(&self, now: Duration, name: &str) -> Option<InstanceStatus> {
        Some(self.instances.get(name)?.status(now, self.mode))
    }

    /// The little that metrics tell of the instance `name`.
    pub(crate) fn brief(&self, name: &InstanceName) -> Option<Brief> {
        Some(self.instances.get(name)?.brief())
    }

    /// The instance's fitness may have changed.
    fn refit(&mut self, now: Duration, instance: &InstanceName) {
        if let Some(watch) = self.instances.get(instance) {
            let (cohort, fitness) = (watch.cohort, watch.fitness());
            self.eject(now, Event::Present { instance, cohort, fitness });
        }
        self.look();
    }

    fn eject(&mut self, now: Duration, event: Event<'_>) {
        let Some(ejector) = &mut self.ejector else { return };
        let transitions = ejector.step(now, event);
        self.apply(now, transitions);
    }

    fn apply(&mut self, now: Duration, transitions: Vec<Transition>) {
        if transitions.is_empty() {
            return;
        }
        for transition in transitions {
            let service = self.service.name.clone();
            match transition {
                Transition::Ejected { instance, until, cause } => {
                    let Some(watch) = self.instances.get_mut(&instance) else { continue };
                    watch.eject(now, until, cause);
                    let (why, seconds) = (cause.to_string(), until.saturating_sub(now));
                    self.events.emit(event::InstanceEjected { service, instance, why, seconds });
                }
                Transition::Readmitted { instance, reason } => {
                    let Some(watch) = self.instances.get_mut(&instance) else { continue };
                    watch.readmit(now);
                    let why = reason.to_string();
                    self.events.emit(event::InstanceReadmitted { service, instance, why });
                }
            }
        }
        let is_ejected = |name: &&InstanceName| {
            self.ejector.as_ref().is_some_and(|ejector| ejector.ejected_until(name).is_some())
        };
        self.ejected = self.instances.keys().filter(is_ejected).count();
        self.look();
    }

    /// Looks at all together, and says so when nobody can serve as they should.
    fn look(&mut self) {
        let mode = Mode::of(self.instances.values().filter_map(InstanceWatch::seat));
        let before = std::mem::replace(&mut self.mode, mode);
        let service = self.service.name.clone();
        // What Plimsoll runs has none before the first has come up, and whether it does is told by its deploy.
        let is_to_come = self.service.run.is_some() && !self.has_served;
        self.has_served |= mode != Mode::Nobody;
        match (before, mode) {
            _ if before == mode => {}
            (_, Mode::Nobody) if is_to_come => tracing::debug!(%service, "no instance yet"),
            (Mode::Nobody, Mode::Normal(_)) if is_to_come => {
                tracing::debug!(%service, "first instance")
            }
            (_, Mode::Panic(_)) => self.events.emit(event::ServicePanics { service }),
            (_, Mode::Nobody) => self.events.emit(event::ServiceDown { service }),
            (_, Mode::Normal(balance::Role::Backup)) => {
                self.events.emit(event::ServiceOnBackups { service });
            }
            (_, Mode::Normal(balance::Role::Primary)) => {
                self.events.emit(event::ServiceRecovered { service });
            }
        }
    }
}
