//! Starting a process up to the point where it waits to be let go.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, iter};

use super::Launcher;
use super::held::HeldProcess;
use super::launcher::HELD;
use super::pidfd::Pidfd;
use super::tag::Tag;
use super::terms::{Identity, Started, Terms};
use crate::command::{self, Facts};
use crate::driver::StartError;
use crate::environment::Environment;
use crate::launch::Launch;
use crate::port::Ports;
use crate::record::{ProcessIdentity, Record};
use crate::{log, procfs, program};

/// A launcher that says nothing for so long never will.
const LAUNCH_TIME: Duration = Duration::from_secs(30);

/// What is run, worked out.
struct Run {
    program: PathBuf,
    words: Vec<String>,
    environment: Environment,
    terms: Terms,
}

/// Starts the launcher for `launch`.
pub(super) fn spawn(
    launch: Launch,
    launcher: &Launcher,
    ports: &Ports,
) -> Result<HeldProcess, StartError> {
    let lease = ports.lease()?;
    let mark = mark();
    let run = work_out(&launch, launcher.started, lease.port(), &mark)?;
    let open = log::open(&launch.log);
    let (output, log_start) =
        open.map_err(|source| StartError::Log { path: launch.log.clone(), source })?;
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(LAUNCH_TIME))?;
    let mut child = start(&run, launcher, &launch.directory, theirs, output)?;
    let (pidfd, process) = match wait_for_launcher(&ours, &child) {
        Ok(known) => known,
        Err(error) => {
            end(&mut child);
            return Err(error);
        }
    };
    let record = Record {
        service: launch.service,
        instance: launch.instance,
        version: launch.version,
        port: lease.port(),
        log: launch.log,
        log_start,
        run: mark,
        process,
    };
    Ok(HeldProcess::new(record, run.program, ours, child, pidfd, lease, launch.upkeep))
}

/// Ends a child that never ran its program, and asks how it ended, as every child must be asked.
pub(super) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn work_out(launch: &Launch, started: Started, port: u16, mark: &str) -> Result<Run, StartError> {
    let facts = Facts {
        port,
        version: &launch.version,
        instance: launch.instance.as_str(),
        service: launch.service.as_str(),
    };
    let words = command::words(&launch.command, facts)?;
    check_directory(&launch.directory)?;
    let environment = launch.environment.clone().with(facts, mark);
    let program = program::find(&words[0], &launch.directory, environment.get("PATH"))?;
    let identity = launch.account.as_ref().map(Identity::from);
    let terms = Terms { started, tag: Tag::of_mark(mark), identity };
    Ok(Run { program, words, environment, terms })
}

fn check_directory(path: &Path) -> Result<(), StartError> {
    let checked = fs::metadata(path).and_then(|metadata| match metadata.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    checked.map_err(|source| StartError::Directory { path: path.to_owned(), source })
}

fn start(
    run: &Run,
    launcher: &Launcher,
    directory: &Path,
    line: UnixStream,
    output: fs::File,
) -> io::Result<Child> {
    // The command holds the other end of the line until it is dropped here.
    Command::new(&launcher.program)
        .args(&launcher.arguments)
        .arg(run.terms.to_text())
        .arg(&run.program)
        .args(&run.words)
        .env_clear()
        .envs(run.environment.pairs())
        .current_dir(directory)
        .stdin(Stdio::from(OwnedFd::from(line)))
        .stderr(output.try_clone()?)
        .stdout(output)
        .spawn()
}

fn wait_for_launcher(
    mut line: &UnixStream,
    child: &Child,
) -> Result<(Pidfd, ProcessIdentity), StartError> {
    let mut word = [0];
    if line.read(&mut word)? != 1 || word != HELD {
        return Err(StartError::Lost);
    }
    let pidfd = Pidfd::open(child.id())?.ok_or(StartError::Lost)?;
    Ok((pidfd, procfs::identity(child.id())?))
}

/// Sixteen letters that no other run has.
fn mark() -> String {
    iter::repeat_with(fastrand::alphanumeric).take(16).collect()
}
