//! `plimsoll jobs`: when each job is due, and what came of its runs.

use std::time::Duration;

use admin::{Job, JobRun};
use anstyle::AnsiColor;
use jiff::Timestamp;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::{shown, shown_lines};
use crate::options::{Endpoint, Form};
use crate::output::{self, colour};
use crate::quantity::{ago, rough};
use crate::table::{Cell, Column, Table};
use crate::width::columns;

/// Show each job: when it is due, and what came of its runs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll jobs
  plimsoll jobs crawl        the runs of one job, with what the last ones wrote
  plimsoll jobs --json | jq '.jobs[] | {name, next}'")]
pub(crate) struct Options {
    /// One job
    #[arg(index = 1)]
    job: Option<String>,
    #[command(flatten)]
    pub(crate) at: Endpoint,
    #[command(flatten)]
    form: Form,
}

/// Of so many of the last runs is shown what they wrote.
const WITH_OUTPUT: usize = 3;

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { job, at, form } = options;
    let client = at.client()?;
    if let Some(job) = job {
        let job = super::block_on(async { Ok(client.job(&job).await?) })?;
        match form.json {
            true => output::json(&job),
            false => output::out(&one(&job, Timestamp::now(), columns())),
        }
        return Ok(Exit::Done);
    }
    let jobs = super::block_on(async { Ok(client.jobs().await?) })?;
    match form.json {
        true => output::json(&jobs),
        false => output::out(&all(&jobs.jobs, Timestamp::now(), columns())),
    }
    Ok(Exit::Done)
}

/// All jobs as they stand at `now`.
fn all(jobs: &[Job], now: Timestamp, width: usize) -> String {
    if jobs.is_empty() {
        return "there are no jobs: `[jobs.NAME]` of the file defines one\n".to_owned();
    }
    let mut table = Table::new([
        Column::Left("JOB"),
        Column::Left("SERVICE"),
        Column::Left("SCHEDULE"),
        Column::Left("NEXT"),
        Column::Left("LAST"),
        Column::Left("OUTCOME"),
    ]);
    for job in jobs {
        let last = job.runs.iter().find(|run| has_run(run));
        let began = last.map(|run| ago(&run.began_at, now)).unwrap_or_default();
        let outcome = last.map_or(Cell::from(""), |run| outcome(job, run, now));
        let cells = [
            job.name.as_str().into(),
            job.service.as_str().into(),
            schedule(job).into(),
            job.next.as_deref().map_or_else(|| "by hand".to_owned(), |at| until(at, now)).into(),
            began.into(),
            outcome,
        ];
        // What was not run since then is news.
        let first = job.runs.first().filter(|run| !has_run(run));
        let below = first.and_then(|run| not_run(run, now));
        let why = last.and_then(|run| run.why.clone());
        table.row_above(cells, &below.or(why).unwrap_or_default());
    }
    table.fit(width, &["SERVICE"])
}

/// One job with its runs, the latest first.
fn one(job: &Job, now: Timestamp, width: usize) -> String {
    let mut text = format!("{}: {}", shown(&job.name), shown(&job.command));
    text.push_str(&format!(", run by {}", shown(&job.service)));
    match &job.next {
        Some(next) => {
            text.push_str(&format!(", {}, next {}\n", schedule(job), until(next, now)));
        }
        None => text.push_str(", by hand alone\n"),
    }
    if job.runs.is_empty() {
        return text + "it has not run yet\n";
    }
    let mut table = Table::new([
        Column::Right("RUN"),
        Column::Left("WHEN"),
        Column::Left("OUTCOME"),
        Column::Right("TOOK"),
        Column::Right("TRIES"),
        Column::Left("RELEASE"),
        Column::Left("BY"),
    ]);
    for run in &job.runs {
        let tries = if run.attempts > 0 { run.attempts.to_string() } else { String::new() };
        let cells = [
            run.id.to_string().into(),
            ago(&run.began_at, now).into(),
            outcome(job, run, now),
            took(run).unwrap_or_default().into(),
            tries.into(),
            run.release.clone().unwrap_or_default().into(),
            run.who.clone().unwrap_or_default().into(),
        ];
        table.row_above(cells, run.why.as_deref().unwrap_or_default());
    }
    text.push_str(&table.fit(width, &["RELEASE", "TRIES"]));
    for run in job.runs.iter().filter(|run| has_run(run)).take(WITH_OUTPUT) {
        if let Some(output) = run.output.as_ref().filter(|output| !output.is_empty()) {
            text.push_str(&format!("\nrun {} wrote:\n", run.id));
            output.lines().for_each(|line| text.push_str(&format!("  {}\n", shown_lines(line))));
        }
    }
    text
}

fn schedule(job: &Job) -> String {
    match (&job.schedule, job.time_zone.as_deref()) {
        (None, _) => String::new(),
        (Some(schedule), None | Some("UTC")) => schedule.clone(),
        (Some(schedule), Some(zone)) => format!("{schedule} ({zone})"),
    }
}

/// Whether it ran, or runs.
fn has_run(run: &JobRun) -> bool {
    !matches!(run.outcome.as_deref(), Some("skipped" | "missed"))
}

fn outcome(job: &Job, run: &JobRun, now: Timestamp) -> Cell {
    let text = match (run.outcome.as_deref(), run.exit_code) {
        (None, _) => match &job.retry_at {
            Some(at) => format!("failed, again {}", until(at, now)),
            None => "running".to_owned(),
        },
        (Some("failed"), Some(code)) => format!("failed ({code})"),
        (Some(outcome), _) => outcome.to_owned(),
    };
    let hue = match run.outcome.as_deref() {
        Some("succeeded") => AnsiColor::Green,
        Some("failed") => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    Cell::styled(&text, colour(hue))
}

/// What is said of the last time that it was due and not run.
fn not_run(run: &JobRun, now: Timestamp) -> Option<String> {
    let outcome = run.outcome.as_deref()?;
    let why = run.why.as_deref().unwrap_or_default();
    Some(format!("{outcome} {}: {why}", ago(&run.began_at, now)))
}

fn took(run: &JobRun) -> Option<String> {
    let began = run.began_at.parse::<Timestamp>().ok()?;
    let ended = run.ended_at.as_ref()?.parse::<Timestamp>().ok()?;
    has_run(run).then(|| rough(Duration::try_from(ended.duration_since(began)).unwrap_or_default()))
}

/// How long it is until `at`.
fn until(at: &str, now: Timestamp) -> String {
    let Ok(time) = at.parse::<Timestamp>() else { return shown(at).into_owned() };
    let left = Duration::try_from(time.duration_since(now)).unwrap_or_default();
    format!("in {}", rough(Duration::from_secs(left.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: i64, outcome: Option<&str>, why: Option<&str>) -> JobRun {
        let has_run = !matches!(outcome, Some("skipped" | "missed"));
        JobRun {
            id,
            release: has_run.then(|| "1.4.2".to_owned()),
            due: Some("2026-01-02T03:00:00Z".to_owned()),
            who: None,
            began_at: "2026-01-02T03:00:00Z".to_owned(),
            ended_at: outcome.map(|_| "2026-01-02T03:00:09Z".to_owned()),
            attempts: has_run.into(),
            outcome: outcome.map(str::to_owned),
            exit_code: (outcome == Some("failed")).then_some(3),
            why: why.map(str::to_owned),
            output: Some(if has_run { "one\n\u{1b}[31mtwo".to_owned() } else { String::new() }),
        }
    }

    fn job(name: &str, runs: Vec<JobRun>) -> Job {
        Job {
            name: name.to_owned(),
            service: "api".to_owned(),
            command: "./crawl".to_owned(),
            schedule: Some("*/10 * * * *".to_owned()),
            time_zone: Some("Asia/Seoul".to_owned()),
            overlap: "skip".to_owned(),
            next: Some("2026-01-02T03:20:00Z".to_owned()),
            retry_at: None,
            runs,
        }
    }

    #[test]
    fn each_job_is_a_line_with_what_is_news_below() {
        let failed = run(2, Some("failed"), Some("it exited with code 3"));
        let missed = run(3, Some("missed"), Some("it was due 3 times"));
        let by_hand = Job { schedule: None, time_zone: None, next: None, ..job("fix", Vec::new()) };
        let retried = Job {
            retry_at: Some("2026-01-02T03:14:35Z".to_owned()),
            ..job("mail", vec![run(7, None, None)])
        };
        let jobs = [
            job("crawl", vec![missed, run(1, Some("succeeded"), None)]),
            by_hand,
            retried,
            job("report", vec![failed]),
            job("sweep", vec![run(9, None, None)]),
        ];
        let now = "2026-01-02T03:14:05Z".parse().unwrap();
        let text = all(&jobs, now, 100);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
    }

    #[test]
    fn one_job_is_shown_with_its_runs_and_what_they_wrote() {
        let runs = vec![
            run(3, Some("skipped"), Some("the run before it goes on")),
            run(2, Some("failed"), Some("it exited with code 3")),
            JobRun { who: Some("ann@edge".to_owned()), ..run(1, Some("succeeded"), None) },
        ];
        let now = "2026-01-02T03:14:05Z".parse().unwrap();
        let text = one(&job("crawl", runs), now, 100);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
    }
}
