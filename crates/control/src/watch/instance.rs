//! What is thought of one instance: its checks, its ejection, its drain, and what they say
//! together.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use balance::ejection::{Cause, Cohort, Fitness};
use balance::health::{self, Check, Health, Origin, Thresholds, Transition};
use balance::{Access, Eligibility, Mode, Role};
use edge::{Bar, Instance, Live, ServiceTlsPlan};
use model::{HealthCheck, Service};

use super::series::Series;
use super::{Brief, Reports};
use crate::drains::target_of;
use crate::probe::{self, Passed, ProbeFault, ProbePlan};
use crate::status::{InstanceStatus, OutlierStatus};
use crate::task::Task;
use crate::window::Window;
use telemetry::scrape::InstanceState;

/// Where no rule says how many failed requests in a row are too many: the default of that rule.
const FAILS_MAX: u32 = 3;

/// One instance, as the control loop sees it.
pub(super) struct InstanceWatch {
    pub(super) live: Arc<Live>,
    weight: u32,
    role: Role,
    /// So many failed requests in a row are said to be failing.
    fails_max: u32,
    health: Option<Health>,
    probe: Option<(ProbePlan, Task)>,
    /// What its checks came to lately.
    checks: Series,
    ejection: Option<Ejection>,
    ejections: u64,
    /// Since when an operator has it drained.
    drained: Option<SystemTime>,
    /// It is drained by a deploy and not by an operator.
    pub(super) is_retired: bool,
    stands: (Eligibility, Duration),
    pub(super) window: Window,
    /// Among which others it may be ejected.
    pub(super) cohort: Cohort,
    /// That it fails more often than its siblings, if it does.
    pub(super) outlier: Option<OutlierStatus>,
}

struct Ejection {
    until: Duration,
    cause: Cause,
}

impl InstanceWatch {
    /// A new instance: nothing speaks against it unless it is `drained`, and its slow start begins.
    pub(super) fn new(now: Duration, live: Arc<Live>, drained: Option<SystemTime>) -> Self {
        // One that comes back before its last request ended still has its old bars.
        live.lift(Bar::Unhealthy);
        live.lift(Bar::Ejected);
        let eligibility = match drained {
            None => {
                live.lift(Bar::Drained);
                Eligibility::Healthy
            }
            Some(_) => {
                live.put(Bar::Drained);
                Eligibility::Drained
            }
        };
        live.ramp_from(now);
        let mut window = Window::default();
        window.sample(now, &live);
        Self {
            live,
            weight: 0,
            role: Role::Primary,
            fails_max: FAILS_MAX,
            health: None,
            probe: None,
            checks: Series::default(),
            ejection: None,
            ejections: 0,
            drained,
            is_retired: false,
            stands: (eligibility, now),
            window,
            cohort: Cohort::default(),
            outlier: None,
        }
    }

    /// Since when it is drained, if it is.
    pub(super) fn drained(&self) -> Option<SystemTime> {
        self.drained
    }

    /// Takes up what is wanted of the instance.
    pub(super) fn want(
        &mut self,
        now: Duration,
        service: &Service,
        instance: &Instance,
        tls: Option<&ServiceTlsPlan>,
        reports: &Reports,
    ) {
        self.weight = instance.weight;
        self.fails_max = service.passive.as_ref().map_or(FAILS_MAX, |it| it.max_fails.get());
        self.role = if instance.backup { Role::Backup } else { Role::Primary };
        match &service.health {
            None => self.stop_checks(now),
            Some(check) => {
                let thresholds = Thresholds::from(check);
                match &mut self.health {
                    Some(health) => health.set_thresholds(thresholds),
                    None => self.health = Some(first_health(now, thresholds, instance)),
                }
                self.check_with(service, check, tls, reports);
            }
        }
    }

    fn check_with(
        &mut self,
        service: &Service,
        check: &HealthCheck,
        tls: Option<&ServiceTlsPlan>,
        reports: &Reports,
    ) {
        let plan = ProbePlan {
            address: self.live.address,
            target: target_of(&self.live.name).to_owned(),
            protocol: service.protocol,
            tls: tls.map(|plan| plan.toward(&self.live.host)),
            violations: service.violations,
            check: check.clone(),
            checker: reports.checker.clone(),
        };
        if self.probe.as_ref().is_some_and(|(running, _)| *running == plan) {
            return;
        }
        let (reports, live) = (reports.tell.clone(), self.live.clone());
        let tell = move |result| {
            // The loop that listens ends only with all that it watches.
            let _ = reports.send(super::Report { live: live.clone(), result });
        };
        let task = Task::spawn(probe::run(plan.clone(), tell));
        self.probe = Some((plan, task));
    }

    fn stop_checks(&mut self, now: Duration) {
        (self.health, self.probe, self.checks) = (None, None, Series::default());
        self.live.lift(Bar::Unhealthy);
        self.restand(now);
    }

    /// Takes up the result of a check.
    pub(super) fn checked(
        &mut self,
        now: Duration,
        result: Result<Passed, ProbeFault>,
    ) -> Option<Transition> {
        let health = self.health.as_mut()?;
        let check = match &result {
            Ok(_) => Some(Check::Passed),
            // It says nothing of the instance.
            Err(fault) if fault.is_ours() => None,
            Err(_) => Some(Check::Failed),
        };
        self.checks.note(now, result);
        let transition = health.observe(now, check?)?;
        match transition.to.eligibility() {
            Eligibility::Healthy => self.live.lift(Bar::Unhealthy),
            _ => self.live.put(Bar::Unhealthy),
        }
        self.restand(now);
        Some(transition)
    }

    pub(super) fn eject(&mut self, now: Duration, until: Duration, cause: Cause) {
        self.ejection = Some(Ejection { until, cause });
        self.ejections += 1;
        self.live.put(Bar::Ejected);
        self.restand(now);
    }

    pub(super) fn readmit(&mut self, now: Duration) {
        self.ejection = None;
        self.live.lift(Bar::Ejected);
        self.restand(now);
    }

    /// Takes up whether it is drained, and since when; says whether that is new.
    pub(super) fn set_drained(&mut self, now: Duration, drained: Option<SystemTime>) -> bool {
        match drained {
            Some(_) => self.live.put(Bar::Drained),
            None => self.live.lift(Bar::Drained),
        }
        let was_drained = std::mem::replace(&mut self.drained, drained).is_some();
        if was_drained == drained.is_some() {
            return false;
        }
        self.restand(now);
        true
    }

    /// Whether it could serve if it were not ejected.
    pub(super) fn fitness(&self) -> Fitness {
        let is_healthy =
            self.health_state().is_none_or(|state| state.eligibility() == Eligibility::Healthy);
        if is_healthy && self.drained.is_none() { Fitness::Fit } else { Fitness::Unfit }
    }

    pub(super) fn eligibility(&self) -> Eligibility {
        let by_checks =
            self.health_state().map_or(Eligibility::Healthy, health::State::eligibility);
        let by_requests =
            if self.ejection.is_some() { Eligibility::Ejected } else { Eligibility::Healthy };
        let by_person =
            if self.drained.is_some() { Eligibility::Drained } else { Eligibility::Healthy };
        by_checks.max(by_requests).max(by_person)
    }

    /// How it stands, for people.
    pub(super) fn state(&self) -> InstanceState {
        match self.eligibility() {
            Eligibility::Healthy if self.is_failing() => InstanceState::Failing,
            Eligibility::Healthy if self.is_unchecked() => InstanceState::Unchecked,
            Eligibility::Healthy => InstanceState::Healthy,
            Eligibility::Ejected => InstanceState::Ejected,
            Eligibility::Unhealthy => InstanceState::Unhealthy,
            Eligibility::Starting => InstanceState::Starting,
            Eligibility::Drained => InstanceState::Drained,
        }
    }

    /// Whether its last requests all failed, as many as would eject it.
    fn is_failing(&self) -> bool {
        self.live.failures_in_a_row() >= self.fails_max
    }

    fn is_unchecked(&self) -> bool {
        self.health_state().is_none_or(|state| state == health::State::Unchecked)
    }

    /// Its eligibility and role, where it counts at all.
    pub(super) fn seat(&self) -> Option<(Eligibility, Role)> {
        (self.weight > 0).then(|| (self.eligibility(), self.role))
    }

    fn health_state(&self) -> Option<health::State> {
        self.health.as_ref().map(Health::state)
    }

    /// Notes how it stands, and lets it begin gently where it gets traffic again.
    fn restand(&mut self, now: Duration) {
        let eligibility = self.eligibility();
        if eligibility == self.stands.0 {
            return;
        }
        self.stands = (eligibility, now);
        if eligibility == Eligibility::Healthy {
            self.live.ramp_from(now);
        }
        debug_assert_eq!(
            eligibility == Eligibility::Healthy,
            self.live.is_eligible(),
            "bars tell the eligibility"
        );
    }

    /// Why the last check failed, and how many have in a row.
    pub(super) fn failure(&self) -> Option<String> {
        self.checks.failure()
    }

    pub(super) fn brief(&self) -> Brief {
        Brief {
            state: self.state(),
            weight: self.weight,
            ejections: self.ejections,
            is_outlier: self.outlier.is_some(),
        }
    }

    /// Everything about it, for people.
    pub(super) fn status(&self, now: Duration, mode: Mode) -> InstanceStatus {
        let eligibility = self.eligibility();
        let access = match self.weight {
            0 => Access::Barred,
            _ => mode.access(eligibility, self.role),
        };
        InstanceStatus {
            name: self.live.name.clone(),
            address: self.live.address,
            // Only the loop knows.
            release: None,
            eligibility,
            state: self.state(),
            access,
            reason: match &self.outlier {
                Some(outlier) => format!("{}; {}", outlier.text(), self.reason(now)),
                None => self.reason(now),
            },
            stands_for: self.stands_for(now),
            drained_since: self.drained,
            weight: self.weight,
            role: self.role,
            in_flight: self.live.in_flight(),
            // Only the workers know, and they are asked once for all instances.
            open: None,
            totals: self.live.outcomes(),
            ejections: self.ejections,
            outlier: self.outlier.clone(),
            recent: self.window.recent(now, &self.live),
        }
    }

    /// For how long it has stood as it does; a drain is older than this process may be.
    fn stands_for(&self, now: Duration) -> Duration {
        let drained_for = self.drained.and_then(|since| since.elapsed().ok());
        drained_for.unwrap_or_else(|| now.saturating_sub(self.stands.1))
    }

    /// Why it stands as it does, in words.
    fn reason(&self, now: Duration) -> String {
        match (self.eligibility(), &self.ejection) {
            (Eligibility::Drained, _) if self.is_retired => "retired by a deploy".into(),
            (Eligibility::Drained, _) => "drained by an operator".into(),
            (Eligibility::Ejected, Some(ejection)) => {
                let left = ejection.until.saturating_sub(now).as_secs_f64().ceil();
                format!("{}, back in {left} s", ejection.cause)
            }
            (Eligibility::Healthy, _) if self.weight == 0 => "its weight is 0".into(),
            (Eligibility::Healthy, _) if self.is_failing() => {
                let count = self.live.failures_in_a_row();
                format!("its last {count} requests failed; {}", self.checks_say(now))
            }
            _ => self.checks_say(now),
        }
    }

    /// What its checks say, in words.
    fn checks_say(&self, now: Duration) -> String {
        let failing = self.checks.failing(now).or_else(|| {
            let why = self.live.handshake_failure()?;
            Some(format!("the last TLS handshake failed: {why}; {}", self.untroubled()))
        });
        let told = failing.unwrap_or_else(|| self.untroubled());
        match self.checks.not_made() {
            None => told,
            Some(why) => format!("{told}; the last check was not made: {why}"),
        }
    }

    /// What its checks say, where the last one did not fail.
    fn untroubled(&self) -> String {
        let Some(health) = &self.health else { return "no checks are configured".into() };
        match health.state() {
            health::State::Unchecked | health::State::Starting => "not checked yet".into(),
            health::State::Healthy => match self.checks.passed() {
                Some(seen) => format!("checks pass: {seen}"),
                None => "checks pass".into(),
            },
            health::State::Unhealthy => {
                let (passed, needed) = health.against();
                format!("checks pass again, {passed} of {needed} in a row")
            }
        }
    }
}

/// What is thought of an instance before its checks begin. One that Plimsoll runs has passed a first
/// check before it was published.
fn first_health(now: Duration, thresholds: Thresholds, instance: &Instance) -> Health {
    match instance.release.is_some() {
        false => Health::new(now, thresholds, Origin::Target),
        true => {
            let mut health = Health::new(now, thresholds, Origin::Started);
            health.observe(now, Check::Passed);
            health
        }
    }
}
