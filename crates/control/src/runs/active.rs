//! A rollout on its way: the machine, and what is kept beside it. What is told of it and what becomes of requests
//! meanwhile have files of their own.

mod sampling;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use edge::live::ServiceShard;
use edge::live::judged::Hearing;
use edge::{PreviewRule, ServiceLive, Split};
use model::{Condition, Drain, InstanceName, Preview, RouteId, ServiceName, Strategy};
use rollout::{Block, Outcome, Past, Rollout, Side};
use telemetry::{Counter, Events};
use tokio::sync::{oneshot, watch};

use super::Line;
use super::bars::Bars;
use super::past::Recollection;
use super::receipt::{DeployEnding, Receipt};
use crate::evidence::Evidence;
use crate::release::Release;
use crate::runs::{Purpose, ServiceRun};
use sampling::Did;

pub(crate) use telling::OutputTeller;

/// What was told of a deploy so far, and its receipt once it is over.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// What came of it.
    pub receipt: Option<Receipt>,
}

/// Follows a deploy.
#[derive(Clone, Debug)]
pub struct Progressing {
    /// Its number, over all services.
    pub id: i64,
    /// All that was told so far, and each time that there is more.
    pub progress: watch::Receiver<Progress>,
}

/// A rollout on its way.
pub(crate) struct Active {
    pub(crate) id: i64,
    service: ServiceName,
    events: Events,
    pub(crate) rollout: Rollout,
    pub(crate) stable: Option<Arc<Release>>,
    pub(crate) canary: Arc<Release>,
    pub(crate) who: String,
    pub(crate) purpose: Purpose,
    attempt: Attempt,
    /// The deploy whose release is brought back, if one is.
    pub(crate) restores: Option<i64>,
    pub(crate) strategy: &'static str,
    pub(crate) drain: Drain,
    pub(crate) began_at: SystemTime,
    began: Instant,
    /// Which release each of its instances is of.
    pub(crate) sides: BTreeMap<InstanceName, Side>,
    /// Who gets the share of the requests that is set, if one is.
    pub(crate) split: Option<Split>,
    /// How a request asks for the new release, if it may.
    pub(crate) preview: Option<PreviewRule>,
    /// Whether it has a step or a bake.
    is_watched: bool,
    /// What has to hold outside, as the rollout knows them by their places.
    pub(crate) conditions: Vec<Condition>,
    progress: watch::Sender<Progress>,
    /// What became of the requests of instances that are gone since the last sample.
    owed: Block,
    /// What entitles it to the attempts that workers hand over.
    hearing: Option<Hearing>,
    /// Which instances something kept from requests the last time.
    bars: Bars,
    canary_did: Did,
    stable_did: Did,
    /// What the new release has done so far, which is its past once it stays.
    pub(crate) past: Recollection,
    /// Routes that the judge knows by name.
    named: BTreeSet<RouteId>,
    /// Within this much of its usual time no release is slow.
    slowdown_floor: Duration,
    /// What it is judged by.
    evidence: Evidence,
    /// Held as long as the hook that runs is wanted.
    pub(crate) hook: Option<oneshot::Sender<Infallible>>,
    /// How it ends, once it is over.
    pub(crate) ending: Option<Ending>,
    /// What is being read for it, which it does not end without.
    pub(crate) readings: u32,
    /// What clients had asked before it began.
    before: Seen,
}

/// How a deploy ends that waits for what is read.
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) evidence: Arc<Evidence>,
}

/// Which attempt at its release a deploy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The first, and mostly the only one.
    First,
    /// One of a first release that has failed before. In the log it would be a flood.
    Further,
}

/// What a deploy is begun with.
pub(crate) struct Beginning<'a> {
    pub(crate) id: i64,
    pub(crate) service: ServiceName,
    pub(crate) events: Events,
    pub(crate) rollout: Rollout,
    pub(crate) stable: Option<Arc<Release>>,
    pub(crate) canary: Arc<Release>,
    pub(crate) who: String,
    pub(crate) purpose: Purpose,
    pub(crate) attempt: Attempt,
    pub(crate) restores: Option<i64>,
    pub(crate) deploy: &'a model::Deploy,
    /// What the old release did before.
    pub(crate) past: Past,
    /// Instances of the old release.
    pub(crate) instances: Vec<InstanceName>,
    pub(crate) seen: Seen,
}

impl Active {
    pub(crate) fn new(beginning: Beginning<'_>) -> Self {
        let Beginning { deploy, instances, seen, .. } = beginning;
        let version = &beginning.canary.version;
        let rule = |by: &Preview| PreviewRule { by: by.clone(), version: version.clone() };
        let preview = deploy.preview.as_ref().map(rule);
        Self {
            id: beginning.id,
            service: beginning.service,
            events: beginning.events,
            rollout: beginning.rollout,
            stable: beginning.stable,
            canary: beginning.canary,
            who: beginning.who,
            purpose: beginning.purpose,
            attempt: beginning.attempt,
            restores: beginning.restores,
            strategy: strategy_word(deploy.strategy),
            drain: deploy.drain,
            began_at: SystemTime::now(),
            began: Instant::now(),
            sides: instances.into_iter().map(|name| (name, Side::Stable)).collect(),
            split: None,
            preview,
            is_watched: deploy.strategy == Strategy::Canary || !deploy.bake.is_zero(),
            conditions: deploy.conditions.clone(),
            progress: watch::Sender::default(),
            owed: Block::default(),
            hearing: None,
            bars: Bars::default(),
            canary_did: Did::default(),
            stable_did: Did::default(),
            past: Recollection::default(),
            named: BTreeSet::new(),
            slowdown_floor: deploy.judge.slowdown_floor,
            evidence: Evidence::new(deploy.judge.clone(), beginning.past),
            before: seen,
            hook: None,
            ending: None,
            readings: 0,
        }
    }

    /// For how long it has been running.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// The release of a side.
    pub(crate) fn release(&self, side: Side) -> Arc<Release> {
        match (side, &self.stable) {
            (Side::Stable, Some(stable)) => stable.clone(),
            _ => self.canary.clone(),
        }
    }

    /// Which attempt at its release it is.
    pub(crate) fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// Whether it gives way to another deploy: a first release that has not come to stay.
    pub(crate) fn gives_way(&self) -> bool {
        self.purpose == Purpose::First && !self.rollout.is_decided()
    }

    /// Whether the new release is what runs already, so that what runs is started anew.
    pub(crate) fn is_again(&self) -> bool {
        let is_same = |it: &Arc<Release>| {
            it.version == self.canary.version && it.recipe == self.canary.recipe
        };
        self.stable.as_ref().is_some_and(is_same)
    }

    /// The version of the old release, if there is one.
    fn stable_version(&self) -> Option<&str> {
        self.stable.as_ref().map(|stable| stable.version.as_str())
    }

    /// Lets somebody follow it.
    pub(crate) fn follow(&self) -> Progressing {
        Progressing { id: self.id, progress: self.progress.subscribe() }
    }

    /// It is over: what it was judged by is whole.
    pub(crate) fn close(&mut self, outcome: Outcome) {
        let nothing = Evidence::new(self.evidence.rule.clone(), Past::default());
        let evidence = Arc::new(std::mem::replace(&mut self.evidence, nothing));
        self.ending = Some(Ending { outcome, evidence });
    }

    /// Its receipt, now that it ends.
    pub(crate) fn receipt(&self, service: &ServiceRun, outcome: Outcome, seen: Seen) -> Receipt {
        let stable = self.stable_version().map(|version| (version, &self.stable_did));
        let canary = (self.canary.version.as_str(), &self.canary_did);
        let releases = stable.into_iter().chain([canary]);
        let tally = |(version, did): (&str, &Did)| did.of_release(version);
        Receipt {
            id: self.id,
            service: service.service.name.clone(),
            previous: self.stable_version().map(str::to_owned),
            release: self.canary.version.clone(),
            who: self.who.clone(),
            strategy: self.strategy.into(),
            restores: self.restores,
            began_at: self.began_at,
            took: self.took(),
            ending: DeployEnding::Over(outcome),
            lines: self.progress.borrow().lines.clone(),
            releases: releases.map(tally).collect(),
            requests: seen.requests.saturating_sub(self.before.requests),
            failed: seen.failed.saturating_sub(self.before.failed),
        }
    }

    /// Ends it: those that follow it see the receipt, which is the last that is told.
    pub(crate) fn end(self, receipt: Receipt) {
        self.progress.send_modify(|progress| progress.receipt = Some(receipt));
    }
}

/// What clients asked of a service so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    requests: u64,
    /// Those of them that failed.
    failed: u64,
}

impl Seen {
    /// By what is observed of the service.
    pub(crate) fn of(live: &ServiceLive) -> Self {
        let requests = |shard: &ServiceShard| shard.by_class.iter().map(Counter::get).sum::<u64>();
        Self {
            requests: live.shards().map(requests).sum(),
            failed: live.shards().map(|shard| shard.failed.get()).sum(),
        }
    }
}

/// The strategy's name, as the file has it.
pub(crate) fn strategy_word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Rolling => "rolling",
        Strategy::BlueGreen => "blue-green",
        Strategy::Canary => "canary",
        Strategy::Replace => "replace",
    }
}
