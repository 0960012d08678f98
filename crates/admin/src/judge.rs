//! What the judge would have said of a deploy that is over, as the API tells it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Finding, Past};

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
    /// The same, with its evidence but for what instances wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Box<Finding>>,
    /// Instances that it finds bad, and other classes of status, each with what speaks against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noticed: Vec<String>,
    /// What it says at the end of the record.
    pub verdict: String,
    /// How long the record goes, in seconds. What a deploy that was rolled back would have met afterwards is not known.
    pub record_s: f64,
}

impl Judgement {
    /// What it says by these rules.
    pub(crate) fn of(judged: &control::Rejudged, by: control::Rules) -> Self {
        let control::Rejudged { began, ended, .. } = *judged;
        let replay = judged.replay(by);
        let since = |at: Duration| at.saturating_sub(began).as_secs_f64();
        let (after, worse) = replay.worse.as_ref().map(|(at, fault)| (at, fault)).unzip();
        let noticed = replay.noticed.iter().map(|(_, fault)| fault.to_string());
        Self {
            worse_after_s: after.map(|at| since(*at)),
            worse: worse.map(ToString::to_string),
            finding: judged.finding(by).as_ref().map(|it| Box::new(Finding::from(it))),
            noticed: noticed.collect(),
            verdict: replay.verdict.to_string(),
            record_s: since(ended),
        }
    }
}
