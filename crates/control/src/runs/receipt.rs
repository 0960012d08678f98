//! What is told of a deploy while it runs, and kept of it when it is over.

use std::time::{Duration, SystemTime};

use model::{InstanceName, ServiceName};
use rollout::{News, Outcome, Pause, Side, Tally};

/// One thing that happened in a deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Since the deploy began.
    pub at: Duration,
    /// One word for its kind.
    pub event: &'static str,
    /// The instance that it is about, if it is about one.
    pub instance: Option<InstanceName>,
    /// What happened, in words.
    pub text: String,
}

/// What came of a deploy.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// Its number, over all services.
    pub id: i64,
    /// Of this service.
    pub service: ServiceName,
    /// The release that ran before.
    pub former: Option<String>,
    /// The release that was to come.
    pub fresh: String,
    /// Who wanted it.
    pub who: String,
    /// In which way.
    pub strategy: &'static str,
    /// When it began.
    pub began_at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// What each release did meanwhile, the old one first: attempts, whether or not a client saw
    /// them.
    pub releases: Vec<ReleaseTally>,
    /// Requests that clients made of the service meanwhile.
    pub requests: u64,
    /// Those of them that failed: with 5xx, or without a whole answer.
    pub failed: u64,
}

/// What a release did while it was being replaced, or came.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseTally {
    /// The release.
    pub version: String,
    /// What became of its requests.
    pub tally: Tally,
}

impl Receipt {
    /// How it ended, in a word.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Promoted => "promoted",
            Outcome::RolledBack(_) => "rolled-back",
            Outcome::Broken(_) => "broken",
        }
    }

    /// Why it did not stay, in words.
    pub fn reason(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Promoted => None,
            Outcome::RolledBack(reason) | Outcome::Broken(reason) => Some(reason.to_string()),
        }
    }
}

impl Line {
    /// What `news` says, `at` this time of a deploy from `former` to `fresh`.
    pub(crate) fn of(news: &News, at: Duration, former: Option<&str>, fresh: &str) -> Self {
        let of = |side: &Side| match side {
            Side::Fresh => fresh,
            Side::Former => former.unwrap_or("the old release"),
        };
        let (event, instance, text) = match news {
            News::Starting(name, side) => {
                ("starting", Some(name), format!("{name} of {} is starting", of(side)))
            }
            News::Ready(name, took) => {
                ("ready", Some(name), format!("{name} is ready after {:.1} s", took.as_secs_f64()))
            }
            News::Step { share, watch } => (
                "step",
                None,
                format!("{fresh} gets {} % of the requests for {watch:?}", share * 100.0),
            ),
            News::Bake(watch) => {
                ("bake", None, format!("{fresh} gets all requests and is watched for {watch:?}"))
            }
            News::Judged(verdict) => ("judged", None, format!("the judge says: {verdict}")),
            News::WaitsForData => ("waiting", None, "waits until there are enough requests".into()),
            News::Paused(Pause::ByHand) => ("paused", None, "paused by hand".into()),
            News::Paused(Pause::LittleData) => (
                "paused",
                None,
                "paused, for there are too few requests to judge by: resume, promote or abort"
                    .into(),
            ),
            News::Resumed => ("resumed", None, "goes on".into()),
            News::Hurried => {
                ("hurried", None, "promoted by hand: it is not watched any longer".into())
            }
            News::NotRecorded(why) => (
                "not-recorded",
                None,
                format!(
                    "it cannot be written down that {fresh} stays, which is tried again: {why}"
                ),
            ),
            News::Promoted => ("promoted", None, format!("{fresh} stays")),
            News::Returning(reason) => {
                ("returning", None, format!("{fresh} is taken back: {reason}"))
            }
            News::Stopping(name) => ("stopping", Some(name), format!("{name} is asked to stop")),
            News::TriedAgain(name, why) => {
                ("lost", Some(name), format!("{name} did not come back ({why}), trying again"))
            }
        };
        Self { at, event, instance: instance.cloned(), text }
    }

    /// A line of an instance's own output.
    pub(crate) fn output(at: Duration, instance: &InstanceName, text: String) -> Self {
        Self { at, event: "output", instance: Some(instance.clone()), text }
    }
}
