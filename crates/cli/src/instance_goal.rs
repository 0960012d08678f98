//! An instance that a command changes, and the wait until it stands as the command wants it.
//!
//! Owns the options of such a command and the asking, again and again, for the time that the user gives it. What is wanted,
//! and in which words it is told, is each command's own.

use std::time::{Duration, Instant};

use admin::{Client, Instance, Service};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::{output, quantity};

/// How often it is asked how the instance stands.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// How long is waited if nobody says: longer than anyone waits.
const FOREVER: &str = "365d";

/// An instance of a running Plimsoll, and how long to wait for it. Each command says for what.
#[derive(Debug, clap::Args)]
pub(crate) struct OfInstance {
    /// The instance, as `plimsoll status` names it
    #[arg(index = 2)]
    pub(crate) instance: String,
    /// Wait for it, at most this long
    #[arg(long, value_name = "TIMEOUT", num_args = 0..=1, default_missing_value = FOREVER)]
    #[arg(value_parser = quantity::duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// How an instance shall stand.
pub(crate) struct Goal {
    /// Whether it does.
    pub(crate) is_reached: fn(&Instance) -> bool,
    /// Whether one that its service has no more is as good.
    pub(crate) is_reached_when_gone: fn(&Service) -> bool,
    /// Why it does not, after so long.
    pub(crate) late: fn(Instance, Duration) -> Failure,
    /// How it stands, for people.
    pub(crate) describe: fn(&str, &Instance) -> String,
}

impl Goal {
    /// Shows how the instance stands; where the user asked for it, after waiting until it stands as it shall.
    pub(crate) async fn reach(
        &self,
        client: &Client,
        options: &OfInstance,
        mut stands: Instance,
    ) -> Result<Exit, Failure> {
        let OfService { service, form, .. } = &options.of;
        if let Some(limit) = options.wait.filter(|_| !(self.is_reached)(&stands)) {
            if !form.json {
                output::out(&(self.describe)(service, &stands));
            }
            stands = self.wait(client, options, limit, stands).await?;
        }
        match form.json {
            true => output::json(&stands),
            false => output::out(&(self.describe)(service, &stands)),
        }
        Ok(Exit::Done)
    }

    async fn wait(
        &self,
        client: &Client,
        options: &OfInstance,
        limit: Duration,
        mut stands: Instance,
    ) -> Result<Instance, Failure> {
        let OfInstance { instance, of: OfService { service, .. }, .. } = options;
        let begin = Instant::now();
        while !(self.is_reached)(&stands) {
            if begin.elapsed() >= limit {
                return Err((self.late)(stands, limit));
            }
            tokio::time::sleep(ASK_EVERY.min(limit)).await;
            let status = client.status().await?;
            let Some(now) = status.instance(service, instance) else {
                // It was taken out of the file meanwhile, or stopped.
                let of = status.services.into_iter().find(|it| it.name == *service);
                return match of {
                    Some(of) if (self.is_reached_when_gone)(&of) => Ok(without_anything(stands)),
                    of => Err(gone(options, of)),
                };
            };
            stands = now.clone();
        }
        Ok(stands)
    }
}

/// One that is stopped: nothing is open on it.
fn without_anything(last: Instance) -> Instance {
    Instance { in_flight: 0, oldest_s: None, open: None, ..last }
}

fn gone(options: &OfInstance, of: Option<Service>) -> Failure {
    let known = of.into_iter().flat_map(|it| it.instances).map(|it| it.name).collect();
    let (service, instance) = (options.of.service.clone(), options.instance.clone());
    Failure::NoInstance { service, instance, known }
}
