//! What is told of a deploy while it runs, and kept of it when it is over.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::{Condition, InstanceName, Pin, Preview, ServiceName, Workload};
use rollout::{Basis, Fates, Measurement, News, Outcome, Pause, Reason, Side, Tally};

use super::{SmokePassed, WarmedUp};
use crate::finding::{Finding, Found, shortened};
use crate::journal::Deploy;
use crate::line::Line;
use crate::release::Release;

/// How what is kept of deploys is written down. The forms belong to the API that reads them, not to this crate.
#[derive(Clone, Copy, Debug)]
pub struct Forms {
    /// A receipt's.
    pub receipt: fn(&Receipt) -> String,
    /// A finding's, in a line of a deploy that has no receipt yet.
    pub finding: fn(&Finding) -> String,
}

/// What came of a deploy.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// Its number, over all services.
    pub id: i64,
    /// Of this service.
    pub service: ServiceName,
    /// The release that ran before.
    pub previous: Option<String>,
    /// The release that was to come.
    pub release: String,
    /// The person or program that asked for it.
    pub who: String,
    /// In which way.
    pub strategy: Cow<'static, str>,
    /// The deploy whose release it brought back, if it was a rollback.
    pub restores: Option<i64>,
    /// When it began.
    pub began_at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub ending: DeployEnding,
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

/// How a deploy ended.
#[derive(Clone, Debug, PartialEq)]
pub enum DeployEnding {
    /// By itself, in one way or another.
    Over(Outcome),
    /// Plimsoll ended in the middle of it; what it had counted until then is lost.
    CutShort {
        /// The new release had come to stay already.
        has_stayed: bool,
    },
}

/// What a release did while it was being replaced, or came.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseTally {
    /// The release.
    pub version: String,
    /// What became of its requests.
    pub tally: Tally,
    /// The same by class.
    pub fates: Fates,
    /// How many of them asked for it by its version.
    pub asked: u64,
}

impl Receipt {
    /// How it ended, in a word.
    pub fn word(&self) -> &'static str {
        match self.ending {
            DeployEnding::Over(Outcome::Promoted) | DeployEnding::CutShort { has_stayed: true } => {
                "promoted"
            }
            DeployEnding::Over(Outcome::RolledBack(_)) => "rolled-back",
            DeployEnding::Over(Outcome::Broken(_)) => "broken",
            DeployEnding::CutShort { has_stayed: false } => "interrupted",
        }
    }

    /// Why it did not stay, in words.
    pub fn reason(&self) -> Option<String> {
        match &self.ending {
            DeployEnding::Over(Outcome::Promoted) | DeployEnding::CutShort { has_stayed: true } => {
                None
            }
            DeployEnding::Over(Outcome::RolledBack(reason) | Outcome::Broken(reason)) => {
                Some(reason.to_string())
            }
            DeployEnding::CutShort { has_stayed: false } => {
                Some("Plimsoll ended in the middle of it".to_owned())
            }
        }
    }

    /// The receipt of a deploy that has none, since Plimsoll ended in the middle of it, which the next start found
    /// at the time `found`: nothing is known of when it ended but that it was between that and its last step.
    pub(crate) fn of_cut_short(deploy: Deploy, mut lines: Vec<Line>, found: SystemTime) -> Self {
        let has_stayed = deploy.outcome.is_some();
        let kept = if has_stayed { Some(&deploy.release) } else { deploy.previous.as_ref() };
        let kept = kept.map(|kept| format!("; its next start runs {kept}"));
        let last = lines.last().map_or(Duration::ZERO, |line| line.at);
        // A clock may have been set back.
        let took = found.duration_since(deploy.began_at).unwrap_or_default().max(last);
        let hook = open_hook(&lines).unwrap_or_default();
        let text = format!(
            "found interrupted: Plimsoll ended in the middle of it{hook}{}",
            kept.unwrap_or_default()
        );
        lines.push(Line {
            at: took,
            event: "cut-short".into(),
            instance: None,
            text,
            finding: None,
        });
        Self {
            id: deploy.id,
            service: deploy.service,
            previous: deploy.previous,
            release: deploy.release,
            who: deploy.who,
            strategy: deploy.strategy.unwrap_or_default().into(),
            restores: deploy.restores,
            began_at: deploy.began_at,
            took,
            ending: DeployEnding::CutShort { has_stayed },
            lines,
            releases: Vec::new(),
            requests: 0,
            failed: 0,
        }
    }

    /// The same, without what instances wrote.
    pub(crate) fn without_output(&self) -> Self {
        let mut receipt = self.clone();
        receipt.lines.retain(|line| line.event != OUTPUT);
        for line in &mut receipt.lines {
            if let Some(Found::Now(finding)) = &mut line.finding {
                let requests = Arc::make_mut(finding).requests.iter_mut();
                requests.for_each(|shown| shown.output.clear());
            }
        }
        receipt
    }
}

/// A share from 0 to 1, in percent, without what a float adds.
pub(crate) fn share_of(share: f64) -> String {
    let percent = format!("{:.1}", share * 100.0);
    format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
}

/// A time as people say it.
fn time(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds if time.subsec_millis() > 0 && seconds < 60 => {
            format!("{:.1} s", time.as_secs_f64())
        }
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds % 60 > 0 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} min", seconds / 60),
    }
}

fn step_text(share: f64, watch: Duration, release: &str) -> String {
    format!("release {release} receives {} of the requests for {}", share_of(share), time(watch))
}

fn bake_text(watch: Duration, release: &str) -> String {
    format!("release {release} receives all requests and is watched for {}", time(watch))
}

fn returning_text(reason: &Reason, release: &str) -> String {
    match reason {
        Reason::Hook(..) => format!("{reason}; nothing was started of release {release}"),
        Reason::Worse(fault) => format!("release {release} is worse and is rolled back: {fault}"),
        reason => format!("release {release} is rolled back: {reason}"),
    }
}

/// Why a deploy is paused, and what ends that.
fn pause_text(pause: Pause, previous: Option<&str>, release: &str) -> String {
    match pause {
        Pause::ByHand => "paused by hand".to_owned(),
        Pause::LittleData => {
            "paused: too few requests to judge by; resume, promote or abort".to_owned()
        }
        Pause::ClientErrors => {
            "paused: it responds otherwise than before; resume or promote if that is meant, or abort"
                .to_owned()
        }
        Pause::Condition => {
            "paused until it is known whether the conditions hold; resume, promote or abort".to_owned()
        }
        Pause::Step => "paused by a step: resume, promote or abort".to_owned(),
        Pause::BothBad => {
            let previous = previous.unwrap_or("what it replaces");
            format!(
                "paused, the choice is yours: promote keeps {release}, abort brings back {previous}"
            )
        }
    }
}

/// That a hook was running when the last of `lines` was written, if one was.
fn open_hook(lines: &[Line]) -> Option<String> {
    let is_of_hook = |line: &&Line| [HOOK_BEGUN, HOOK_DONE, HOOK_FAILED].contains(&&*line.event);
    let has_ended = |line: &&Line| line.event == "returning";
    let last = lines.iter().rev().find(|line| is_of_hook(line) || has_ended(line))?;
    (last.event == HOOK_BEGUN).then(|| format!(" ({}: what is left of it is stopped)", last.text))
}

/// What came of asking a condition.
fn measured_text(name: &str, measurement: &Measurement, breaches: u32, allowed: u32) -> String {
    match measurement {
        Measurement::Breached(what) if allowed > 1 => {
            format!("condition {name}: {what} ({breaches} of {allowed})")
        }
        measurement => format!("condition {name}: {}", said(measurement)),
    }
}

/// What was said of a condition.
pub(crate) fn said(measurement: &Measurement) -> String {
    match measurement {
        Measurement::Met(what) | Measurement::Breached(what) => what.clone(),
        Measurement::Unknown(why) => format!("not known, {why}"),
    }
}

/// What a request carries to be answered by `release`, as curl is told.
pub(crate) fn preview_text(preview: &Preview, release: &str) -> String {
    match preview {
        Preview::Header(name) => format!("-H '{name}: {release}'"),
        Preview::Cookie(name) => format!("-b '{name}={release}'"),
    }
}

/// A hook begins, and how it ends unless its deploy does.
const HOOK_BEGUN: &str = "hook";
const HOOK_DONE: &str = "hook-done";
const HOOK_FAILED: &str = "hook-failed";

/// An event of which a line is an instance's own.
const OUTPUT: &str = "output";

impl Line {
    /// What `news` says, `at` this time of a deploy from `previous` to `release`.
    pub(crate) fn of(news: &News, at: Duration, previous: Option<&str>, release: &str) -> Self {
        let of = |side: &Side| match side {
            Side::Canary => release,
            Side::Stable => previous.unwrap_or("the old release"),
        };
        let (event, instance, text) = match news {
            News::HookBegun(moment) => (HOOK_BEGUN, None, format!("`{moment}` is running")),
            News::HookDone(moment, took) => (
                HOOK_DONE,
                None,
                format!("`{moment}` ended well after {:.1} s", took.as_secs_f64()),
            ),
            News::HookFailed(moment, why) => {
                (HOOK_FAILED, None, format!("`{moment}` failed, which changes nothing: {why}"))
            }
            News::Starting(name, side) => {
                ("starting", Some(name), format!("{name} of release {} is starting", of(side)))
            }
            News::Ready(name, took) => {
                ("ready", Some(name), format!("{name} is ready after {:.1} s", took.as_secs_f64()))
            }
            News::Step { share, watch } => ("step", None, step_text(*share, *watch, release)),
            News::Measured { name, measurement, breaches, allowed } => {
                ("condition", None, measured_text(name, measurement, *breaches, *allowed))
            }
            News::Preview(preview) => (
                "preview",
                None,
                format!("look at release {release} with: curl {}", preview_text(preview, release)),
            ),
            News::Bake(watch) => ("bake", None, bake_text(*watch, release)),
            News::Judged(verdict) => ("judged", None, format!("the judge says {verdict}")),
            News::WaitsForData => {
                ("waiting", None, "waiting for enough requests to judge by".into())
            }
            News::Paused(pause) => ("paused", None, pause_text(*pause, previous, release)),
            News::Comparing { suspicion, watch } => (
                "comparing",
                None,
                format!(
                    "{suspicion}: for {} half of the requests go to {} again, to compare both",
                    time(*watch),
                    previous.unwrap_or("the old release")
                ),
            ),
            News::Shared => (
                "shared",
                None,
                format!("both releases meet it alike: release {release} is not to blame"),
            ),
            News::Replacing(fault) => (
                "replacing",
                fault.instance.as_ref(),
                match fault.basis {
                    Basis::Siblings => format!("{fault}: that instance alone is replaced"),
                    _ => format!(
                        "{fault}: it is the first of release {release} and has no siblings yet, so it is replaced, and the next one tells whose fault it is"
                    ),
                },
            ),
            News::Changed(fault) => {
                ("changed", None, format!("release {release} responds otherwise: {fault}"))
            }
            News::WorseThanReplaced(fault) => (
                "both-bad",
                None,
                format!("release {release} is worse than what it replaces: {fault}"),
            ),
            News::Resumed => ("resumed", None, "resumed".into()),
            News::Hurried => ("hurried", None, "promoted by hand: no longer watched".into()),
            News::NotRecorded(why) => (
                "not-recorded",
                None,
                format!("cannot record that release {release} runs, retrying: {why}"),
            ),
            News::Promoted => ("promoted", None, format!("release {release} is promoted")),
            News::Returning(reason) => ("returning", None, returning_text(reason, release)),
            News::Stopping(name) => ("stopping", Some(name), format!("{name} is asked to stop")),
            News::TriedAgain(name, why) => {
                ("lost", Some(name), format!("{name} did not come back ({why}), retrying"))
            }
        };
        Self { at, event: event.into(), instance: instance.cloned(), text, finding: None }
    }

    /// The file had changed, and was taken up before the deploy began.
    pub(crate) fn taken_up(at: Duration, text: String) -> Self {
        Self { at, event: "taken-up".into(), instance: None, text, finding: None }
    }

    /// The deploy is a rollback.
    pub(crate) fn restores(at: Duration, deploy: i64, version: &str) -> Self {
        let text = format!("a rollback: restores {version} as deploy {deploy} made it");
        Self { at, event: "restores".into(), instance: None, text, finding: None }
    }

    /// Its image, and which one that is.
    pub(crate) fn image(at: Duration, release: &Release) -> Option<Self> {
        let recipe = release.recipe.of_version(&release.version);
        let Workload::Container(container) = recipe.workload else { return None };
        let pin = container.pin.as_ref()?;
        let from = match pin {
            Pin::Digest(_) => "",
            Pin::Local(_) => ", made on this machine",
        };
        let text =
            format!("release {} is the image {} ({pin}{from})", release.version, container.image);
        Some(Self { at, event: "image".into(), instance: None, text, finding: None })
    }

    /// The release is the one that runs.
    pub(crate) fn anew(at: Duration, version: &str) -> Self {
        let text = format!("a restart: {version} runs already, and its instances are started anew");
        Self { at, event: "restarts".into(), instance: None, text, finding: None }
    }

    /// Nothing that the recipe says differs between the release and the one that ran before.
    pub(crate) fn in_place(at: Duration, from: &str, release: &Release) -> Self {
        let what = match &release.recipe.workload {
            Workload::Process(process) => {
                format!("what lies in {} when an instance starts", process.directory.display())
            }
            Workload::Container(container) => format!("the same image {}", container.image),
        };
        let text =
            format!("only $VERSION tells release {} from {from}: both run {what}", release.version);
        Self { at, event: "in-place".into(), instance: None, text, finding: None }
    }

    /// Its conditions are not asked: there is neither a step nor a bake, in which they would be.
    pub(crate) fn unasked(at: Duration, conditions: &[Condition]) -> Self {
        let names: Vec<&str> = conditions.iter().map(|it| it.name.as_str()).collect();
        let text = format!("without a bake no condition is asked: {}", names.join(", "));
        Self { at, event: "unasked".into(), instance: None, text, finding: None }
    }

    /// The deploy was tried before.
    pub(crate) fn again(at: Duration, tries: u32) -> Self {
        let text = format!("attempt {tries} of the first release");
        Self { at, event: "again".into(), instance: None, text, finding: None }
    }

    /// An instance that is to go still has requests.
    pub(crate) fn waits(at: Duration, instance: &InstanceName, text: String) -> Self {
        Self { at, event: "draining".into(), instance: Some(instance.clone()), text, finding: None }
    }

    /// An instance needed more than to be asked to stop.
    pub(crate) fn killed(at: Duration, instance: &InstanceName, text: &str) -> Self {
        let text = format!("{instance} {text}");
        Self { at, event: "killed".into(), instance: Some(instance.clone()), text, finding: None }
    }

    /// An instance was asked for what warms it up.
    pub(crate) fn warmed(at: Duration, instance: &InstanceName, warmed: &WarmedUp) -> Self {
        let text = format!("{instance} is {warmed}");
        Self { at, event: "warm-up".into(), instance: Some(instance.clone()), text, finding: None }
    }

    /// An instance responded to smoke requests as it should.
    pub(crate) fn smoked(at: Duration, instance: &InstanceName, passed: &SmokePassed) -> Self {
        let text = format!("{instance} {passed}");
        Self { at, event: "smoke".into(), instance: Some(instance.clone()), text, finding: None }
    }

    /// A line of an instance's own output.
    pub(crate) fn output(at: Duration, instance: &InstanceName, text: String) -> Self {
        let text = shortened(text);
        Self { at, event: OUTPUT.into(), instance: Some(instance.clone()), text, finding: None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn shares_and_times_are_told_as_people_say_them() {
        assert_eq!([0.1, 0.07, 0.333].map(share_of), ["10 %", "7 %", "33.3 %"]);
        let times =
            [500, 4000, 1500, 90_000, 600_000, 630_000].map(Duration::from_millis).map(time);
        assert_eq!(times, ["500 ms", "4 s", "1.5 s", "90 s", "10 min", "10 min 30 s"]);
    }

    #[test]
    fn what_an_instance_wrote_is_bounded_and_can_be_left_out() {
        let (at, api) = (Duration::ZERO, InstanceName::from("api-1"));
        let short = Line::output(at, &api, "no licence".to_owned());
        assert_eq!(short.text, "no licence");
        let long = Line::output(at, &api, "\u{fc}".repeat(1000));
        assert_eq!(long.text, format!("{} ...", "\u{fc}".repeat(400)));
        let killed = Line::killed(at, &api, "was killed");
        let deploy = Deploy {
            id: 7,
            service: "api".into(),
            previous: None,
            release: "1".to_owned(),
            who: "ops".to_owned(),
            began_at: UNIX_EPOCH,
            ended_at: None,
            outcome: None,
            receipt: None,
            strategy: None,
            restores: None,
        };
        let receipt = Receipt::of_cut_short(
            deploy,
            vec![short, killed, long],
            UNIX_EPOCH + Duration::from_secs(9),
        );
        assert_eq!(receipt.took, Duration::from_secs(9), "until it was found");
        assert_eq!(receipt.lines.last().unwrap().at, receipt.took);
        let left: Vec<_> = receipt.without_output().lines.into_iter().map(|it| it.event).collect();
        assert_eq!(left, ["killed", "cut-short"]);
    }
}
