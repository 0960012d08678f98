//! How a deploy ends: what its findings show is read beside the loop, then its receipt is kept and shown, and what it was judged
//! by is written beside the loop.
//!
//! A deploy that has no findings ends at once. One that has waits for what is read, which has a limit of time.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use driver::KeptRelease;
use driver::logs::Logs;
use model::ServiceName;
use rollout::{Change, Fault, Outcome, Reason, nearby};
use telemetry::event;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Writer;
use crate::chain::chain;
use crate::evidence::Evidence;
use crate::finding::{OutputLine, Wanted, read_output};
use crate::runs::{Attempt, Ending, LastDeploy, Purpose, Receipt};

/// So long the output of instances is read at the most, before a deploy ends without it.
const READ_MAX: Duration = Duration::from_secs(3);
/// So long it is looked for a rule that would have let the release pass. It is asked between two judgings, each of which takes less than a second
/// by the bounds of what is kept.
const NEARBY_MAX: Duration = Duration::from_secs(2);

/// Of each service so many releases keep what was brought for them.
const RELEASES_KEPT: usize = 5;

/// What was read for a deploy.
pub(super) struct Read {
    service: ServiceName,
    deploy: i64,
    what: What,
}

/// What is shown of findings.
enum What {
    /// What instances wrote beside each request of the finding in this line.
    Output { line: usize, output: Vec<Vec<OutputLine>> },
    /// The rule with which the last finding would not have been one.
    Nearby(Option<Change>),
}

impl Writer {
    /// Reads what instances wrote beside the requests that the findings in the lines from `from` on show.
    pub(super) fn read_output(&mut self, service: &ServiceName, from: usize) {
        let run = self.runs.services.get_mut(service);
        let Some(active) = run.and_then(|run| run.active.as_mut()) else { return };
        for (line, wanted) in active.wanted(from) {
            active.readings += 1;
            let (logs, service, deploy) = (self.runs.driver.logs(), service.clone(), active.id);
            self.reading.spawn(async move {
                let output = output_of(logs, service.clone(), wanted).await;
                Read { service, deploy, what: What::Output { line, output } }
            });
        }
    }

    /// What was read is shown, and a deploy that waited for it ends.
    pub(super) fn take_up_read(&mut self, read: Read) {
        let Read { service, deploy, what } = read;
        let run = self.runs.services.get_mut(&service);
        let active = run.and_then(|run| run.active.as_mut());
        // One that could not wait has ended without it.
        let Some(active) = active.filter(|active| active.id == deploy) else { return };
        active.readings -= 1;
        match what {
            What::Output { line, output } => active.show_output(line, output),
            What::Nearby(change) => active.show_nearby(change),
        }
        self.end_if_read(&service);
    }

    /// A deploy is over: it ends once what its findings show is read.
    pub(super) fn wind_up(&mut self, service: &ServiceName, outcome: Outcome) {
        self.close(service, outcome);
        self.read_output(service, 0);
        self.look_nearby(service);
        self.end_if_read(service);
    }

    /// Ends a deploy now, whatever it waits for. One that is over already ends as it has.
    pub(super) fn end_deploy(&mut self, service: &ServiceName, outcome: Outcome) {
        self.close(service, outcome);
        self.end(service);
    }

    /// Ends all deploys that are over, and wait for what is read.
    pub(super) fn end_what_is_over(&mut self) {
        let is_over = |run: &crate::runs::ServiceRun| {
            run.active.as_ref().is_some_and(|active| active.ending.is_some())
        };
        let over = self.runs.services.iter().filter(|(_, run)| is_over(run));
        let over: Vec<ServiceName> = over.map(|(name, _)| name.clone()).collect();
        over.iter().for_each(|service| self.end(service));
    }

    /// Nothing more is counted for a deploy.
    fn close(&mut self, service: &ServiceName, outcome: Outcome) {
        let run = self.runs.services.get_mut(service).expect("it is being deployed");
        let Some(active) = run.active.as_mut().filter(|active| active.ending.is_none()) else {
            return;
        };
        active.sample(&self.serving.edge, &mut run.instances, run.live.as_ref(), &mut run.past);
        active.hush(run.live.as_ref());
        active.close(outcome);
    }

    /// Looks for the rule that would have let the release pass, where it was found worse.
    fn look_nearby(&mut self, service: &ServiceName) {
        let run = self.runs.services.get_mut(service);
        let Some(active) = run.and_then(|run| run.active.as_mut()) else { return };
        let Some(Ending { outcome, evidence }) = &active.ending else { return };
        let Some(fault) = outcome.fault().cloned() else { return };
        active.readings += 1;
        let (evidence, service, deploy) = (evidence.clone(), service.clone(), active.id);
        self.reading.spawn(async move {
            let change = nearby_of(evidence, fault).await;
            Read { service, deploy, what: What::Nearby(change) }
        });
    }

    fn end_if_read(&mut self, service: &ServiceName) {
        let active = self.runs.services.get(service).and_then(|run| run.active.as_ref());
        if active.is_some_and(|active| active.ending.is_some() && active.readings == 0) {
            self.end(service);
        }
    }

    /// Lets the driver remove what it had to bring for releases that nobody goes back to any more.
    fn retain_releases(&self) {
        // Where that cannot be read nothing is removed.
        let Ok(latest) = self.runs.journal.latest(RELEASES_KEPT) else { return };
        let running = self.runs.services.values().flat_map(|run| {
            let of_instances = run.instances.values().map(|running| &running.release);
            run.releases().chain(of_instances)
        });
        let running = running.map(|it| (it.version.clone(), it.recipe.clone()));
        let all = latest.into_iter().chain(running);
        let wanted = all.map(|(version, recipe)| KeptRelease { version, recipe });
        self.runs.driver.retain(wanted.collect());
    }

    fn end(&mut self, service: &ServiceName) {
        let seen = self.serving.seen(service);
        let run = self.runs.services.get_mut(service).expect("it is being deployed");
        let Some(mut active) = run.active.take() else { return };
        let Some(Ending { outcome, evidence }) = active.ending.take() else { return };
        // What did the same is its past still.
        if outcome == Outcome::Promoted && !active.is_again() {
            run.past = std::mem::take(&mut active.past);
        }
        let has_failed = !matches!(outcome, Outcome::Promoted);
        // A person who ended the first release does not want it tried again, nor does one who deploys another.
        let is_meant = matches!(
            outcome,
            Outcome::RolledBack(Reason::Aborted | Reason::Superseded(_))
                | Outcome::Broken(Reason::Aborted)
        );
        let receipt = active.receipt(run, outcome, seen);
        run.last = Some(LastDeploy::of(&receipt));
        // Of a further attempt that failed it is said that the first release does not run.
        if !has_failed || is_meant || active.attempt() == Attempt::First {
            self.events.emit(event::DeployFinished {
                service: service.clone(),
                deploy: receipt.id,
                outcome: receipt.word().into(),
                reason: receipt.reason(),
            });
        }
        self.keep_receipt(&receipt);
        self.retain_releases();
        self.keep_evidence(&receipt, evidence);
        let (purpose, why) = (active.purpose, receipt.reason().unwrap_or_default());
        // Who has seen it may rely on its being kept.
        active.end(receipt);
        match purpose {
            Purpose::First if has_failed && !is_meant => self.first_failed(service, why),
            _ => self.first_is_over(service),
        }
        // The file may want more or fewer than when it began.
        self.reconcile(service);
    }

    fn keep_receipt(&self, receipt: &Receipt) {
        let keep = |receipt: &Receipt| {
            let text = (self.runs.forms.receipt)(receipt);
            self.runs.journal.end(receipt.id, receipt.word(), &text, SystemTime::now())
        };
        // Where there is no room for what instances wrote, there may be for the rest.
        if let Err(error) = keep(receipt).or_else(|_| keep(&receipt.without_output())) {
            let (service, why) = (receipt.service.clone(), chain(&error));
            self.events.emit(event::ReceiptLost { service, deploy: receipt.id, why });
        }
    }

    /// Keeps what a deploy was judged by, beside the loop: a question for it waits until it is.
    fn keep_evidence(&mut self, receipt: &Receipt, evidence: Arc<Evidence>) {
        let (service, deploy) = (receipt.service.clone(), receipt.id);
        let (journal, events) = (self.runs.journal.clone(), self.events.clone());
        self.runs.keeping.begin(deploy, move || {
            if let Err(error) = journal.keep_evidence(&service, deploy, &evidence.encode()) {
                events.emit(event::EvidenceLost { service, deploy, why: chain(&error) });
            }
        });
    }
}

/// What instances of `service` wrote; nothing where that takes too long.
async fn output_of(
    logs: Arc<dyn Logs>,
    service: ServiceName,
    wanted: Vec<Wanted>,
) -> Vec<Vec<OutputLine>> {
    let read = spawn_blocking(move || read_output(&*logs, &service, &wanted));
    timeout(READ_MAX, read).await.map(Result::unwrap_or_default).unwrap_or_default()
}

/// The rule that would have let it pass, if it is found in time.
async fn nearby_of(evidence: Arc<Evidence>, fault: Fault) -> Option<Change> {
    let look = spawn_blocking(move || {
        let began = Instant::now();
        let goes_on = || began.elapsed() < NEARBY_MAX;
        nearby(&evidence.rule, &fault, &evidence.past, &evidence.moments, goes_on)
    });
    timeout(NEARBY_MAX * 2, look).await.ok()?.ok()?
}
