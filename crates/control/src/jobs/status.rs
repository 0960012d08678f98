//! How jobs stand, and what is said to who asks for a run.

use std::sync::Arc;
use std::time::SystemTime;

use model::Job;

use crate::ended::Ended;
use crate::journal::{JobRun, JournalError};

/// A job, and what came of it lately.
#[derive(Clone, Debug)]
pub struct JobStatus {
    /// What it is.
    pub job: Arc<Job>,
    /// When it is due next; none where it is run by hand alone.
    pub next: Option<SystemTime>,
    /// When the run that goes on is tried again, if it failed and is.
    pub retry_at: Option<SystemTime>,
    /// Its runs, the one that goes on included, the latest first.
    pub runs: Vec<JobRun>,
}

/// Why a job is not run, or nothing can be said of it.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is no such job.
    #[error("there is no job `{job}`")]
    Unknown {
        /// The name that was given.
        job: String,
        /// Names like it, the most like it first.
        near: Vec<String>,
    },
    /// It runs, here or on another edge, or another run came first.
    #[error("{0}")]
    Busy(String),
    /// It cannot be written down, so it is not run; the text says why.
    #[error("{0}")]
    NotRecorded(String),
    /// There was no such run, or it was long ago.
    #[error(
        "run {run} of `{job}` cannot be followed: it ended a while ago, or there was none; `plimsoll jobs {job}` has what is kept"
    )]
    NoSuchRun {
        /// The job.
        job: String,
        /// The run.
        run: i64,
    },
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The control loop has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}
