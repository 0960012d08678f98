//! A deploy that is over, through other rules than it had.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Judge, ServiceName};
use rollout::Replay;

use super::DeployError;
use crate::chain::chain;
use crate::evidence::Evidence;
use crate::finding::{Finding, Moment};
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
    /// The rules that it had.
    pub rule_had: Judge,
    /// What the judge says by them.
    pub had: Replay,
    /// The rules that were asked for.
    pub rule: Judge,
    /// The same by them.
    pub by_rule: Replay,
}

/// By which rules a deploy is judged once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// By those that it had.
    Had,
    /// By those that were asked for.
    Set,
}

impl Rejudged {
    /// What the judge says by these rules.
    pub fn replay(&self, rules: Rules) -> &Replay {
        match rules {
            Rules::Had => &self.had,
            Rules::Set => &self.by_rule,
        }
    }

    /// What the judge finds by these rules, if it finds the new release worse. What instances wrote is not known any more.
    pub fn finding(&self, rules: Rules) -> Option<Finding> {
        let (at, fault) = self.replay(rules).worse.as_ref()?;
        let rule = match rules {
            Rules::Had => &self.rule_had,
            Rules::Set => &self.rule,
        };
        let deploy = at.saturating_sub(self.began);
        let now = Moment { machine: *at, world: self.deploy.began_at + deploy, deploy };
        Some(Finding::of(fault, rule.confidence, now))
    }
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
    Ok(Rejudged { deploy, began, ended, rule_had: evidence.rule, had, rule, by_rule })
}

#[cfg(test)]
mod tests {
    use model::ClientErrors;
    use rollout::Change;

    use super::*;

    #[test]
    fn what_is_said_of_a_rule_nearby_is_read_as_that_rule() {
        let rule = Judge::default();
        for change in [
            Change::Confidence(0.9999),
            Change::MaxErrorRate(0.025),
            Change::MaxSlowdown(2.000001),
            Change::SlowdownFloor(Duration::from_millis(15)),
            Change::WarmUp(Duration::from_secs(40)),
            Change::ClientErrors(ClientErrors::Tell),
        ] {
            let text = change.to_string();
            let (key, value) = text.split_once('=').unwrap();
            let set = [(key.to_owned(), value.to_owned())].into();
            let read = config::judge_with(&rule, &set);
            assert_eq!(read.unwrap(), change.applied(&rule), "{text}");
        }
    }
}
