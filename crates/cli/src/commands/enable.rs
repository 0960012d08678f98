//! `plimsoll enable`: an instance that was drained gets traffic again.

use admin::{Access, Instance};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::instance_goal::{Goal, OfInstance};

/// Send requests to a drained instance again
#[derive(Debug, clap::Args)]
#[command(mut_arg("wait", |wait| wait.help("Wait until it gets traffic, at most this long")))]
#[command(after_help = "\
With --wait it ends once the instance gets traffic: after its check has passed, where there is one.
Exits with 1 if it gets none when the time to wait is over.

Examples:
  plimsoll enable api 10.0.0.11:8080
  plimsoll enable api 10.0.0.11:8080 --wait 30s && plimsoll drain api 10.0.0.12:8080 --wait")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) of: OfInstance,
}

/// It gets traffic because it is well, and not because no other is.
const SERVING: Goal = Goal {
    is_reached: |stands| match stands.access {
        Access::Open | Access::Reserve => true,
        Access::OpenInPanic | Access::Barred => false,
    },
    is_reached_when_gone: |_| false,
    late: |stands, waited| {
        let (state, reason) = (stands.state.as_str(), stands.reason);
        Failure::NoTraffic { state, reason, waited }
    },
    describe,
};

pub(crate) fn run(Options { of: options }: Options) -> Result<Exit, Failure> {
    let client = options.of.at.client()?;
    super::block_on(async {
        let stands = client.enable(&options.of.service, &options.instance).await?;
        SERVING.reach(&client, &options, stands).await
    })
}

fn describe(service: &str, stands: &Instance) -> String {
    let gets = match stands.access {
        Access::Open => "gets traffic",
        Access::OpenInPanic => "gets traffic, as no instance is healthy",
        Access::Reserve => "gets traffic when no primary can",
        Access::Barred => "gets no traffic yet",
    };
    let (name, state, reason) = (&stands.name, stands.state.as_str(), &stands.reason);
    format!("{}\n", shown(&format!("{service} {name} {gets}: {state}, {reason}")))
}
