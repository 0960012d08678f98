//! Starting a process up to the point where it waits to be let go.

use std::fs;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Launcher;
use super::held::{HeldProcess, Waiting};
use super::launcher::HELD;
use super::notify;
use super::pidfd::Pidfd;
use super::tag::Tag;
use super::terms::{Credentials, Started, Terms};
use crate::command::{self, Facts};
use crate::driver::LaunchError;
use crate::environment::Environment;
use crate::launch::{Launch, Listening, Notify, ProcessStart};
use crate::port::Ports;
use crate::record::{ProcessIdentity, ProcessRecord, Record};
use crate::{log, procfs, program, record};

/// A launcher that says nothing for so long never will.
const LAUNCH_TIME: Duration = Duration::from_secs(30);

/// What is run, worked out.
struct Run {
    program: PathBuf,
    words: Vec<String>,
    environment: Environment,
    terms: Terms,
}

/// Starts the launcher for `launch`, whose output is appended to `log`.
pub(super) fn spawn(
    launch: Launch,
    log: PathBuf,
    launcher: &Launcher,
    ports: &Ports,
) -> Result<HeldProcess, LaunchError> {
    let lease = ports.lease()?;
    let mark = record::mark();
    let notices = match launch.upkeep.notify {
        Notify::Heard => Some(notify::listen(&mark)?),
        Notify::Unheard => None,
    };
    let open = log::open(&log);
    let (output, log_start) =
        open.map_err(|source| LaunchError::Log { path: log.clone(), source })?;
    let (ours, theirs) = line()?;
    let place = Place { port: lease.port(), mark: &mark };
    let command = &launch.composed.process().ok_or(LaunchError::OtherKind)?.command;
    let Spawned { mut child, program } =
        spawn_launcher(&launch, command, launcher, place, theirs, output)?;
    let (pidfd, leader) = match wait_for_launcher(&ours, &child) {
        Ok(known) => known,
        Err(error) => {
            end(&mut child);
            return Err(error);
        }
    };
    let own = ProcessRecord { leader, log, log_start };
    let record = Record {
        service: launch.service,
        instance: launch.instance,
        version: launch.version,
        address: (Ipv4Addr::LOCALHOST, lease.port()).into(),
        run: mark,
        identity: record::Identity::Process(own.clone()),
    };
    let waiting = Waiting { line: ours, child, pidfd, lease, own, notices };
    Ok(HeldProcess::new(record, program, waiting, launch.upkeep))
}

/// Ends a child that never ran its program, and asks how it ended, as every child must be asked.
pub(super) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The line to a launcher: our end, which waits only so long for what it says, and its end.
pub(super) fn line() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(LAUNCH_TIME))?;
    Ok((ours, theirs))
}

/// By what an instance is known: its port, and its mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) port: u16,
    pub(super) mark: &'a str,
}

/// A launcher that was started, and the program that it is to become.
pub(super) struct Spawned {
    pub(super) child: Child,
    pub(super) program: PathBuf,
}

/// Starts a launcher for `command`, as a part of the instance at `place` that `launch` starts.
pub(super) fn spawn_launcher(
    launch: &Launch,
    command: &model::Command,
    launcher: &Launcher,
    place: Place<'_>,
    line: UnixStream,
    output: fs::File,
) -> Result<Spawned, LaunchError> {
    let process = launch.composed.process().ok_or(LaunchError::OtherKind)?;
    let run = work_out(launch, command, launcher.started, place)?;
    let child = start(&run, launcher, &process.directory, line, output)?;
    Ok(Spawned { child, program: run.program })
}

fn work_out(
    launch: &Launch,
    command: &model::Command,
    started: Started,
    Place { port, mark }: Place<'_>,
) -> Result<Run, LaunchError> {
    let facts = Facts {
        port,
        version: &launch.version,
        instance: launch.instance.as_str(),
        service: launch.service.as_str(),
    };
    let ProcessStart { directory, environment, account, .. } =
        launch.composed.process().ok_or(LaunchError::OtherKind)?;
    let words = command::words(command, facts)?;
    check_directory(directory)?;
    let mut environment = environment.clone().with(facts, mark);
    if launch.upkeep.notify == Notify::Heard {
        environment.set("NOTIFY_SOCKET", notify::variable(mark));
    }
    if launch.upkeep.listening == Listening::Nowhere {
        environment.unset("PORT");
    }
    let program = program::find(&words[0], directory, environment.get("PATH"))?;
    let identity = account.as_ref().map(Credentials::from);
    let terms = Terms { started, tag: Tag::of_mark(mark), identity };
    Ok(Run { program, words, environment, terms })
}

fn check_directory(path: &Path) -> Result<(), LaunchError> {
    let checked = fs::metadata(path).and_then(|metadata| match metadata.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    checked.map_err(|source| LaunchError::Directory { path: path.to_owned(), source })
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

/// Waits until the launcher says that it is there.
pub(super) fn wait_for_launcher(
    mut line: &UnixStream,
    child: &Child,
) -> Result<(Pidfd, ProcessIdentity), LaunchError> {
    let mut word = [0];
    if line.read(&mut word)? != 1 || word != HELD {
        return Err(LaunchError::Lost);
    }
    let pidfd = Pidfd::open(child.id())?.ok_or(LaunchError::Lost)?;
    Ok((pidfd, procfs::identity(child.id())?))
}
