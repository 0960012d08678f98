//! `plimsoll scale`: how many instances of a service run.

use std::time::{Duration, Instant};

use admin::{Client, Scale, Scaled, Service};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::{output, quantity};

/// How often it is asked how many there are.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How long is waited if nobody says.
const WAIT: &str = "5m";

/// Run another number of instances of a service
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It holds over restarts and deploys until the file says another `replicas` than it does now; the
file's own number ends it, too. Requests lose nothing: those that are too many are drained first.
While a deploy runs it counts from its end on.

Examples:
  plimsoll scale api 4
  plimsoll scale api 4 --wait        until four are up")]
pub(crate) struct Options {
    /// How many instances, from 1 to 1000
    #[arg(index = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    replicas: u32,
    /// Wait until as many are up, at most this long
    #[arg(long, value_name = "TIMEOUT", num_args = 0..=1, default_missing_value = WAIT)]
    #[arg(value_parser = quantity::duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { replicas, wait, of: OfService { service, at, form } } = options;
    let client = at.client()?;
    super::block_on(async {
        let scaled = client.scale(&service, &Scale { replicas }).await?;
        match form.json {
            true => output::json(&scaled),
            false => output::out(&described(&service, &scaled)),
        }
        match wait {
            Some(limit) => until_up(&client, &service, replicas, limit).await,
            None => Ok(Exit::Done),
        }
    })
}

fn described(service: &str, scaled: &Scaled) -> String {
    let Scaled { replicas, of_file, after_deploy } = scaled;
    let file = match replicas == of_file {
        true => ", as the file says".to_owned(),
        false => format!("; the file says {of_file}, and counts again when it says otherwise"),
    };
    let when = match after_deploy {
        Some(deploy) => format!(", from the end of deploy {deploy} on"),
        None => String::new(),
    };
    format!("{service}: {replicas} instances{when}{file}\n")
}

async fn until_up(
    client: &Client,
    service: &str,
    replicas: u32,
    limit: Duration,
) -> Result<Exit, Failure> {
    let begin = Instant::now();
    loop {
        let status = client.status().await?;
        let of = status.services.iter().find(|it| it.name == service);
        if of.is_some_and(|of| is_up(of, replicas)) {
            return Ok(Exit::Done);
        }
        if begin.elapsed() >= limit {
            let (service, waited) = (service.to_owned(), limit);
            return Err(Failure::NotScaled { service, replicas, waited });
        }
        tokio::time::sleep(ASK_EVERY.min(limit)).await;
    }
}

/// Whether exactly as many get requests, and nothing comes or goes.
fn is_up(service: &Service, replicas: u32) -> bool {
    let is_barred = |it: &admin::Instance| it.access == admin::Access::Barred;
    let is_quiet = service.run.as_ref().is_some_and(|run| run.waiting.is_empty());
    let open = service.instances.iter().filter(|it| !is_barred(it)).count();
    is_quiet && open == replicas as usize && service.instances.len() == open
}
