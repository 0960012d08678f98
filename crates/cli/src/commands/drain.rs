//! `plimsoll drain`: an instance gets nothing new, so that it can be stopped without a lost
//! request.

use admin::Instance;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::instance_goal::{Goal, OfInstance};
use crate::open;

/// Stop sending new requests to an instance; let open ones finish
#[derive(Debug, clap::Args)]
#[command(mut_arg("wait", |wait| wait.help("Wait until nothing is open on it, at most this long")))]
#[command(after_help = "\
It stays drained, over reloads and restarts too, until `plimsoll enable`. Exits with 1 if
something is still open on it when the time to wait is over.

Examples:
  plimsoll drain api 10.0.0.11:8080
  plimsoll drain api 10.0.0.11:8080 --wait 30s && ssh 10.0.0.11 systemctl restart api")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) of: OfInstance,
}

/// Nothing is open on it.
const EMPTY: Goal = Goal {
    is_reached: |stands| stands.in_flight == 0,
    // What Plimsoll runs is gone when it has ended. What somebody else runs may still respond to what was open on it.
    is_reached_when_gone: |service| service.run.is_some(),
    late: |stands, waited| {
        let open = open::told(&stands).unwrap_or_default();
        Failure::StillOpen { open, waited }
    },
    describe,
};

pub(crate) fn run(Options { of: options }: Options) -> Result<Exit, Failure> {
    let client = options.of.at.client()?;
    super::block_on(async {
        let stands = client.drain(&options.of.service, &options.instance).await?;
        EMPTY.reach(&client, &options, stands).await
    })
}

fn describe(service: &str, stands: &Instance) -> String {
    let name = &stands.name;
    match open::told(stands) {
        None => format!("{service} {name} is drained: nothing is open on it\n"),
        Some(open) => format!("{service} {name} gets nothing new; still open: {open}\n"),
    }
}
