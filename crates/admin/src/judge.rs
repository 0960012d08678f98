//! What the judge would have said of a deploy that is over, as the API tells it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Past;

/// A deploy that is over, judged once more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The deploy, as it was.
    pub deploy: Past,
    /// What the judge says by the rules that it had.
    pub had: Judgement,
    /// The rules that were asked for, by the judge's keys.
    pub set: BTreeMap<String, String>,
    /// What the judge says by them.
    pub with_set: Judgement,
}

/// What the judge says of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// When it finds the new release worse, in seconds since the deploy began; absent if it does not.
    pub worse_after_s: Option<f64>,
    /// In which way; absent if it does not.
    pub worse: Option<String>,
    /// Instances that it finds bad, and other classes of status, each with what speaks against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noticed: Vec<String>,
    /// What it says at the end of the record.
    pub verdict: String,
    /// How long the record goes, in seconds. What a deploy that was rolled back would have met afterwards is not known.
    pub record_s: f64,
}

impl Judgement {
    /// What a replay of a record from `began` to `ended` came to.
    pub(crate) fn of(replay: &rollout::Replay, began: Duration, ended: Duration) -> Self {
        let since = |at: Duration| at.saturating_sub(began).as_secs_f64();
        let (after, worse) = replay.worse.as_ref().map(|(at, fault)| (at, fault)).unzip();
        let noticed = replay.noticed.iter().map(|(_, fault)| fault.to_string());
        Self {
            worse_after_s: after.map(|at| since(*at)),
            worse: worse.map(ToString::to_string),
            noticed: noticed.collect(),
            verdict: replay.verdict.to_string(),
            record_s: since(ended),
        }
    }
}
