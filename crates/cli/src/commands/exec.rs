//! `plimsoll exec`: a program that runs once as the instances of a service do, in place of this command.

use std::ffi::OsString;

use driver::{Once, RunsAs};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Which;

/// Run a command with the environment of a service's release
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It has the environment, the secrets, the directory and the user of the release that runs, and this
terminal; nothing looks after it, and the exit code is its own. Where the service has a `user`, run this as root. It asks Plimsoll
over its socket on this machine, and never over TCP.

Exit codes: the command's own; 3 refused before it ran.

Examples:
  plimsoll exec api -- ./console
  plimsoll exec api -- sh -c 'echo $DATABASE_URL'")]
pub(crate) struct Options {
    /// The service
    #[arg(index = 1)]
    service: String,
    /// The command and its arguments, as they are
    #[arg(index = 2, required = true, last = true, value_name = "COMMAND")]
    words: Vec<OsString>,
    #[command(flatten)]
    pub(crate) which: Which,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { service, words, which } = options;
    let client = which.client()?;
    let surroundings = super::block_on(async { Ok(client.surroundings(&service).await?) })?;
    let admin::Surroundings { directory, environment, uid, gid, groups, .. } = surroundings;
    let once = Once {
        words,
        directory: directory.into(),
        environment: environment.into_iter().collect(),
        identity: RunsAs { uid, gid, groups },
    };
    // It comes back only where it does not run.
    Err(Failure::NotExecuted(once.become_it()))
}
