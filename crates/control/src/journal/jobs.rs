//! What is known of jobs: until when what was due is decided, and what became of their runs.

use std::time::SystemTime;

use model::{JobName, ServiceName};
use rusqlite::{OptionalExtension, Row, params};

use super::deploys::{millis, time};
use super::{Journal, JournalError, reserve};

/// Of each job so many runs are kept, and so many times that it was not run.
pub(crate) const RUNS_KEPT: i64 = 50;

/// One time that a job ran, or was due and did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRun {
    /// Its number, over all jobs.
    pub id: i64,
    /// Of this job.
    pub job: JobName,
    /// The service whose release it was run with.
    pub service: ServiceName,
    /// Which release that was; none where it was not run.
    pub release: Option<String>,
    /// When it was due; none where it was asked for.
    pub due: Option<SystemTime>,
    /// The person or program that asked for it, if it was.
    pub who: Option<String>,
    /// When it began, or did not.
    pub began_at: SystemTime,
    /// When it ended, if it has.
    pub ended_at: Option<SystemTime>,
    /// How often it was tried.
    pub attempts: u32,
    /// How it ended, if it has.
    pub outcome: Option<JobOutcome>,
    /// The exit code of its last attempt, if there was one.
    pub code: Option<i32>,
    /// Why it did not end well, or was not run.
    pub why: Option<String>,
    /// The last lines that it wrote.
    pub output: String,
}

/// What became of a run of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// It ended with exit code 0.
    Succeeded,
    /// No attempt did.
    Failed,
    /// It was stopped for the next one.
    Replaced,
    /// It was stopped since Plimsoll was, or the job was taken out of the file; or Plimsoll was killed.
    Interrupted,
    /// It was due, and not run.
    Skipped,
    /// It was due when Plimsoll did not run.
    Missed,
}

impl JobOutcome {
    const ALL: [Self; 6] = [
        Self::Succeeded,
        Self::Failed,
        Self::Replaced,
        Self::Interrupted,
        Self::Skipped,
        Self::Missed,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Replaced => "replaced",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        }
    }

    /// Whether it ran.
    pub const fn has_run(self) -> bool {
        !matches!(self, Self::Skipped | Self::Missed)
    }
}

/// A run that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewJobRun<'a> {
    pub(crate) job: &'a JobName,
    pub(crate) service: &'a ServiceName,
    pub(crate) release: Option<&'a str>,
    pub(crate) due: Option<SystemTime>,
    pub(crate) who: Option<&'a str>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) struct JobEnd {
    pub(crate) outcome: JobOutcome,
    pub(crate) attempts: u32,
    pub(crate) code: Option<i32>,
    pub(crate) why: Option<String>,
    pub(crate) output: String,
}

impl Journal {
    /// Until when what was due of `job` is decided, by the timetable that is written so.
    pub(crate) fn heeded(
        &self,
        job: &JobName,
        schedule: &str,
    ) -> Result<Option<SystemTime>, JournalError> {
        self.with(|db| {
            let sql = "SELECT heeded FROM job WHERE name = ?1 AND schedule = ?2";
            let found = db.query_row(sql, [job.as_str(), schedule], |row| row.get(0));
            Ok(found.optional()?.map(time))
        })
    }

    /// What was due of `job` until then is decided.
    pub(crate) fn heed(
        &self,
        job: &JobName,
        schedule: &str,
        until: SystemTime,
    ) -> Result<(), JournalError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO job (name, schedule, heeded) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET schedule = ?2, heeded = ?3",
                params![job.as_str(), schedule, millis(until)],
            )
        })?;
        Ok(())
    }

    /// A run begins. Its number.
    ///
    /// # Errors
    /// When it cannot be written, or would leave less room than what runs may need.
    pub(crate) fn begin_run(
        &self,
        new: &NewJobRun<'_>,
        now: SystemTime,
    ) -> Result<i64, JournalError> {
        let NewJobRun { job, service, release, due, who } = *new;
        self.write(|db| {
            reserve::keep(db)?;
            db.execute(
                "INSERT INTO job_run (job, service, release, due, who, began_at, attempts, output)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, '')",
                params![job.as_str(), service.as_str(), release, due.map(millis), who, millis(now)],
            )?;
            Ok(db.last_insert_rowid())
        })
    }

    /// A run has ended, and too old ones are forgotten.
    pub(crate) fn end_run(
        &self,
        run: i64,
        end: &JobEnd,
        now: SystemTime,
    ) -> Result<(), JournalError> {
        let JobEnd { outcome, attempts, code, why, output } = end;
        self.write(|db| {
            let all = db.unchecked_transaction()?;
            all.execute(
                "UPDATE job_run SET ended_at = ?2, outcome = ?3, attempts = ?4, code = ?5, why = ?6, output = ?7
                 WHERE id = ?1",
                params![run, millis(now), outcome.as_str(), attempts, code, why, output],
            )?;
            prune(&all, run)?;
            all.commit()
        })?;
        self.wipe();
        Ok(())
    }

    /// A job was due, and is not run.
    pub(crate) fn note_no_run(
        &self,
        new: &NewJobRun<'_>,
        end: &JobEnd,
        now: SystemTime,
    ) -> Result<(), JournalError> {
        let run = self.begin_run(new, now)?;
        self.end_run(run, end, now)
    }

    /// What an earlier Plimsoll left open was cut short by its end.
    pub(crate) fn interrupt_runs(&self, now: SystemTime) -> Result<Vec<JobRun>, JournalError> {
        let open = self.with(|db| {
            let mut query =
                db.prepare("SELECT * FROM job_run WHERE ended_at IS NULL ORDER BY id")?;
            query.query_map([], job_run)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        if !open.is_empty() {
            self.write(|db| {
                db.execute(
                    "UPDATE job_run SET ended_at = ?1, outcome = ?2, why = 'Plimsoll ended while it ran, and it was stopped'
                     WHERE ended_at IS NULL",
                    params![millis(now), JobOutcome::Interrupted.as_str()],
                )
            })?;
        }
        Ok(open)
    }

    /// The runs of `job`, the latest first, at most `limit`.
    pub(crate) fn job_runs(
        &self,
        job: &JobName,
        limit: usize,
    ) -> Result<Vec<JobRun>, JournalError> {
        self.with(|db| {
            let mut query = db
                .prepare_cached("SELECT * FROM job_run WHERE job = ?1 ORDER BY id DESC LIMIT ?2")?;
            query.query_map(params![job.as_str(), limit as i64], job_run)?.collect()
        })
    }
}

/// Forgets what is too old of the job of `run`: apart from each other what ran and what did not, so that neither takes the other's place.
fn prune(db: &rusqlite::Connection, run: i64) -> rusqlite::Result<usize> {
    let kinds = ["IN ('skipped', 'missed')", "NOT IN ('skipped', 'missed')"];
    let mut gone = 0;
    for kind in kinds {
        let sql = format!(
            "DELETE FROM job_run WHERE job = (SELECT job FROM job_run WHERE id = ?1) AND outcome {kind} AND id NOT IN
             (SELECT id FROM job_run WHERE job = (SELECT job FROM job_run WHERE id = ?1) AND outcome {kind}
              ORDER BY id DESC LIMIT ?2)"
        );
        gone += db.prepare_cached(&sql)?.execute(params![run, RUNS_KEPT])?;
    }
    Ok(gone)
}

fn job_run(row: &Row<'_>) -> rusqlite::Result<JobRun> {
    let outcome: Option<String> = row.get(9)?;
    let known = |word: String| JobOutcome::ALL.into_iter().find(|it| it.as_str() == word);
    Ok(JobRun {
        id: row.get(0)?,
        job: row.get::<_, String>(1)?.into(),
        service: row.get::<_, String>(2)?.into(),
        release: row.get(3)?,
        due: row.get::<_, Option<i64>>(4)?.map(time),
        who: row.get(5)?,
        began_at: time(row.get(6)?),
        ended_at: row.get::<_, Option<i64>>(7)?.map(time),
        attempts: row.get(8)?,
        outcome: outcome.and_then(known),
        code: row.get(10)?,
        why: row.get(11)?,
        output: row.get(12)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn journal(room: &std::path::Path) -> Journal {
        Journal::open(room, None, Default::default()).unwrap()
    }

    fn new<'a>(job: &'a JobName, service: &'a ServiceName) -> NewJobRun<'a> {
        NewJobRun { job, service, release: Some("1"), due: Some(UNIX_EPOCH), who: None }
    }

    fn end(outcome: JobOutcome) -> JobEnd {
        let (why, output) = (Some("it ended".to_owned()), "one\ntwo".to_owned());
        JobEnd { outcome, attempts: 2, code: Some(3), why, output }
    }

    #[test]
    fn runs_and_what_was_heeded_are_there_after_a_restart_and_what_was_open_was_cut_short() {
        let room = tempfile::tempdir().unwrap();
        let (crawl, api) = (JobName::from("crawl"), ServiceName::from("api"));
        let later = UNIX_EPOCH + Duration::from_secs(60);
        let before = journal(room.path());
        assert_eq!(before.heeded(&crawl, "* UTC").unwrap(), None);
        before.heed(&crawl, "* UTC", later).unwrap();
        let first = before.begin_run(&new(&crawl, &api), UNIX_EPOCH).unwrap();
        before.end_run(first, &end(JobOutcome::Failed), later).unwrap();
        let open = before.begin_run(&new(&crawl, &api), later).unwrap();
        drop(before);

        let journal = journal(room.path());
        assert_eq!(journal.heeded(&crawl, "* UTC").unwrap(), Some(later));
        assert_eq!(journal.heeded(&crawl, "5 UTC").unwrap(), None, "it is another timetable");
        let cut_short = journal.interrupt_runs(later).unwrap();
        assert_eq!(cut_short.iter().map(|run| run.id).collect::<Vec<_>>(), [open]);
        assert_eq!(journal.interrupt_runs(later).unwrap(), []);
        let runs = journal.job_runs(&crawl, 9).unwrap();
        assert_eq!(runs[0].outcome, Some(JobOutcome::Interrupted));
        let failed = &runs[1];
        assert_eq!(
            (failed.outcome, failed.code, failed.attempts),
            (Some(JobOutcome::Failed), Some(3), 2)
        );
        assert_eq!((&*failed.output, failed.ended_at), ("one\ntwo", Some(later)));
    }

    #[test]
    fn what_was_not_run_takes_no_place_of_what_was() {
        let room = tempfile::tempdir().unwrap();
        let (crawl, other, api) = (JobName::from("crawl"), "other".into(), "api".into());
        let journal = journal(room.path());
        let done = journal.begin_run(&new(&crawl, &api), UNIX_EPOCH).unwrap();
        journal.end_run(done, &end(JobOutcome::Succeeded), UNIX_EPOCH).unwrap();
        let others = journal.begin_run(&new(&other, &api), UNIX_EPOCH).unwrap();
        for _ in 0..RUNS_KEPT + 5 {
            let skipped = end(JobOutcome::Skipped);
            journal.note_no_run(&new(&crawl, &api), &skipped, UNIX_EPOCH).unwrap();
        }
        let runs = journal.job_runs(&crawl, 1000).unwrap();
        assert_eq!(runs.len() as i64, RUNS_KEPT + 1);
        assert_eq!(runs.last().map(|run| run.id), Some(done));
        assert_eq!(journal.job_runs(&other, 9).unwrap()[0].id, others);
    }
}
