//! `plimsoll run-job`: runs a job now, shows what it writes, and ends as it does.

use admin::{Client, JobOutput, JobRun, NewJobRun};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::{Endpoint, Form};
use crate::output;
use crate::progress::Patience;
use crate::who::who;

/// Run a job now, and show what it writes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It is run by the running Plimsoll, with its service's live release, as when it is due: with its time limit
and its retries, and written down with its output. Where it runs already, `overlap = \"replace\"` stops
that run for this one; otherwise this one is refused. The job goes on if this command is interrupted.

Exit codes: the job's own; 1 where it has none, as when its time is over; 3 refused before it ran.

Examples:
  plimsoll run-job crawl
  plimsoll run-job crawl --no-wait")]
pub(crate) struct Options {
    /// The job
    #[arg(index = 1)]
    job: String,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    pub(crate) at: Endpoint,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { job, no_wait, at, form } = options;
    let client = at.client()?;
    super::block_on(async {
        let started = client.run_job(&job, &NewJobRun { who: who() }).await?;
        if no_wait {
            match form.json {
                true => output::json(&started),
                false => output::out(&format!("run {} of {} started\n", started.run, shown(&job))),
            }
            return Ok(Exit::Done);
        }
        let tell = |line: &str| {
            if !form.json {
                output::out(&format!("{line}\n"));
            }
        };
        let end = tokio::select! {
            end = listen(&client, &job, started.run, tell) => end?,
            Ok(()) = tokio::signal::ctrl_c() => {
                let job = shown(&job);
                let run = started.run;
                output::err(&format!("run {run} of {job} goes on: `plimsoll jobs {job}`\n"));
                return Ok(Exit::Interrupted);
            }
        };
        match form.json {
            true => output::json(&end),
            false => output::err(&ending(&job, &end)),
        }
        Ok(exit(&end))
    })
}

/// Tells each line until the run is over. How it ended.
async fn listen(
    client: &Client,
    job: &str,
    run: i64,
    tell: impl Fn(&str),
) -> Result<JobRun, Failure> {
    let (mut told, mut patience) = (0, Patience::default());
    loop {
        let asked = patience.of(client, async || client.job_output(job, run, told).await);
        let JobOutput { from, lines, end } = asked.await?;
        if from > told {
            tell(&format!("... {} lines are left out", from - told));
        }
        told = from + lines.len();
        lines.iter().for_each(|line| tell(line));
        if let Some(end) = end {
            return Ok(end);
        }
    }
}

/// How it ended, where its exit code does not say it all.
fn ending(job: &str, end: &JobRun) -> String {
    match &end.why {
        Some(why) => format!("{}: {}\n", shown(job), shown(why)),
        None => String::new(),
    }
}

/// Its own exit code; that of a failure where it has none.
fn exit(end: &JobRun) -> Exit {
    let code = end.exit_code.and_then(|code| u8::try_from(code).ok());
    match (end.outcome.as_deref(), code) {
        (Some("succeeded"), _) => Exit::Done,
        (_, Some(code)) if code != 0 => Exit::Of(code),
        _ => Exit::Failed,
    }
}
