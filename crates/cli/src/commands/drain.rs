//! `plimsoll drain`: an instance gets nothing new, so that it can be stopped without a lost
//! request.

use std::time::{Duration, Instant};

use admin::{Client, Instance};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::quantity;
use crate::{open, output};

/// How often it is asked whether something is still open.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// How long is waited if nobody says: longer than anyone waits.
const FOREVER: &str = "365d";

/// Stop sending new requests to an instance; let open ones finish
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It stays drained, over reloads and restarts too, until `plimsoll enable`. Exits with 1 if
something is still open on it when the time to wait is over.

Examples:
  plimsoll drain api 10.0.0.11:8080
  plimsoll drain api 10.0.0.11:8080 --wait 30s && ssh 10.0.0.11 systemctl restart api")]
pub(crate) struct Options {
    /// The instance, as `plimsoll status` names it
    #[arg(index = 2)]
    instance: String,
    /// Wait until nothing is open on it, at most this long
    #[arg(long, value_name = "TIMEOUT", num_args = 0..=1, default_missing_value = FOREVER)]
    #[arg(value_parser = quantity::duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.of.which.client()?;
    super::block_on(drain(&client, &options))
}

async fn drain(client: &Client, options: &Options) -> Result<Exit, Failure> {
    let (service, instance) = (&options.of.service, &options.instance);
    let mut stands = client.drain(service, instance).await?;
    if let Some(limit) = options.wait {
        if !options.of.form.json {
            output::out(&describe(service, &stands));
        }
        stands = wait(client, options, limit, stands).await?;
    }
    match options.of.form.json {
        true => output::json(&stands),
        false => output::out(&describe(service, &stands)),
    }
    Ok(Exit::Done)
}

/// Waits until nothing is open on the instance.
async fn wait(
    client: &Client,
    options: &Options,
    limit: Duration,
    mut stands: Instance,
) -> Result<Instance, Failure> {
    let begin = Instant::now();
    while stands.in_flight > 0 {
        if begin.elapsed() >= limit {
            let open = open::told(&stands).unwrap_or_default();
            return Err(Failure::StillOpen { open, waited: limit });
        }
        tokio::time::sleep(ASK_EVERY.min(limit)).await;
        let status = client.status().await?;
        match status.instance(&options.of.service, &options.instance) {
            Some(now) => stands = now.clone(),
            // It was taken out of the file meanwhile.
            None => break,
        }
    }
    Ok(stands)
}

fn describe(service: &str, stands: &Instance) -> String {
    let name = &stands.name;
    match open::told(stands) {
        None => format!("{service} {name} is drained: nothing is open on it\n"),
        Some(open) => format!("{service} {name} gets nothing new; still open: {open}\n"),
    }
}
