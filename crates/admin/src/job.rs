//! Jobs: when each is due, and what came of its runs.

use model::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::WHO_BYTES_MAX;
use crate::handle::rfc3339;

/// All jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Jobs {
    /// By name, each with its latest runs.
    pub jobs: Vec<Job>,
}

/// A job, and its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// The service with whose live release it is run.
    pub service: String,
    /// What is run.
    pub command: String,
    /// When it is due, as cron has it; absent where it is run by hand alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The time zone of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What becomes of it where it is due while it runs: `skip`, `queue` or `replace`.
    pub overlap: String,
    /// When it is due next, as RFC 3339 has it; absent where it is run by hand alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// When the run that goes on is tried again, if it failed and is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// Its runs, and when it was due and not run, the latest first.
    pub runs: Vec<JobRun>,
}

/// A run of a job, or one that there was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobRun {
    /// Its number, over all jobs.
    pub id: i64,
    /// The release with which it was run; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// When it was due; absent where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// The person or program that asked for it, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// When it began, as RFC 3339 has it.
    pub began_at: String,
    /// When it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// `succeeded`, `failed`, `replaced`, `interrupted`, `skipped` or `missed`; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The exit code of its last attempt, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it did not end well, or was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The last lines that it wrote; absent where the client may not see them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// A run that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJobRun {
    /// The person or program that asks for it.
    #[serde(default)]
    pub who: String,
}

/// A run that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobStarted {
    /// Its number, over all jobs.
    pub run: i64,
}

/// What was written in a run, from a line on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobOutput {
    /// The number of the first of the lines: more than was asked for where those between are not kept any more.
    pub from: usize,
    /// The lines.
    pub lines: Vec<String>,
    /// How the run ended, once it has: these are its last lines then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<JobRun>,
}

/// What stands in the place of a line.
const LEFT_OUT: &str = "(jobs' output is shown on the socket, or with the token that may act)";

impl NewJobRun {
    /// What is wrong with it, if something is.
    pub(crate) fn fault(&self) -> Option<String> {
        let is_long = self.who.len() > WHO_BYTES_MAX;
        is_long.then(|| format!("`who` is longer than {WHO_BYTES_MAX} bytes"))
    }
}

impl Job {
    /// The same, without what was written.
    pub(crate) fn without_output(mut self) -> Self {
        self.runs = self.runs.into_iter().map(JobRun::without_output).collect();
        self
    }
}

impl JobRun {
    fn without_output(self) -> Self {
        Self { output: None, ..self }
    }
}

impl JobOutput {
    /// The same, without what was written. The lines are as many as they were: they are counted.
    pub(crate) fn without_output(mut self) -> Self {
        self.lines.iter_mut().for_each(|line| *line = LEFT_OUT.to_owned());
        Self { end: self.end.map(JobRun::without_output), ..self }
    }

    /// What `progress` has from its line `from` on.
    pub(crate) fn of(progress: &control::JobProgress, from: usize) -> Self {
        let (from, lines) = progress.from(from);
        Self { from, lines, end: progress.end.as_ref().map(JobRun::from) }
    }
}

impl From<control::JobStatus> for Job {
    fn from(status: control::JobStatus) -> Self {
        let control::JobStatus { job, next, retry_at, runs } = status;
        let schedule = job.schedule.as_ref();
        Self {
            name: job.name.to_string(),
            service: job.service.to_string(),
            command: match &job.command {
                Command::Line(line) => line.clone(),
                Command::Arguments(words) => words.join(" "),
                Command::Shell(script) => script.clone(),
            },
            schedule: schedule.map(|it| it.expression.clone()),
            time_zone: schedule.map(|it| it.time_zone.clone()),
            overlap: job.overlap.as_str().to_owned(),
            next: next.map(rfc3339),
            retry_at: retry_at.map(rfc3339),
            runs: runs.iter().map(JobRun::from).collect(),
        }
    }
}

impl From<&control::JobRun> for JobRun {
    fn from(run: &control::JobRun) -> Self {
        Self {
            id: run.id,
            release: run.release.clone(),
            due: run.due.map(rfc3339),
            who: run.who.clone(),
            began_at: rfc3339(run.began_at),
            ended_at: run.ended_at.map(rfc3339),
            attempts: run.attempts,
            outcome: run.outcome.map(|outcome| outcome.as_str().to_owned()),
            exit_code: run.code,
            why: run.why.clone(),
            output: Some(run.output.clone()),
        }
    }
}
