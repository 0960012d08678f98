//! The machine that carries one deploy through.
//!
//! [`Rollout::step`] takes up what happened, goes as far as it can, and says what shall be done
//! about it. The way forward is in `forward`, the way back in `back`.

mod back;
mod compare;
mod conditions;
mod forward;
mod hooks;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Deploy, HookMoment, InstanceName, ServiceName, Work};

use crate::block::Past;
use crate::event::{DeployAction, Effect, Event, News, Outcome, Pause, Reason, Side, Traffic};
use crate::fleet::{Fleet, Phase};
use crate::judge::{Fault, Judge, Old, Serving, Verdict};
use conditions::Conditions;
use hooks::RunningHook;

pub use conditions::ConditionOverview;

/// What a rollout is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Of this service; its instances are named after it.
    pub service: ServiceName,
    /// What its instances do: where they get no requests, whether they live is all that is watched.
    pub work: Work,
    /// In which way.
    pub deploy: Deploy,
    /// Forward, or back to a release that ran before.
    pub direction: Direction,
    /// How many instances of the new release, at least one.
    pub replicas: u32,
    /// The instances of the old release, all of which serve; none where there is no old release.
    pub stable: Vec<InstanceName>,
    /// What the old release did before.
    pub past: Past,
    /// The number of the next instance: no instance of the service has it or a greater one.
    pub next_number: u64,
}

/// Whether a rollout is a deploy or a rollback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// A new release is to come. Where it is worse than the old one, it is rolled back.
    #[default]
    Forward,
    /// A person rolls back. They know why: where what comes back is worse than what it replaces, that
    /// is told, and the choice between the two is theirs.
    Back,
}

/// A rollout on its way.
#[derive(Clone, Debug)]
pub struct Rollout {
    plan: Plan,
    now: Duration,
    stage: Stage,
    canary: Fleet,
    stable: Fleet,
    judge: Judge,
    started: BTreeMap<InstanceName, Duration>,
    /// Why the last check failed of each instance that is starting.
    failed_checks: BTreeMap<InstanceName, String>,
    next_number: u64,
    traffic: Traffic,
    share: Option<f64>,
    paused: Option<Pause>,
    is_hurried: bool,
    /// In this period of watching, or of writing down: what holds it up was said.
    has_complained: bool,
    /// In this period of watching: a person wants to go on with too little data.
    is_excused: bool,
    /// Instances of the old release that could not be brought back.
    lost: u32,
    /// How often the two were compared in the bake.
    compared: u32,
    /// Instances of the new release that were replaced.
    replaced: u32,
    /// What has to hold outside.
    conditions: Conditions,
    /// It was told how the new release can be looked at.
    has_told_preview: bool,
    /// What runs beside the instances.
    hook: Option<RunningHook>,
    effects: Vec<Effect>,
}

/// How far a rollout has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// What is to run before anything starts is running.
    Before,
    /// The old instances go first, for the strategy is to replace.
    Clearing,
    /// New instances are being started; with a rolling strategy they take over one by one.
    Starting,
    /// A canary's step, counted from 0.
    Step {
        /// Which.
        index: usize,
        /// Since when it is watched.
        since: Duration,
    },
    /// The new release has all traffic.
    Baking {
        /// Since when it is watched.
        since: Duration,
    },
    /// Half of the requests are back at the old release, to compare the two: part of the bake.
    Comparing {
        /// Since when.
        since: Duration,
        /// Since when the bake is counted.
        baking: Duration,
    },
    /// That the new release stays is being written down.
    Committing {
        /// When that is tried again, if it could not be.
        again: Option<Duration>,
    },
    /// The new release stays, and the old one is going.
    Finishing,
    /// The new release runs alone, and what is to run after that is running.
    After,
    /// The old release is coming back.
    Returning(Reason),
    /// Over.
    Ended(Outcome),
}

/// How a rollout stands, for people.
#[derive(Clone, Debug)]
pub struct Overview<'a> {
    /// How far it has come.
    pub stage: &'a Stage,
    /// The share of the traffic that the new release gets by itself, if it is set.
    pub share: Option<f64>,
    /// Until when it is watched at least, in the machine's time.
    pub watched_until: Option<Duration>,
    /// Who paused it, if anybody.
    pub paused: Option<Pause>,
    /// What the judge says now, and has seen.
    pub judge: &'a Judge,
    /// How each condition stands; none before the first is watched.
    pub conditions: Vec<ConditionOverview<'a>>,
    /// Every instance that is not gone, and how far it has come.
    pub instances: Vec<(&'a InstanceName, Side, Phase)>,
}

impl Rollout {
    /// Begins, and says what shall be done first. Times are since an origin that the caller chose.
    pub fn begin(plan: Plan, now: Duration) -> (Self, Vec<Effect>) {
        assert!(plan.replicas > 0, "a service has at least one instance");
        let stable = Fleet::serving(plan.stable.iter().cloned());
        let mut rollout = Self {
            now,
            stage: Stage::Before,
            canary: Fleet::default(),
            judge: Judge::with_past(&plan.deploy.judge, &plan.past),
            started: BTreeMap::new(),
            failed_checks: BTreeMap::new(),
            next_number: plan.next_number,
            traffic: Traffic { serving: plan.stable.iter().cloned().collect(), share: None },
            share: None,
            paused: None,
            is_hurried: false,
            has_complained: false,
            is_excused: false,
            lost: 0,
            compared: 0,
            replaced: 0,
            conditions: Conditions::new(&plan.deploy.conditions),
            has_told_preview: false,
            hook: None,
            effects: Vec::new(),
            stable,
            plan,
        };
        if !rollout.begin_hook(HookMoment::Before) {
            rollout.stage = rollout.first_stage();
        }
        let effects = rollout.settle();
        (rollout, effects)
    }

    /// Takes `event` up. `now` never goes back.
    pub fn step(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        debug_assert!(now >= self.now, "time goes on");
        self.now = now;
        self.note(event);
        self.settle()
    }

    /// When it wants an [`Event::Tick`], if it does.
    pub fn next_deadline(&self) -> Option<Duration> {
        let starting = self.canary.iter().chain(self.stable.iter());
        let starts = starting.filter_map(|(_, phase)| match phase {
            Phase::Starting { until } => Some(until),
            _ => None,
        });
        let watched = self.watched_until().filter(|until| *until > self.now);
        let again = match self.stage {
            Stage::Committing { again } => again,
            _ => None,
        };
        starts.chain(watched).chain(again).chain(self.next_measurement()).min()
    }

    /// Whether it is over.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.stage {
            Stage::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whether an instance that ended is to be started again under its name by whoever keeps what
    /// runs: it serves and is no part of what is being decided.
    pub fn keeps(&self, name: &InstanceName) -> bool {
        match (self.canary.phase(name), self.stable.phase(name)) {
            (Some(_), _) => {
                matches!(
                    self.stage,
                    Stage::Committing { .. } | Stage::Finishing | Stage::After | Stage::Ended(_)
                )
            }
            (None, Some(phase)) => phase == Phase::Serving,
            (None, None) => true,
        }
    }

    /// The number of the next instance that is started.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// How it stands.
    pub fn overview(&self) -> Overview<'_> {
        let of = |side| move |(name, phase)| (name, side, phase);
        let canary = self.canary.iter().map(of(Side::Canary));
        let stable = self.stable.iter().map(of(Side::Stable));
        Overview {
            stage: &self.stage,
            share: self.share,
            watched_until: self.watched_until(),
            paused: self.paused,
            judge: &self.judge,
            conditions: self.conditions.overview(),
            instances: stable.chain(canary).collect(),
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Ready(name) => self.ready(&name),
            Event::CheckFailed(name, why) => {
                if self.fleet_of(&name).is_some() {
                    self.failed_checks.insert(name, why);
                }
            }
            Event::Unreachable(name) => {
                if let Some(fleet) = self.fleet_of(&name)
                    && fleet.phase(&name) == Some(Phase::Retiring)
                {
                    fleet.set(&name, Phase::Warm);
                }
            }
            Event::Failed(name, why) => self.failed(name, why),
            Event::Refused(name, why) => self.refused(name, why),
            Event::Unhealthy(name, why) => self.unhealthy(name, why),
            Event::Gone(name) => {
                if let Some(fleet) = self.fleet_of(&name) {
                    fleet.remove(&name);
                }
            }
            Event::Sample(block) if !self.is_decided() => {
                self.judge.observe(self.now, &block, self.serving());
                self.heed();
            }
            Event::Sample(_) | Event::Tick => {}
            Event::Measured { condition, number, measurement } => {
                self.measured(condition, number, measurement);
            }
            Event::HookEnded(end) => self.hook_ended(end),
            Event::Committed => self.committed(),
            Event::NotCommitted(why) => self.not_committed(why),
            Event::Action(action) => self.obey(action),
        }
    }

    /// Does what the judge says.
    fn heed(&mut self) {
        if !self.judge.has_found() {
            return self.suspect();
        }
        match self.judge.verdict() {
            Verdict::Worse(fault) => self.found_worse(fault),
            Verdict::BadInstance(fault) => self.found_bad_instance(fault),
            Verdict::Changed(fault) => self.found_change(fault),
            Verdict::Good(_) | Verdict::NotEnoughData { .. } => self.suspect(),
        }
    }

    /// How the two releases serve.
    pub fn serving(&self) -> Serving {
        let count = |fleet: &Fleet| fleet.count(|phase| phase == Phase::Serving);
        let is_there = |phase| matches!(phase, Phase::Serving | Phase::Retiring | Phase::Warm);
        let old = match self.stable.count(is_there) {
            _ if self.plan.stable.is_empty() => Old::Never,
            0 => Old::Gone,
            _ => Old::There,
        };
        let canary = count(&self.canary);
        let takes_over = self.stage == Stage::Starting
            && self.plan.deploy.strategy == model::Strategy::Rolling
            && self.plan.direction == Direction::Forward;
        let coming = if takes_over { self.plan.replicas.saturating_sub(canary) } else { 0 };
        Serving { canary, stable: count(&self.stable), coming, old }
    }

    /// The judge finds the new release worse than the old one.
    fn found_worse(&mut self, fault: Fault) {
        match self.plan.direction {
            Direction::Forward => self.turn_back(Reason::Worse(Box::new(fault))),
            Direction::Back if self.paused.is_some() || self.is_hurried || self.is_excused => {}
            Direction::Back => {
                self.tell(News::WorseThanReplaced(fault));
                self.pause(Pause::BothBad);
            }
        }
    }

    fn ready(&mut self, name: &InstanceName) {
        let Some(fleet) = self.fleet_of(name) else { return };
        if fleet.phase(name).is_some_and(Phase::is_starting) {
            fleet.set(name, Phase::Ready);
            self.failed_checks.remove(name);
            let took = self.started.get(name).map_or(Duration::ZERO, |at| self.now - *at);
            self.tell(News::Ready(name.clone(), took));
        }
    }

    fn failed(&mut self, name: InstanceName, why: String) {
        if self.canary.phase(&name).is_some() {
            self.canary_failed(name, why);
            return;
        }
        match self.stable.phase(&name) {
            // Whoever keeps what runs starts it again, under the same name.
            None | Some(Phase::Serving) => {}
            Some(Phase::Starting { .. } | Phase::Ready) => self.lose(name, why),
            Some(Phase::Retiring | Phase::Warm | Phase::Stopping) => self.stable.remove(&name),
        }
    }

    fn canary_failed(&mut self, name: InstanceName, why: String) {
        match self.stage {
            // It is kept as what runs, and started again under the same name.
            Stage::Committing { .. } | Stage::Finishing | Stage::After | Stage::Ended(_) => {}
            Stage::Returning(_) => self.canary.remove(&name),
            _ if self.is_replaced(&name) => self.canary.remove(&name),
            _ => {
                self.canary.remove(&name);
                self.turn_back(Reason::Failed(name, why));
            }
        }
    }

    /// A release that is not to come is not begun with.
    fn refused(&mut self, name: InstanceName, why: String) {
        if !self.is_decided() && self.canary.phase(&name).is_some_and(Phase::is_starting) {
            self.turn_back(Reason::Refused(name, why));
        }
    }

    /// What becomes of an old one, or of one that does not serve, is for others to say.
    fn unhealthy(&mut self, name: InstanceName, why: String) {
        if !self.is_decided() && self.canary.phase(&name) == Some(Phase::Serving) {
            self.turn_back(Reason::Unhealthy(name, why));
        }
    }

    fn obey(&mut self, action: DeployAction) {
        if !self.heeds(action) {
            return;
        }
        match action {
            DeployAction::Abort if self.is_decided() => self.end_hook(),
            DeployAction::Promote => {
                (self.paused, self.is_hurried) = (None, true);
                self.tell(News::Hurried);
            }
            DeployAction::Abort => self.turn_back(Reason::Aborted),
            DeployAction::Pause => self.pause(Pause::ByHand),
            DeployAction::Resume => {
                if let Some(paused) = self.paused.take() {
                    self.is_excused |= matches!(paused, Pause::LittleData | Pause::BothBad);
                    if paused == Pause::Condition {
                        self.conditions.excuse();
                    }
                    if paused == Pause::ClientErrors {
                        self.judge.excuse_change();
                    }
                    self.tell(News::Resumed);
                }
            }
        }
    }

    fn pause(&mut self, why: Pause) {
        if self.paused.is_none() {
            self.paused = Some(why);
            self.tell(News::Paused(why));
        }
    }

    /// Goes as far as it can.
    fn settle(&mut self) -> Vec<Effect> {
        self.give_up_slow_starts();
        self.give_up_silent();
        self.carry_on_replacing();
        loop {
            let has_moved = match self.stage {
                Stage::Clearing => self.clear(),
                Stage::Starting => self.bring_up(),
                Stage::Step { .. } => self.watch_step(),
                Stage::Baking { .. } => self.watch_bake(),
                Stage::Comparing { .. } => self.watch_comparison(),
                Stage::Committing { again } => self.commit_again(again),
                Stage::Finishing => self.finish(),
                Stage::Returning(_) => self.bring_back(),
                Stage::Before | Stage::After | Stage::Ended(_) => false,
            };
            self.direct();
            if !has_moved {
                break;
            }
        }
        self.measure();
        self.check_invariants();
        std::mem::take(&mut self.effects)
    }

    fn give_up_slow_starts(&mut self) {
        let now = self.now;
        let is_late = |phase| matches!(phase, Phase::Starting { until } if until <= now);
        for name in self.stable.in_phase(is_late) {
            let why = self.late(&name);
            self.effects.push(Effect::Stop(name.clone()));
            self.lose(name.clone(), why);
            self.stable.set(&name, Phase::Stopping);
        }
        if !self.is_decided()
            && let Some(name) = self.canary.in_phase(is_late).into_iter().next()
        {
            let why = self.late(&name);
            self.turn_back(Reason::NotReady { instance: name, why });
        }
    }

    /// What an instance did not do in its time, and why as far as its checks tell.
    fn late(&mut self, name: &InstanceName) -> String {
        let Deploy { ready_timeout, min_healthy, .. } = &self.plan.deploy;
        let mut text = match min_healthy.is_zero() {
            true => format!("passed no check within {ready_timeout:?}"),
            false => {
                let within = *ready_timeout + *min_healthy;
                format!("was not healthy for {min_healthy:?} on end within {within:?}")
            }
        };
        if let Some(last) = self.failed_checks.remove(name) {
            text.push_str(&format!(": {last}"));
        }
        text
    }

    /// Lets exactly those have traffic that serve, if it is not so yet.
    fn direct(&mut self) {
        let is_serving = |phase| phase == Phase::Serving;
        let serving = self.canary.in_phase(is_serving).into_iter();
        let serving = serving.chain(self.stable.in_phase(is_serving)).collect();
        let traffic = Traffic { serving, share: self.share };
        if traffic != self.traffic {
            self.traffic = traffic.clone();
            self.effects.push(Effect::Traffic(traffic));
        }
    }

    fn start(&mut self, side: Side) {
        let name = InstanceName::from(format!("{}-{}", self.plan.service, self.next_number));
        self.next_number += 1;
        let Deploy { ready_timeout, min_healthy, .. } = &self.plan.deploy;
        let until = self.now + *ready_timeout + *min_healthy;
        self.started.insert(name.clone(), self.now);
        let fleet = match side {
            Side::Canary => &mut self.canary,
            Side::Stable => &mut self.stable,
        };
        fleet.set(&name, Phase::Starting { until });
        self.tell(News::Starting(name.clone(), side));
        self.effects.push(Effect::Start(name, side));
    }

    /// Asks those of a release to stop that nothing can reach.
    fn stop(&mut self, side: Side, is_meant: impl Fn(Phase) -> bool) {
        let fleet = match side {
            Side::Canary => &mut self.canary,
            Side::Stable => &mut self.stable,
        };
        for name in fleet.in_phase(is_meant) {
            fleet.set(&name, Phase::Stopping);
            self.effects.push(Effect::Tell(News::Stopping(name.clone())));
            self.effects.push(Effect::Stop(name));
        }
    }

    fn tell(&mut self, news: News) {
        self.effects.push(Effect::Tell(news));
    }

    fn end(&mut self, outcome: Outcome) {
        self.stage = Stage::Ended(outcome.clone());
        self.direct();
        self.effects.push(Effect::End(outcome));
    }

    fn fleet_of(&mut self, name: &InstanceName) -> Option<&mut Fleet> {
        match (self.canary.phase(name), self.stable.phase(name)) {
            (Some(_), _) => Some(&mut self.canary),
            (None, Some(_)) => Some(&mut self.stable),
            (None, None) => None,
        }
    }

    /// Whether it is certain which release stays, so that no word of a person changes it.
    pub fn is_decided(&self) -> bool {
        matches!(
            self.stage,
            Stage::Committing { .. }
                | Stage::Finishing
                | Stage::After
                | Stage::Returning(_)
                | Stage::Ended(_)
        )
    }

    fn check_invariants(&self) {
        let unreached = self.stable.iter().chain(self.canary.iter());
        let unreached = unreached.filter(|(_, phase)| *phase != Phase::Serving);
        for (name, phase) in unreached {
            debug_assert!(!self.traffic.serving.contains(name), "{name} is {phase:?} and serves");
        }
        let may_share = match self.stage {
            Stage::Step { .. } | Stage::Comparing { .. } => true,
            Stage::Starting => self.is_previewed(),
            _ => false,
        };
        debug_assert!(self.share.is_none() || may_share, "{:?} with {:?}", self.stage, self.share);
    }
}
