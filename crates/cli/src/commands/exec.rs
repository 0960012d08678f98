//! `plimsoll exec`: a program that runs once as the instances of a service do, in place of this command.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};

use admin::{ContainerPlace, ProcessPlace};
use driver::{Once, OnceError, RunsAs};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Which;

/// Run a command with the environment of a service's release
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It has the environment, the secrets, the directory and the user of the release that runs, and this
terminal; nothing looks after it, and the exit code is its own. Where the service has a `user`, run
this as root. Of a service of containers it runs in one of them, by `docker exec`. It asks Plimsoll
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
    // Each comes back only where it does not run.
    match (surroundings.process, surroundings.container) {
        (Some(process), _) => Err(Failure::NotExecuted(beside(process, words))),
        (None, Some(container)) => Err(Failure::NotExecutedWithin(within(&container, words))),
        (None, None) => Err(Failure::NotExecuted(OnceError::Empty)),
    }
}

/// Becomes the program as the instances run that are processes.
fn beside(process: ProcessPlace, words: Vec<OsString>) -> OnceError {
    let ProcessPlace { directory, environment, uid, gid, groups } = process;
    let once = Once {
        words,
        directory: directory.into(),
        environment: environment.into_iter().collect(),
        identity: RunsAs { uid, gid, groups },
    };
    once.become_it()
}

/// Becomes the engine's own command, which runs the program in the container and knows how to pass on a terminal, signals and the
/// exit code.
fn within(container: &ContainerPlace, words: Vec<OsString>) -> OnceError {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let terminal = if is_terminal { "--tty" } else { "--tty=false" };
    let docker =
        ["docker", "--host", &container.engine, "exec", "--interactive", terminal, &container.id];
    let identity = match RunsAs::of_this_process() {
        Ok(identity) => identity,
        Err(source) => return OnceError::Identity { uid: 0, source },
    };
    let once = Once {
        words: docker.into_iter().map(OsString::from).chain(words).collect(),
        directory: env::current_dir().unwrap_or_else(|_| "/".into()),
        environment: env::vars().collect(),
        identity,
    };
    once.become_it()
}
