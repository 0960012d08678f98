//! A deploy that is over, through other rules than it had.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Judge, ServiceName};
use rollout::Replay;

use super::DeployError;
use crate::chain::chain;
use crate::evidence::Evidence;
use crate::journal::Journal;

/// What the judge is asked once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejudge {
    /// Of this service.
    pub service: String,
    /// The deploy of this number.
    pub deploy: i64,
    /// Rules that it did not have: the judge's keys, with values as in the file.
    pub set: BTreeMap<String, String>,
}

/// What it says.
#[derive(Clone, Debug)]
pub struct Rejudged {
    /// The deploy, as it was.
    pub deploy: crate::journal::Deploy,
    /// When the record begins, in the time of its moments.
    pub began: Duration,
    /// When it ends.
    pub ended: Duration,
    /// By the rules that it had.
    pub had: Replay,
    /// By these.
    pub rule: Judge,
    /// The same by them.
    pub by_rule: Replay,
}

/// Judges the deploy that `question` names.
pub(crate) fn rejudge(
    journal: &Journal,
    service: &ServiceName,
    question: &Rejudge,
) -> Result<Rejudged, DeployError> {
    let Rejudge { deploy: id, set, .. } = question;
    let found = journal.deploy(service, *id)?;
    let (deploy, _) = found.ok_or(DeployError::NoSuchDeploy { deploy: *id })?;
    let document = journal.evidence(service, *id)?;
    let document = document.ok_or(DeployError::NoEvidence { deploy: *id })?;
    let evidence = Evidence::decode(&document)
        .map_err(|error| DeployError::EvidenceUnreadable { deploy: *id, why: chain(&error) })?;
    let rule = config::judge_with(&evidence.rule, set)
        .map_err(|faults| DeployError::WrongRule { faults })?;
    let by = |rule| rollout::replay(rule, &evidence.past, &evidence.moments);
    let (had, by_rule) = (by(&evidence.rule), by(&rule));
    let at = |moment: Option<&rollout::Moment>| moment.map_or(Duration::ZERO, |it| it.at);
    let (began, ended) = (at(evidence.moments.first()), at(evidence.moments.last()));
    Ok(Rejudged { deploy, began, ended, had, rule, by_rule })
}
