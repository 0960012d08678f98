//! What is told of a deploy: its lines, and what instances wrote beside them. Its followers and the log hear the same.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use model::InstanceName;
use rollout::{Change, News};
use telemetry::event;
use tokio::sync::watch;

use super::{Active, Attempt, Progress};
use crate::finding::{Finding, Found, Moment, OutputLine, Wanted};
use crate::line::Line;

impl Active {
    /// What is known before anything happens: what was taken up for it, which release comes back, which try of
    /// a first release it is.
    pub(crate) fn first_lines(&self, taken_up: Option<String>, tries: u32) -> Vec<Line> {
        let at = self.took();
        let again = (tries > 1).then(|| Line::again(at, tries));
        let restores = self.restores.map(|deploy| Line::restores(at, deploy, &self.canary.version));
        let taken_up = taken_up.map(|text| Line::taken_up(at, text));
        let in_place = self.runs_in_place_of().map(|from| Line::in_place(at, from, &self.canary));
        let anew = self.is_again().then(|| Line::anew(at, &self.canary.version));
        let unasked = self.asks_no_condition().then(|| Line::unasked(at, &self.conditions));
        let image = Line::image(at, &self.canary);
        taken_up
            .into_iter()
            .chain(restores)
            .chain(image)
            .chain(anew)
            .chain(in_place)
            .chain(unasked)
            .chain(again)
            .collect()
    }

    /// Whether it has conditions that are not asked, since it was told to have no bake and has no steps. A rollback by hand and a
    /// first release never ask them.
    fn asks_no_condition(&self) -> bool {
        let would_ask = self.restores.is_none() && self.stable.is_some() && !self.is_again();
        would_ask && !self.is_watched && !self.conditions.is_empty()
    }

    /// The old release's version, where nothing that is known but the version tells the new one from it.
    fn runs_in_place_of(&self) -> Option<&str> {
        let (stable, canary) = (self.stable.as_ref()?, &self.canary);
        let is_alike = stable.version != canary.version
            && stable.recipe == canary.recipe
            && !canary.recipe.names_version();
        is_alike.then_some(stable.version.as_str())
    }

    /// What `news` says in words, at `now` by the machine's clock.
    pub(crate) fn line(&self, news: &News, now: Duration) -> Line {
        let took = self.took();
        let now = Moment { machine: now, world: SystemTime::now(), deploy: took };
        let confidence = self.evidence.rule.confidence;
        let finding = news.fault().map(|fault| Finding::of(fault, confidence, now));
        Line {
            finding: finding.map(|finding| Found::Now(Arc::new(finding))),
            ..Line::of(news, took, self.stable_version(), &self.canary.version)
        }
    }

    /// How many lines were told.
    pub(crate) fn told(&self) -> usize {
        self.progress.borrow().lines.len()
    }

    /// Beside which requests what instances wrote is wanted, by the lines from `from` on that have findings.
    pub(crate) fn wanted(&self, from: usize) -> Vec<(usize, Vec<Wanted>)> {
        let progress = self.progress.borrow();
        let lines = progress.lines.iter().enumerate().skip(from);
        let findings = lines.filter_map(|(at, line)| Some((at, finding(line)?)));
        let wanted = |it: &Finding| it.requests.iter().map(Wanted::of).collect();
        findings.map(|(at, finding)| (at, wanted(finding))).collect()
    }

    /// Shows what instances wrote beside the requests of the finding in `line`, where anything was.
    pub(crate) fn show_output(&self, line: usize, output: Vec<Vec<OutputLine>>) {
        self.change_finding(line, |finding| {
            for (shown, output) in finding.requests.iter_mut().zip(output) {
                if !output.is_empty() {
                    shown.output = output;
                }
            }
        });
    }

    /// Shows with which rule the last finding would not have been one.
    pub(crate) fn show_nearby(&self, change: Option<Change>) {
        let last = self.progress.borrow().lines.iter().rposition(|line| finding(line).is_some());
        if let Some(last) = last {
            self.change_finding(last, |finding| finding.passes_with = change);
        }
    }

    fn change_finding(&self, line: usize, change: impl FnOnce(&mut Finding)) {
        self.progress.send_modify(|progress| {
            let line = progress.lines.get_mut(line);
            if let Some(Found::Now(finding)) = line.and_then(|line| line.finding.as_mut()) {
                change(Arc::make_mut(finding));
            }
        });
    }

    /// Tells those that follow it.
    pub(crate) fn tell(&self, line: Line) {
        let (service, step) = (self.service.clone(), line.event.clone());
        let (instance, what) = (line.instance.clone(), line.text.clone());
        match self.attempt {
            Attempt::First => {
                let deploy = self.id;
                self.events.emit(event::DeployStep { service, deploy, step, instance, what });
            }
            Attempt::Further => {
                self.events.emit(event::FirstReleaseStep { service, step, instance, what });
            }
        }
        self.progress.send_modify(|progress| progress.lines.push(line));
    }

    /// Tells an instance's last words.
    pub(crate) fn tell_output(&self, instance: &InstanceName, words: Vec<String>) {
        self.output_teller().tell(instance, words);
    }

    /// What tells followers what is written, from beside the control loop.
    pub(crate) fn output_teller(&self) -> OutputTeller {
        OutputTeller { progress: self.progress.clone(), began: self.began }
    }
}

/// Tells those that follow a deploy what is written in it.
#[derive(Clone, Debug)]
pub(crate) struct OutputTeller {
    progress: watch::Sender<Progress>,
    began: Instant,
}

impl OutputTeller {
    /// Tells what `instance` wrote.
    pub(crate) fn tell(&self, instance: &InstanceName, words: Vec<String>) {
        let at = self.began.elapsed();
        let lines = words.into_iter().map(|text| Line::output(at, instance, text));
        self.progress.send_modify(|progress| progress.lines.extend(lines));
    }
}

fn finding(line: &Line) -> Option<&Finding> {
    match &line.finding {
        Some(Found::Now(finding)) => Some(finding),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use model::{Asks, Condition, Deploy, Host, Scheme, Strategy, Unknown, Url};

    use super::*;
    use crate::runs::fixtures::deploy_of;

    fn condition() -> Condition {
        let (scheme, host) = (Scheme::Http, Host::Address([127, 0, 0, 1].into()));
        let url = Url { scheme, host, port: 9, target: "/".to_owned() };
        Condition {
            name: "ci".to_owned(),
            asks: Asks::Webhook { url },
            ca: None,
            every: Duration::from_secs(8),
            timeout: Duration::from_secs(2),
            failures: NonZeroU32::MIN,
            token_env: None,
            unknown: Unknown::Hold,
        }
    }

    #[test]
    fn conditions_that_are_not_asked_are_named_before_anything_happens() {
        for (strategy, bake, is_told) in [
            (Strategy::Rolling, 0, true),
            (Strategy::BlueGreen, 0, true),
            (Strategy::Rolling, 1, false),
            (Strategy::Canary, 0, false),
        ] {
            let conditions = vec![condition()];
            let bake = Duration::from_secs(bake);
            let deploy = Deploy { strategy, bake, conditions, ..Deploy::default() };
            let lines = deploy_of(&deploy, &"api-1".into()).first_lines(None, 1);
            let told = lines.iter().find(|line| line.event == "unasked");
            let told = told.map(|line| &*line.text);
            let expected = is_told.then_some("without a bake no condition is asked: ci");
            assert_eq!(told, expected, "{deploy:?}");
        }
    }
}
