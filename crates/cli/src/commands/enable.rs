//! `plimsoll enable`: an instance that was drained gets traffic again.

use admin::{Access, Instance};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::OfService;
use crate::output;

/// Send requests to a drained instance again
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  plimsoll enable api 10.0.0.11:8080")]
pub(crate) struct Options {
    /// The instance, as `plimsoll status` names it
    #[arg(index = 2)]
    instance: String,
    #[command(flatten)]
    pub(crate) of: OfService,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.of.which.client()?;
    let (service, instance) = (&options.of.service, &options.instance);
    let stands = super::block_on(async { Ok(client.enable(service, instance).await?) })?;
    match options.of.form.json {
        true => output::json(&stands),
        false => output::out(&describe(service, &stands)),
    }
    Ok(Exit::Done)
}

fn describe(service: &str, stands: &Instance) -> String {
    let gets = match stands.access {
        Access::Open | Access::OpenInPanic => "gets traffic",
        Access::Reserve => "gets traffic when no primary can",
        Access::Barred => "gets no traffic yet",
    };
    let (name, state, reason) = (&stands.name, stands.state.as_str(), &stands.reason);
    format!("{}\n", shown(&format!("{service} {name} {gets}: {state}, {reason}")))
}
