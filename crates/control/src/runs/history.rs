//! How a running deploy stands, as plain data.

use std::time::{Duration, SystemTime};

use driver::Unreached;
use model::{InstanceName, RemoteHost, Work};
use rollout::{ConditionOverview, Stage};

use super::receipt::{preview_text, said, share_of};
use super::{Active, Asked, CheckingStatus, Difference, FirstStatus, Receipt, Running, ServiceRun};
use crate::journal::Deploy;

/// How what Plimsoll runs of a service stands.
#[derive(Clone, Debug)]
pub struct RunStatus {
    /// What its instances do.
    pub work: Work,
    /// The release that is meant to run.
    pub version: Option<String>,
    /// How many instances are wanted.
    pub replicas: u32,
    /// How many the file wants, where others are wanted by hand.
    pub scaled_from: Option<u32>,
    /// Each instance that is not in the snapshot.
    pub waiting: Vec<Waiting>,
    /// The deploy that is running, if one is.
    pub deploy: Option<DeployStatus>,
    /// The deploy that is being checked before it begins, if one is.
    pub checking: Option<CheckingStatus>,
    /// The number of the deploy that made the release which is meant to run.
    pub made_by: Option<i64>,
    /// The version that the file named when that was deployed.
    pub file_version: Option<String>,
    /// Where the file says otherwise, which only a deploy or a change of the file mends.
    pub difference: Option<Difference>,
    /// The command that brings its first release, where nothing runs and nothing is about to.
    pub idle: Option<String>,
    /// A first release that has failed and is tried on.
    pub first: Option<FirstStatus>,
    /// What became of the last deploy that has ended.
    pub last: Option<LastDeploy>,
    /// Hosts of it that do not answer.
    pub unreached: Vec<Unreached>,
}

/// An instance that is not in the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub name: String,
    /// Its release.
    pub release: String,
    /// How far it has come, in words.
    pub state: String,
    /// Why it has come no further, as far as its checks tell.
    pub why: Option<String>,
}

/// What became of a deploy that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDeploy {
    /// Its number, over all services.
    pub id: i64,
    /// The release that was to come.
    pub version: String,
    /// How it ended, in a word.
    pub outcome: String,
    /// Why it did not stay, if it did not and that is known.
    pub reason: Option<String>,
    /// When it ended.
    pub ended_at: SystemTime,
    /// What an earlier run kept of it, as JSON; its reason stands in that.
    pub kept: Option<String>,
}

impl LastDeploy {
    /// Of a deploy that ends now.
    pub(crate) fn of(receipt: &Receipt) -> Self {
        Self {
            id: receipt.id,
            version: receipt.release.clone(),
            outcome: receipt.word().to_owned(),
            reason: receipt.reason(),
            ended_at: SystemTime::now(),
            kept: None,
        }
    }

    /// Of one that the journal has, if it has ended.
    pub(crate) fn of_journal(deploy: Deploy) -> Option<Self> {
        let Deploy { id, release: version, receipt: kept, .. } = deploy;
        let (outcome, ended_at) = (deploy.outcome?, deploy.ended_at?);
        Some(Self { id, version, outcome, reason: None, ended_at, kept })
    }
}

/// How a running deploy stands.
#[derive(Clone, Debug)]
pub struct DeployStatus {
    /// Its number, over all services.
    pub id: i64,
    /// The release that is to come.
    pub version: String,
    /// The person or program that asked for it.
    pub who: String,
    /// For how long it has been running.
    pub took: Duration,
    /// How far it has come, in words.
    pub stage: String,
    /// How long what is watched now is watched still, at least; `None` when nothing is.
    pub left: Option<Duration>,
    /// Whether it is paused.
    pub is_paused: bool,
    /// The judge's current verdict.
    pub verdict: String,
    /// What a request carries to be answered by the new release, as curl is told; `None` where that is not possible now.
    pub preview: Option<String>,
    /// What was said last of each condition, by its name; `None` where it was not asked in this period of watching.
    pub conditions: Vec<ConditionStatus>,
}

/// How a condition of a running deploy stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionStatus {
    /// What it is called.
    pub name: String,
    /// What was said last in this step or bake; `None` before.
    pub said: Option<String>,
}

impl ServiceRun {
    /// The release that an instance is of.
    pub(crate) fn release_of(&self, instance: &InstanceName) -> Option<String> {
        Some(self.instances.get(instance)?.release.version.clone())
    }

    /// How it stands at `now`, in the edge's time, when these hosts do not answer.
    pub(crate) fn status(&self, now: Duration, unreached: &[Unreached]) -> RunStatus {
        let waiting = self.instances.iter().filter(|(name, it)| it.published(name).is_none());
        let waiting = waiting.map(|(name, running)| {
            let (name, release) = (name.to_string(), running.release.version.clone());
            Waiting { name, release, state: running.state(), why: running.why() }
        });
        RunStatus {
            work: self.run().work,
            version: self.release.as_ref().map(|release| release.version.clone()),
            replicas: self.replicas().get(),
            scaled_from: self.by_hand.map(|it| it.of_file.get()),
            waiting: waiting.collect(),
            made_by: self.release.as_ref().map(|release| release.id).filter(|id| *id > 0),
            file_version: self.release.as_ref().and_then(|release| release.file_version.clone()),
            difference: self.difference(),
            idle: self.idle(),
            first: self.first_status(now),
            last: self.last.clone(),
            unreached: unreached.iter().filter(|it| self.is_on(&it.host)).cloned().collect(),
            checking: self.asked.as_ref().map(Asked::status),
            deploy: self.active.as_ref().map(|active| {
                let overview = active.rollout.overview();
                DeployStatus {
                    id: active.id,
                    version: active.canary.version.clone(),
                    who: active.who.clone(),
                    took: active.took(),
                    stage: active.stage(),
                    left: overview.watched_until.map(|until| until.saturating_sub(now)),
                    is_paused: overview.paused.is_some(),
                    verdict: overview.judge.verdict().to_string(),
                    preview: active.open_preview(),
                    conditions: overview.conditions.iter().map(ConditionStatus::of).collect(),
                }
            }),
        }
    }

    /// Whether `host` is one of those that the file names, or one of its instances is on it.
    fn is_on(&self, host: &RemoteHost) -> bool {
        let processes = self.instances.values().filter_map(Running::process);
        let mut used = processes.filter_map(|process| process.record().identity.host());
        self.run().hosts.contains(host) || used.any(|used| used == host)
    }
}

impl ConditionStatus {
    fn of(overview: &ConditionOverview<'_>) -> Self {
        Self { name: overview.name.to_owned(), said: overview.last.map(said) }
    }
}

impl Active {
    /// How far it has come, in words.
    pub(crate) fn stage(&self) -> String {
        let overview = self.rollout.overview();
        stage(overview.stage, overview.share)
    }

    /// What a request carries to be answered by the new release, where it may ask for it and two releases serve.
    fn open_preview(&self) -> Option<String> {
        let rule = self.split.as_ref()?.preview.as_ref()?;
        Some(preview_text(&rule.by, &rule.version))
    }
}

fn stage(stage: &Stage, share: Option<f64>) -> String {
    match stage {
        Stage::Before => "running `before`".into(),
        Stage::Clearing => "stopping the old release".into(),
        Stage::Starting => "starting".into(),
        Stage::Step { .. } => format!("at {}", share_of(share.unwrap_or_default())),
        Stage::Baking { .. } => "baking".into(),
        Stage::Comparing { .. } => "comparing".into(),
        Stage::Committing { .. } => "writing down".into(),
        Stage::Finishing => "stopping the old release".into(),
        Stage::After => "running `after`".into(),
        Stage::Returning(_) => "rolling back".into(),
        Stage::Ended(_) => "over".into(),
    }
}
