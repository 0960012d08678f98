//! How a running deploy stands, as plain data.

use std::time::Duration;

use model::InstanceName;
use rollout::Stage;

use super::{Active, ServiceRun};

/// How what Plimsoll runs of a service stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The release that is meant to run.
    pub version: Option<String>,
    /// Each instance that is not in the snapshot: its name, its release, how far it has come.
    pub waiting: Vec<(String, String, String)>,
    /// The deploy that is running, if one is.
    pub deploy: Option<DeployStanding>,
}

/// How a running deploy stands.
#[derive(Clone, Debug)]
pub struct DeployStanding {
    /// Its number, over all services.
    pub id: i64,
    /// The release that is to come.
    pub version: String,
    /// Who wanted it.
    pub who: String,
    /// For how long it has been running.
    pub took: Duration,
    /// How far it has come, in words.
    pub stage: String,
    /// How long what is watched now is watched still, at least; `None` when nothing is.
    pub left: Option<Duration>,
    /// Whether it is paused.
    pub is_paused: bool,
    /// What the judge says now.
    pub verdict: String,
}

impl ServiceRun {
    /// The release that an instance is of.
    pub(crate) fn release_of(&self, instance: &InstanceName) -> Option<String> {
        Some(self.instances.get(instance)?.release.version.clone())
    }

    /// How it stands at `now`, in the edge's time.
    pub(crate) fn standing(&self, now: Duration) -> Standing {
        let waiting = self.instances.iter().filter(|(name, it)| it.published(name).is_none());
        let waiting = waiting.map(|(name, running)| {
            (name.to_string(), running.release.version.clone(), running.state.words())
        });
        Standing {
            version: self.release.as_ref().map(|release| release.version.clone()),
            waiting: waiting.collect(),
            deploy: self.active.as_ref().map(|active| {
                let standing = active.rollout.standing();
                DeployStanding {
                    id: active.id,
                    version: active.fresh.version.clone(),
                    who: active.who.clone(),
                    took: active.took(),
                    stage: active.stage(),
                    left: standing.watched_until.map(|until| until.saturating_sub(now)),
                    is_paused: standing.paused.is_some(),
                    verdict: standing.judge.verdict().to_string(),
                }
            }),
        }
    }
}

impl Active {
    /// How far it has come, in words.
    pub(crate) fn stage(&self) -> String {
        let standing = self.rollout.standing();
        stage(standing.stage, standing.share)
    }
}

fn stage(stage: &Stage, share: Option<f64>) -> String {
    match stage {
        Stage::Clearing => "stopping the old release".into(),
        Stage::Starting => "starting".into(),
        Stage::Step { .. } => format!("at {} %", share.unwrap_or_default() * 100.0),
        Stage::Baking { .. } => "baking".into(),
        Stage::Committing { .. } => "writing down".into(),
        Stage::Finishing => "stopping the old release".into(),
        Stage::Returning(_) => "rolling back".into(),
        Stage::Ended(_) => "over".into(),
    }
}
