//! One attempt of a run of a job: a process, started as an instance is and as a hook is (decision 0118), in the journal before it runs. It keeps its
//! output where instances do, ends with all that it started, and outlives nobody who wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use driver::{Driver, ExitCause, Instance, Launch, Listening, Placement, Record, Spec, Upkeep};
use model::{InstanceName, Job, JobName, Registries, Secret, Stop};
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::progress::JobProgress;
use crate::chain::chain;
use crate::journal::Journal;
use crate::release::Release;
use crate::runs::{LOOK_EVERY, OutputReader, end_left, start};

/// Its output is waited for no longer once it is gone: the log has the rest.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(3);

/// One attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) job: Arc<Job>,
    /// The number of the run.
    pub(crate) run: i64,
    /// What it is called, beside the instances.
    pub(crate) name: InstanceName,
    /// The release that is live.
    pub(crate) release: Arc<Release>,
    /// Variables that it does not inherit.
    pub(crate) withheld: BTreeSet<String>,
    /// Where it runs: on one of the service's hosts.
    pub(crate) placement: Placement,
    /// How registries of images are asked.
    pub(crate) registries: Registries,
    /// The secrets beside the configuration.
    pub(crate) sealed: Arc<BTreeMap<String, Secret>>,
    /// How it is ended before its time.
    pub(crate) stop: Stop,
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) journal: Journal,
    /// Where what it writes is told.
    pub(crate) progress: Arc<watch::Sender<JobProgress>>,
    /// Answers when nobody wants it any more.
    pub(crate) wanted: oneshot::Receiver<Infallible>,
}

/// An attempt has ended, and nothing is left of it.
#[derive(Debug)]
pub(crate) struct AttemptEnded {
    pub(crate) job: JobName,
    pub(crate) run: i64,
    pub(crate) end: AttemptEnd,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttemptEnd {
    /// Its exit code, if it had one.
    pub(crate) code: Option<i32>,
    /// Why it has failed, if it has.
    pub(crate) fault: Option<String>,
}

impl AttemptEnd {
    /// It never ran.
    pub(crate) fn not_started(why: String) -> Self {
        Self { code: None, fault: Some(why) }
    }
}

/// Why it is waited for no longer.
enum Over {
    Ended(ExitCause),
    Late,
    Unwanted,
}

impl Attempt {
    /// Runs it to its end, or the end of its time, or until nobody wants it any more.
    pub(crate) async fn run(mut self) -> AttemptEnded {
        let end = match self.begin().await {
            Ok(process) => self.follow(process).await,
            Err(why) => AttemptEnd::not_started(why),
        };
        AttemptEnded { job: self.job.name.clone(), run: self.run, end }
    }

    async fn begin(&mut self) -> Result<Arc<dyn Instance>, String> {
        let recipe = self.release.recipe.running(self.job.command.clone());
        end_left_of(&*self.driver, &self.journal, &self.job, self.stop).await;
        let spec = Spec {
            service: self.job.service.clone(),
            version: self.release.version.clone(),
            recipe,
            placement: self.placement.clone(),
            withheld: self.withheld.clone(),
            registries: self.registries.clone(),
            sealed: self.sealed.clone(),
        };
        let composed = tokio::select! {
            composed = timeout(self.job.timeout, self.driver.compose(spec)) => composed,
            _ = &mut self.wanted => return Err("it was ended before it ran".to_owned()),
        };
        let composed = composed.map_err(|_| self.late())?.map_err(|error| chain(&error))?;
        let upkeep = Upkeep { stop: self.stop, listening: Listening::Nowhere, ..Upkeep::default() };
        let (service, instance) = (self.job.service.clone(), self.name.clone());
        let version = self.release.version.clone();
        let launch = Launch { service, instance, version, composed, upkeep };
        start(&*self.driver, &self.journal, launch, self.release.id).await
    }

    async fn follow(&mut self, process: Arc<dyn Instance>) -> AttemptEnd {
        let (is_over, over) = oneshot::channel();
        let reader = OutputReader::new(
            self.driver.logs(),
            self.job.service.clone(),
            self.name.clone(),
            log_start(process.record()),
        );
        let told = tokio::spawn(tell(reader, self.progress.clone(), over));
        let ended = tokio::select! {
            exit = process.exited() => Over::Ended(exit.ending),
            () = sleep(self.job.timeout) => Over::Late,
            _ = &mut self.wanted => Over::Unwanted,
        };
        let end = match &ended {
            Over::Ended(ExitCause::Code(0)) => AttemptEnd { code: Some(0), fault: None },
            Over::Ended(ExitCause::Code(code)) => {
                AttemptEnd { code: Some(*code), fault: Some(format!("it exited with code {code}")) }
            }
            Over::Ended(ending) => AttemptEnd::not_started(format!("it {ending}")),
            Over::Late => AttemptEnd::not_started(self.late()),
            Over::Unwanted => AttemptEnd::not_started("it was stopped".to_owned()),
        };
        match ended {
            Over::Ended(_) => process.gone().await,
            Over::Late | Over::Unwanted => process.stop(self.stop).await,
        };
        drop(is_over);
        // It is told what there is.
        let _ = timeout(OUTPUT_TIMEOUT, told).await;
        // Where that cannot be written the next start finds that it is gone.
        let _ = self.journal.forget(process.record());
        end
    }

    fn late(&self) -> String {
        format!("it did not end within {:?}, and was stopped", self.job.timeout)
    }
}

/// Ends what is left of runs of `job`, as an earlier Plimsoll leaves one that was killed.
async fn end_left_of(driver: &dyn Driver, journal: &Journal, job: &Job, stop: Stop) {
    let is_its =
        |record: &Record| Job::of(&job.service, &record.instance).as_ref() == Some(&job.name);
    end_left(driver, journal, &job.service, stop, is_its).await;
}

/// Where in its log its own output begins: an earlier attempt has written there, too.
fn log_start(record: &Record) -> u64 {
    match &record.identity {
        driver::Identity::Process(process) => process.log_start,
        driver::Identity::Container(container) => container.log_start,
    }
}

/// Tells what is written until it `is_over`, when the other end is dropped.
async fn tell(
    mut reader: OutputReader,
    progress: Arc<watch::Sender<JobProgress>>,
    mut is_over: oneshot::Receiver<Infallible>,
) {
    loop {
        let has_ended = timeout(LOOK_EVERY, &mut is_over).await.is_ok();
        let read = spawn_blocking(move || {
            let mut lines = reader.lines();
            if has_ended {
                lines.extend(reader.rest());
            }
            (reader, lines)
        });
        let Ok((back, lines)) = read.await else { return };
        if !lines.is_empty() {
            progress.send_modify(|progress| progress.extend(lines));
        }
        if has_ended {
            return;
        }
        reader = back;
    }
}
