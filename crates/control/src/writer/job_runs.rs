//! What the writer keeps of jobs' runs, tells of them, and says to who asks.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use jobs::{Finish, Missed, Skipped, Trigger};
use model::{Job, JobName};
use telemetry::event;
use tokio::sync::watch;

use super::Writer;
use crate::chain::chain;
use crate::jobs::{
    Asked, Current, JobError, JobFollowing, JobProgress, JobState, JobStatus, due_of,
};
use crate::journal::{JobEnd, JobOutcome, JobRun, JournalError, NewJobRun};

/// So many of its latest runs are told of each job where all are told of.
const LATEST: usize = 10;
/// All that are kept.
const ALL: usize = 1_000;

impl Writer {
    /// A run begins: it is written down, can be followed, and who asked for it is told.
    pub(super) fn begin_run(
        &mut self,
        job: &Job,
        trigger: Trigger,
        release: Option<&str>,
    ) -> Result<(), JournalError> {
        let state = self.jobs.known.get_mut(&job.name).expect("its machine has said so");
        let asked = match trigger {
            Trigger::ByHand(number) => state.asked.remove(&number),
            Trigger::Due(_) => None,
        };
        let (who, reply) = asked.map(|Asked { who, reply }| (who, reply)).unzip();
        let (due, who) = (due_of(trigger), who.as_deref());
        let (name, service) = (&job.name, &job.service);
        let new = NewJobRun { job: name, service, release, due, who };
        let id = match self.runs.journal.begin_run(&new, SystemTime::now()) {
            Ok(id) => id,
            Err(error) => {
                let told = JobError::NotRecorded(format!("`{name}` is not run: {}", chain(&error)));
                drop(reply.map(|reply| reply.send(Err(told))));
                return Err(error);
            }
        };
        let progress = Arc::new(watch::Sender::new(JobProgress::default()));
        let following = JobFollowing { run: id, progress: progress.subscribe() };
        let (began, attempts, held, last) = (Instant::now(), 1, None, None);
        state.current = Some(Current { id, began, attempts, progress, held, last });
        self.jobs.keep_recent(following.clone());
        // Who asked may be gone.
        drop(reply.map(|reply| reply.send(Ok(following))));
        self.events.emit(event::JobStarted { job: name.clone(), run: id });
        Ok(())
    }

    pub(super) fn finish_run(&mut self, job: &Job, finish: Finish) {
        let state = self.jobs.known.get_mut(&job.name);
        // Of one that could not be written down there is none.
        let Some(current) = state.and_then(|state| state.current.take()) else { return };
        let (outcome, why) = match finish {
            Finish::Succeeded => (JobOutcome::Succeeded, None),
            Finish::Failed => (JobOutcome::Failed, None),
            Finish::Replaced => (JobOutcome::Replaced, Some("it was stopped for the next one")),
        };
        self.end_run(&job.name, current, outcome, why);
    }

    pub(super) fn end_run(
        &self,
        name: &JobName,
        current: Current,
        outcome: JobOutcome,
        why: Option<&str>,
    ) {
        let end = current.end(outcome, why);
        if let Err(error) = self.runs.journal.end_run(current.id, &end, SystemTime::now()) {
            self.events.emit(event::JournalReadOnly { why: chain(&error) });
        }
        let (job, run, seconds) = (name.clone(), current.id, current.began.elapsed());
        let why = end.why.unwrap_or_default();
        match outcome {
            JobOutcome::Succeeded => {
                self.events.emit(event::JobSucceeded { job, run, seconds });
            }
            JobOutcome::Failed => self.events.emit(event::JobFailed { job, run, why, seconds }),
            _ => self.events.emit(event::JobInterrupted { job, run, why }),
        }
        let runs = self.runs.journal.job_runs(name, ALL).unwrap_or_default();
        let ended = runs.into_iter().find(|run| run.id == current.id);
        current.progress.send_modify(|progress| progress.end = ended);
    }

    pub(super) fn skip(&self, job: &Job, due: Timestamp, why: Skipped) {
        let why = match why {
            Skipped::Running => "the run before it goes on",
            Skipped::Waiting => "another waits for the run that goes on",
            Skipped::NotClaimed => {
                "the store is down, and no edge knows whether it is the one to run it"
            }
        };
        self.events.emit(event::JobSkipped { job: job.name.clone(), why: why.to_owned() });
        self.note_no_run(job, JobOutcome::Skipped, due, why.to_owned());
    }

    pub(super) fn miss(&self, job: &Job, missed: Missed) {
        let what = match missed.of.count {
            1 => format!("it was due at {}", missed.of.last),
            count => {
                let more = if missed.of.is_more { "more than " } else { "" };
                let (first, last) = (missed.of.first, missed.of.last);
                format!("it was due {more}{count} times from {first} to {last}")
            }
        };
        self.events.emit(event::JobMissed { job: job.name.clone(), what: what.clone() });
        let why = format!("{what}, when Plimsoll did not run or the clock was set");
        self.note_no_run(job, JobOutcome::Missed, missed.of.last, why);
    }

    fn note_no_run(&self, job: &Job, outcome: JobOutcome, due: Timestamp, why: String) {
        let (name, service) = (&job.name, &job.service);
        let due = Some(due.into());
        let new = NewJobRun { job: name, service, release: None, due, who: None };
        let output = String::new();
        let end = JobEnd { outcome, attempts: 0, code: None, why: Some(why), output };
        if let Err(error) = self.runs.journal.note_no_run(&new, &end, SystemTime::now()) {
            self.events.emit(event::JournalReadOnly { why: chain(&error) });
        }
    }

    /// How each job stands.
    pub(super) fn jobs_now(&self) -> Result<Vec<JobStatus>, JobError> {
        let states = self.jobs.known.values().filter(|state| !state.is_gone);
        states.map(|state| self.job_status(state, LATEST)).collect()
    }

    /// How the job of this name stands.
    pub(super) fn one_job(&self, job: &str) -> Result<JobStatus, JobError> {
        let name = self.jobs.named(job)?;
        self.job_status(&self.jobs.known[&name], ALL)
    }

    fn job_status(&self, state: &JobState, limit: usize) -> Result<JobStatus, JobError> {
        let runs: Vec<JobRun> = self.runs.journal.job_runs(&state.job.name, limit)?;
        let running = |run: JobRun| match &state.current {
            Some(current) if current.id == run.id => {
                let output = current.progress.borrow().tail();
                JobRun { attempts: current.attempts, output, ..run }
            }
            _ => run,
        };
        Ok(JobStatus {
            job: state.job.clone(),
            next: state.machine.next_due().map(SystemTime::from),
            retry_at: state.machine.retry_at().map(SystemTime::from),
            runs: runs.into_iter().map(running).collect(),
        })
    }

    /// Lets a run of a job be followed.
    pub(super) fn job_following(&self, job: String, run: i64) -> Result<JobFollowing, JobError> {
        self.jobs.named(&job)?;
        let found = self.jobs.following(run).cloned();
        found.ok_or(JobError::NoSuchRun { job, run })
    }
}
