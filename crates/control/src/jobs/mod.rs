//! Jobs: what is run by the clock. When, and what follows from what, is [`jobs::Machine`]'s to say, one for each job; here is what is kept beside it, and
//! what carries it out. All of it belongs to the control loop ([`crate::writer`]); an attempt is a task.

mod attempt;
mod claim;
mod ending;
mod progress;
mod status;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use jobs::{Machine, Rules, Timetable, Trigger};
use model::{Job, JobName, Schedule};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

pub use progress::{JobFollowing, JobProgress};
pub use status::{JobError, JobStatus};

pub(crate) use attempt::{Attempt, AttemptEnd, AttemptEnded};
pub(crate) use claim::{Claimed, claim};

use crate::ended::Reply;
use crate::journal::{JobEnd, JobOutcome};
use crate::ordering::Clock;

/// So many runs can be followed after they have ended.
const RECENT_MAX: usize = 100;

/// All jobs.
pub(crate) struct Jobs {
    pub(crate) known: BTreeMap<JobName, JobState>,
    /// What runs.
    pub(crate) attempts: JoinSet<AttemptEnded>,
    /// Whether this edge is the one to run what is due.
    pub(crate) claims: JoinSet<Claimed>,
    /// The last runs, by their numbers.
    recent: VecDeque<JobFollowing>,
    clock: Arc<dyn Clock>,
    asked: u64,
}

/// One job.
pub(crate) struct JobState {
    pub(crate) job: Arc<Job>,
    pub(crate) machine: Machine,
    /// The run that goes on.
    pub(crate) current: Option<Current>,
    /// Who wait for their run to begin, by the numbers under which they asked.
    pub(crate) asked: BTreeMap<u64, Asked>,
    /// It is not in the file any more, and goes when its run has ended.
    pub(crate) is_gone: bool,
}

/// Somebody who asks for a run.
pub(crate) struct Asked {
    /// Who.
    pub(crate) who: String,
    pub(crate) reply: Reply<Result<JobFollowing, JobError>>,
}

/// A run that goes on.
pub(crate) struct Current {
    pub(crate) id: i64,
    pub(crate) began: Instant,
    pub(crate) attempts: u32,
    pub(crate) progress: Arc<watch::Sender<JobProgress>>,
    /// Held as long as the attempt that runs is wanted.
    pub(crate) held: Option<oneshot::Sender<Infallible>>,
    /// How the last attempt ended.
    pub(crate) last: Option<AttemptEnd>,
}

impl Current {
    /// What is to be written down of its end; `why` where that is another reason than its last attempt's.
    pub(crate) fn end(&self, outcome: JobOutcome, why: Option<&str>) -> JobEnd {
        let fault = self.last.as_ref().and_then(|last| last.fault.clone());
        let is_well = outcome == JobOutcome::Succeeded;
        JobEnd {
            outcome,
            attempts: self.attempts,
            code: self.last.as_ref().and_then(|last| last.code),
            why: if is_well { None } else { why.map(str::to_owned).or(fault) },
            output: self.progress.borrow().tail(),
        }
    }
}

impl Jobs {
    /// None yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let (attempts, claims, recent) = (JoinSet::new(), JoinSet::new(), VecDeque::new());
        Self { known: BTreeMap::new(), attempts, claims, recent, clock, asked: 0 }
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.now().wall).unwrap_or(Timestamp::MAX)
    }

    /// A number under which nobody has asked.
    pub(crate) fn next_asked(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// Lets a run be followed, also for a while after it has ended.
    pub(crate) fn keep_recent(&mut self, following: JobFollowing) {
        self.recent.push_back(following);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    /// The run of this number, if it can be followed.
    pub(crate) fn following(&self, run: i64) -> Option<&JobFollowing> {
        self.recent.iter().find(|it| it.run == run)
    }

    /// The job of this name.
    pub(crate) fn named(&self, name: &str) -> Result<JobName, JobError> {
        let names = || self.known.iter().filter(|(_, it)| !it.is_gone).map(|(name, _)| name);
        let found = names().find(|it| it.as_str() == name).cloned();
        found.ok_or_else(|| {
            let near = suggest::near(name, names().map(JobName::as_str));
            JobError::Unknown { job: name.to_owned(), near }
        })
    }
}

/// By what `job` goes.
pub(crate) fn rules(job: &Job) -> Rules {
    // The file's reader has parsed it. A table of time zones that changed since makes it one by hand.
    let timetable = job.schedule.as_ref().and_then(|it| Timetable::parse(it).ok());
    Rules { timetable, overlap: job.overlap, retry: job.retry }
}

/// A timetable as the journal tells it from another.
pub(crate) fn written(schedule: Option<&Schedule>) -> String {
    let both = schedule.map(|it| format!("{} {}", it.expression, it.time_zone));
    both.unwrap_or_default()
}

/// When a run was due.
pub(crate) fn due_of(trigger: Trigger) -> Option<SystemTime> {
    match trigger {
        Trigger::Due(due) => Some(due.into()),
        Trigger::ByHand(_) => None,
    }
}
