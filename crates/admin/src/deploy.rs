//! What is asked of deploys, and said of them.

use std::time::Duration;

use control::{Progress, Receipt as Control};
use model::Strategy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::write_finding;
use crate::handle::rfc3339;
use crate::{Finding, Judged};

/// A deploy to begin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The release; absent for the one that the file names, unless another was deployed while it named that already;
    /// with `as_before` for the one that ran before the one that runs.
    #[serde(default)]
    pub version: Option<String>,
    /// A rollback: by the command and environment that the release had when it was last promoted, not as
    /// the file has them now.
    #[serde(default)]
    pub as_before: bool,
    /// A rollback to the release of the deploy of this number, instead of `version`.
    #[serde(default)]
    pub deploy: Option<i64>,
    /// Starts the instances of the release that runs anew, one after the other; nothing else says which release is meant then.
    #[serde(default)]
    pub restart: bool,
    /// The strategy, if not the one that the file names: `rolling`, `blue-green`, `canary` or `replace`.
    #[serde(default)]
    pub strategy: Option<Way>,
    /// A canary's steps, if not as the file says.
    #[serde(default)]
    pub steps: Option<Vec<Step>>,
    /// How long the old release stays warm, in seconds, if not as the file says.
    #[serde(default)]
    pub bake_s: Option<f64>,
    /// Names that the running release was given in its environment, and without which the new one is
    /// meant to run.
    #[serde(default)]
    pub without: Vec<String>,
    /// The person or program that asked for it.
    #[serde(default)]
    pub who: String,
}

/// In which way a release is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Instance by instance.
    Rolling,
    /// All new ones beside all old ones, switched at once.
    BlueGreen,
    /// The traffic is shifted in steps.
    Canary,
    /// The old ones stop first.
    Replace,
}

/// A step of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Step {
    /// The new release gets a share of the traffic.
    Shift(Shift),
    /// The share stays as it is until the deploy is resumed, promoted or aborted.
    Hold(Hold),
}

/// A share of the traffic, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// The share of the traffic, from 0, below 1.
    pub share: f64,
    /// How long it is watched, in seconds.
    pub watch_s: f64,
}

/// The text for a step that a person ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Hold {
    /// The only one.
    #[serde(rename = "hold")]
    Hold,
}

impl From<model::Step> for Step {
    fn from(step: model::Step) -> Self {
        match step {
            model::Step::Shift { share, watch } => {
                Self::Shift(Shift { share, watch_s: watch.as_secs_f64() })
            }
            model::Step::Hold => Self::Hold(Hold::Hold),
        }
    }
}

/// What a person does to a running deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeployAction {
    /// Shift everything and stay.
    Promote,
    /// Back to the old release.
    Abort,
    /// Take no further step.
    Pause,
    /// Go on.
    Resume,
}

/// A deploy that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deploying {
    /// Its number, over all services.
    pub id: i64,
}

/// Which deploy an action has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acted {
    /// The deploy's number, over all services; absent where it was still being checked, and now does not begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
}

/// What happened in a deploy since the last request for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeployEvents {
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// What came of it; absent while it runs.
    pub receipt: Option<Receipt>,
}

/// One thing that happened in a deploy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Since the deploy began, in seconds.
    pub at_s: f64,
    /// Its kind, in a word.
    pub event: String,
    /// The instance that it is about; absent if it is about none.
    pub instance: Option<String>,
    /// What happened, in words.
    pub text: String,
    /// What the judge found, where that is what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Box<Finding>>,
}

/// What came of a deploy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Its number, over all services.
    pub id: i64,
    /// Of this service.
    pub service: String,
    /// The release that ran before; absent for a first one.
    #[serde(alias = "former")]
    pub previous: Option<String>,
    /// The release that was to come.
    #[serde(alias = "fresh")]
    pub release: String,
    /// The person or program that asked for it.
    pub who: String,
    /// In which way.
    pub strategy: String,
    /// The deploy whose release it brought back; absent if it was no rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<i64>,
    /// When it began, as RFC 3339 has it.
    pub began_at: String,
    /// How long it took, in seconds.
    pub took_s: f64,
    /// `promoted`, `rolled-back`, `broken`, or `interrupted` where Plimsoll ended in the middle of it.
    pub outcome: String,
    /// Why it was not promoted; absent if it was.
    pub reason: Option<String>,
    /// Requests that clients made of the service meanwhile.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// What each release did meanwhile, the old one first: attempts, whether or not a client saw
    /// them.
    pub releases: Vec<Release>,
    /// What happened, in order.
    pub lines: Vec<Line>,
}

/// What a release did while a deploy ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// The release.
    pub version: String,
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those that were answered with 3xx.
    #[serde(default)]
    pub redirects: u64,
    /// Those that were answered with 4xx, or with a gRPC status that is the client's doing.
    #[serde(default)]
    pub client_errors: u64,
    /// How many of the requests asked for it by its version (`deploy.preview`); the judge compares none of them.
    #[serde(default)]
    pub previewed: u64,
    /// Half of the responses began within this time, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 95 % of them.
    pub p95_ms: Option<f64>,
    /// 99 % of them.
    pub p99_ms: Option<f64>,
}

/// A deploy as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Past {
    /// Its number, over all services.
    pub id: i64,
    /// The release that ran before; absent for a first one.
    pub previous: Option<String>,
    /// The release that was to come.
    pub release: String,
    /// The person or program that asked for it.
    pub who: String,
    /// The deploy whose release it was to bring back; absent if it was no rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<i64>,
    /// When it began, as RFC 3339 has it.
    pub began_at: String,
    /// When it ended; absent while it runs.
    pub ended_at: Option<String>,
    /// `promoted`, `rolled-back`, `broken` or `interrupted`; absent while it runs.
    pub outcome: Option<String>,
    /// Its receipt; absent while it runs. Where Plimsoll ended in the middle of it, it has what happened
    /// until then, and no counts.
    pub receipt: Option<Receipt>,
}

/// The deploys of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The latest first.
    pub deploys: Vec<Past>,
}

/// What the kind of a line is called that an instance wrote.
const OUTPUT: &str = "output";
/// What stands in its place.
const LEFT_OUT: &str = "(instances' output is shown on the socket, or with the token that may act)";
/// The longest name of who wants a deploy, in bytes.
pub const WHO_BYTES_MAX: usize = 128;

impl Past {
    /// The same, without what instances wrote.
    pub(crate) fn without_output(mut self) -> Self {
        if let Some(receipt) = &mut self.receipt {
            leave_output_out(&mut receipt.lines);
        }
        self
    }
}

impl History {
    /// The same, without what instances wrote.
    pub(crate) fn without_output(mut self) -> Self {
        self.deploys = self.deploys.into_iter().map(Past::without_output).collect();
        self
    }
}

impl Judged {
    /// The same, without what instances wrote.
    pub(crate) fn without_output(mut self) -> Self {
        self.deploy = self.deploy.without_output();
        self
    }
}

impl DeployEvents {
    /// The same, without what instances wrote. The lines are as many as they were: they are counted.
    pub(crate) fn without_output(mut self) -> Self {
        let of_receipt = self.receipt.as_mut().map(|receipt| &mut receipt.lines);
        let all = [Some(&mut self.lines), of_receipt];
        all.into_iter().flatten().for_each(|lines| leave_output_out(lines));
        self
    }
}

fn leave_output_out(lines: &mut [Line]) {
    for line in lines {
        if line.event == OUTPUT {
            line.text = LEFT_OUT.to_owned();
        }
        if let Some(finding) = &mut line.finding {
            finding.leave_output_out(LEFT_OUT);
        }
    }
}

/// Deploys as the journal keeps them.
pub const FORMS: control::Forms = control::Forms { receipt: write_receipt, finding: write_finding };

fn write_receipt(receipt: &Control) -> String {
    serde_json::to_string(&Receipt::from(receipt)).expect("our documents have text for keys")
}

impl Deploy {
    /// What is said for this deploy alone. A duration that is none says nothing.
    pub(crate) fn overrides(&self) -> control::Overrides {
        let seconds = |seconds: f64| std::time::Duration::try_from_secs_f64(seconds).ok();
        let step = |step: &Step| match step {
            Step::Shift(Shift { share, watch_s }) => {
                Some(model::Step::Shift { share: *share, watch: seconds(*watch_s)? })
            }
            Step::Hold(Hold::Hold) => Some(model::Step::Hold),
        };
        let steps = |steps: &Vec<Step>| steps.iter().filter_map(step).collect();
        control::Overrides {
            strategy: self.strategy.map(Strategy::from),
            steps: self.steps.as_ref().map(steps),
            bake: self.bake_s.and_then(seconds),
        }
    }

    /// The release that is wanted.
    pub(crate) fn wanted(&self) -> control::Wanted {
        match (&self.version, self.as_before, self.deploy) {
            _ if self.restart => control::Wanted::Running,
            (_, _, Some(deploy)) => control::Wanted::Deploy(deploy),
            (Some(version), true, None) => control::Wanted::Again(version.clone()),
            (Some(version), false, None) => control::Wanted::Version(version.clone()),
            (None, true, None) => control::Wanted::Before,
            (None, false, None) => control::Wanted::OfFile,
        }
    }

    /// Why it makes no sense, if it does not.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.deploy.is_some() && self.version.is_some() {
            return Some("`deploy` and `version` both say which release is meant".to_owned());
        }
        if self.restart && (self.version.is_some() || self.deploy.is_some() || self.as_before) {
            return Some("a restart is of the release that runs".to_owned());
        }
        // It is shown in lines of text, and kept for good.
        if self.who.len() > WHO_BYTES_MAX || self.who.chars().any(is_unprintable) {
            return Some(format!("`who` is one printable line of at most {WHO_BYTES_MAX} bytes"));
        }
        let steps = self.steps.iter().flatten();
        let shifts = steps.filter_map(|step| match step {
            Step::Shift(shift) => Some(*shift),
            Step::Hold(_) => None,
        });
        let shifts: Vec<Shift> = shifts.collect();
        let is_share = |step: &Shift| step.share >= 0.0 && step.share < 1.0 && step.watch_s >= 0.0;
        let rises = shifts.windows(2).all(|pair| pair[0].share < pair[1].share);
        if !shifts.iter().all(is_share) || !rises {
            return Some("a canary's steps have rising shares from 0 and below 1".to_owned());
        }
        if self.steps.as_ref().is_some_and(Vec::is_empty) {
            return Some("a canary has at least one step".to_owned());
        }
        if self.steps.is_some() && self.strategy.is_some_and(|way| way != Way::Canary) {
            return Some("only a canary has steps".to_owned());
        }
        let is_none = |seconds: f64| std::time::Duration::try_from_secs_f64(seconds).is_err();
        self.bake_s.is_some_and(is_none).then(|| "`bake_s` is no duration".to_owned())
    }
}

/// Whether `c` ends a line, moves the cursor, or turns the direction of writing.
fn is_unprintable(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

impl From<Way> for Strategy {
    fn from(way: Way) -> Self {
        match way {
            Way::Rolling => Self::Rolling,
            Way::BlueGreen => Self::BlueGreen,
            Way::Canary => Self::Canary,
            Way::Replace => Self::Replace,
        }
    }
}

impl From<DeployAction> for rollout::DeployAction {
    fn from(action: DeployAction) -> Self {
        match action {
            DeployAction::Promote => Self::Promote,
            DeployAction::Abort => Self::Abort,
            DeployAction::Pause => Self::Pause,
            DeployAction::Resume => Self::Resume,
        }
    }
}

/// What `progress` says from the line `from` on.
pub fn deploy_events(progress: &Progress, from: usize) -> DeployEvents {
    DeployEvents {
        lines: progress.lines.iter().skip(from).map(Line::from).collect(),
        receipt: progress.receipt.as_ref().map(Receipt::from),
    }
}

impl From<&control::Line> for Line {
    fn from(line: &control::Line) -> Self {
        Self {
            at_s: seconds(line.at),
            event: line.event.to_string(),
            instance: line.instance.as_ref().map(ToString::to_string),
            text: line.text.clone(),
            finding: line.finding.as_ref().and_then(Finding::of).map(Box::new),
        }
    }
}

impl From<&Control> for Receipt {
    fn from(receipt: &Control) -> Self {
        Self {
            id: receipt.id,
            service: receipt.service.to_string(),
            previous: receipt.previous.clone(),
            release: receipt.release.clone(),
            who: receipt.who.clone(),
            strategy: receipt.strategy.to_string(),
            restores: receipt.restores,
            began_at: rfc3339(receipt.began_at),
            took_s: seconds(receipt.took),
            outcome: receipt.word().to_owned(),
            reason: receipt.reason(),
            requests: receipt.requests,
            failed: receipt.failed,
            releases: receipt.releases.iter().map(Release::from).collect(),
            lines: receipt.lines.iter().map(Line::from).collect(),
        }
    }
}

/// In seconds, to the millisecond.
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

/// In milliseconds, to the microsecond.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

impl From<&control::ReleaseTally> for Release {
    fn from(of: &control::ReleaseTally) -> Self {
        let control::ReleaseTally { version, tally, fates, asked } = of;
        let within = |quantile| tally.latencies.quantile(quantile).map(milliseconds);
        Self {
            version: version.clone(),
            requests: tally.requests,
            failed: tally.errors,
            redirects: fates.redirects,
            client_errors: fates.client_errors,
            previewed: *asked,
            p50_ms: within(0.5),
            p95_ms: within(0.95),
            p99_ms: within(0.99),
        }
    }
}

impl From<control::Deploy> for Past {
    fn from(deploy: control::Deploy) -> Self {
        let receipt = deploy.receipt.as_deref();
        Self {
            id: deploy.id,
            previous: deploy.previous,
            release: deploy.release,
            who: deploy.who,
            restores: deploy.restores,
            began_at: rfc3339(deploy.began_at),
            ended_at: deploy.ended_at.map(rfc3339),
            outcome: deploy.outcome,
            // One of an earlier version that cannot be read any more is as good as none.
            receipt: receipt.and_then(|text| serde_json::from_str(text).ok()),
        }
    }
}
