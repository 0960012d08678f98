//! `plimsoll status`: what is served, and how each instance fares. Owns the asking; `text` is what is shown, `table` its
//! tables, `notes` what stands below them.

mod notes;
mod table;
mod text;

use std::io::{self, IsTerminal};
use std::time::Duration;

use admin::{Client, ClientError, Status};
use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::{Endpoint, Form};
use crate::output;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::width::columns;
use text::draw;

/// Show every instance: state and why, weight, in flight, req/s, 5xx, p50, p99
#[derive(Debug, clap::Args)]
#[command(after_help = "\
REQ/S is of the last ten seconds; 5XX (with resets and timeouts), P50 and P99 are of the last
minute, from an attempt's start to the head of the instance's response.

Examples:
  plimsoll status
  plimsoll status api
  plimsoll status --watch
  plimsoll status --json | jq '.services[].instances[] | select(.state != \"healthy\")'")]
pub(crate) struct Options {
    /// One service alone
    service: Option<String>,
    /// Refresh every second, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    pub(crate) at: Endpoint,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.at.client()?;
    super::block_on(async {
        let service = options.service.as_deref();
        match options.watch {
            true => watch(&client, service, &options.form).await?,
            false if options.form.json => output::json(&ask(&client, service).await?),
            false => output::out(&draw(&ask(&client, service).await?, Timestamp::now(), columns())),
        }
        Ok(Exit::Done)
    })
}

/// The status; of one service alone where one is named.
async fn ask(client: &Client, service: Option<&str>) -> Result<Status, Failure> {
    let mut status = client.status().await?;
    let Some(service) = service else { return Ok(status) };
    if !status.services.iter().any(|other| other.name == service) {
        let known = status.services.into_iter().map(|other| other.name).collect();
        return Err(Failure::NoService { service: service.to_owned(), known });
    }
    status.services.retain(|other| other.name == service);
    Ok(status)
}

/// Shows it every second until it is told to end. What is not running may come back.
async fn watch(client: &Client, service: Option<&str>, form: &Form) -> Result<(), Failure> {
    let signals = Signals::listen();
    let mut signals =
        signals.map_err(|source| Failure::System { what: "listen to signals", source })?;
    let screen = (!form.json && io::stdout().is_terminal()).then(Screen::open);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            _ = signals.next() => return Ok(()),
        }
        match (&screen, ask(client, service).await) {
            (Some(screen), Ok(status)) => {
                screen.draw(&draw(&status, Timestamp::now(), columns()));
            }
            (Some(screen), Err(Failure::Client(error @ ClientError::NotRunning { .. }))) => {
                screen.draw(&format!("{error}\n"));
            }
            (None, Ok(status)) if form.json => output::json_line(&status),
            (None, Ok(status)) => {
                output::out(&format!("{}\n", draw(&status, Timestamp::now(), columns())));
            }
            (_, Err(error)) => return Err(error),
        }
    }
}
