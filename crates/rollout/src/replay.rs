//! The record of a deploy that is over, through rules that may be others than it had.

use std::time::Duration;

use crate::block::{Block, Past};
use crate::judge::{Fault, Judge, Serving, Verdict};

/// One span of the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When it ended, in the machine's time.
    pub at: Duration,
    /// How the releases served then.
    pub serving: Serving,
    /// What became of its requests.
    pub block: Block,
}

/// What the judge would have said.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// When it would have found the new release worse, in the machine's time, and why; `None` if it would not have.
    pub worse: Option<(Duration, Fault)>,
    /// Instances of it that it would have found bad, and what else it responds with, each with when.
    pub noticed: Vec<(Duration, Fault)>,
    /// What it says at the end of the record.
    pub verdict: Verdict,
}

/// Judges `record` by `rule`. What the machine did about a verdict is not played again: an instance that is bad is forgiven
/// and a change excused, as if it had been replaced and meant.
pub fn replay<'a>(
    rule: &model::Judge,
    past: &Past,
    record: impl IntoIterator<Item = &'a Moment>,
) -> Replay {
    let mut judge = Judge::with_past(rule, past);
    let (mut worse, mut noticed) = (None, Vec::new());
    for Moment { at, serving, block } in record {
        judge.observe(*at, block, *serving);
        match judge.verdict() {
            Verdict::Worse(fault) if worse.is_none() => worse = Some((*at, fault)),
            Verdict::BadInstance(fault) if worse.is_none() => {
                noticed.push((*at, fault));
                judge.forgive();
            }
            Verdict::Changed(fault) if worse.is_none() => {
                noticed.push((*at, fault));
                judge.excuse_change();
            }
            _ => {}
        }
    }
    Replay { worse, noticed, verdict: judge.verdict() }
}
