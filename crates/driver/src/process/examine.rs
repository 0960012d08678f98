//! A program that is run once beside an instance, as the instance itself would be: a health check.
//!
//! It is started by the launcher and so on the instance's terms, with its environment and its mark, and leads
//! a process group of its own. That group never outlives the examination: it is killed when the first process
//! has ended, when the time is over, and when nobody waits for the outcome any more.

use std::fs::File;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use super::held::let_run;
use super::pidfd::Pidfd;
use super::spawn::{self, Place, Spawned};
use super::{Launcher, apart};
use crate::driver::LaunchError;
use crate::exit::ExitCause;
use crate::launch::{Examination, Examined};

/// So much of the output is kept, to tell its first line.
const OUTPUT_BYTES_MAX: usize = 4 * 1024;

/// A program that is being run. Dropped, it is killed with its whole group.
struct Running {
    child: Option<Child>,
    pidfd: Pidfd,
}

/// Runs what `examination` says, to its end or to the end of its time.
pub(super) async fn examine(
    examination: Examination,
    launcher: Launcher,
) -> Result<Examined, LaunchError> {
    let limit = examination.timeout;
    let (running, output) = apart(move || start(&examination, &launcher)).await??;
    let mut output = Receiver::from_owned_fd(OwnedFd::from(output))?;
    let mut kept = Vec::new();
    let ended = tokio::time::timeout(limit, watch(&running, &mut output, &mut kept)).await;
    let ending = match ended {
        Ok(()) => {
            take_rest(&output, &mut kept);
            Some(running.pidfd.ending())
        }
        Err(_) => None,
    };
    running.end().await;
    Ok(Examined::of(ending, &kept))
}

/// Starts it, and lets it run.
fn start(
    examination: &Examination,
    launcher: &Launcher,
) -> Result<(Running, PipeReader), LaunchError> {
    let Examination { launch, command, record, .. } = examination;
    let place = Place { port: record.address.port(), mark: &record.run };
    let (output, theirs) = io::pipe()?;
    let (line, other) = spawn::line()?;
    let theirs = File::from(OwnedFd::from(theirs));
    let Spawned { mut child, program } =
        spawn::spawn_launcher(launch, command, launcher, place, other, theirs)?;
    let pidfd = match spawn::wait_for_launcher(&line, &child) {
        Ok((pidfd, _)) => pidfd,
        Err(error) => {
            spawn::end(&mut child);
            return Err(error);
        }
    };
    let running = Running { child: Some(child), pidfd };
    let_run(line, &program)?;
    Ok((running, output))
}

/// Waits until the first process has ended, and keeps what comes meanwhile.
async fn watch(running: &Running, output: &mut Receiver, kept: &mut Vec<u8>) {
    let mut piece = [0; 1024];
    let mut is_open = true;
    loop {
        tokio::select! {
            read = output.read(&mut piece), if is_open => match read {
                Ok(0) | Err(_) => is_open = false,
                Ok(read) => keep(kept, &piece[..read]),
            },
            () = running.pidfd.ended() => return,
        }
    }
}

/// Takes what was written and not read yet; a process that also holds the pipe is not waited for.
fn take_rest(output: &Receiver, kept: &mut Vec<u8>) {
    let mut piece = [0; 1024];
    while kept.len() < OUTPUT_BYTES_MAX {
        // Past tokio, which may not know yet that there is something.
        match rustix::io::read(output, &mut piece) {
            Ok(read @ 1..) => keep(kept, &piece[..read]),
            Ok(0) | Err(_) => return,
        }
    }
}

fn keep(kept: &mut Vec<u8>, piece: &[u8]) {
    let room = OUTPUT_BYTES_MAX - kept.len();
    kept.extend_from_slice(&piece[..piece.len().min(room)]);
}

/// The first line that says something.
fn first_line(output: &[u8]) -> Option<String> {
    let lines = output.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    let mut said = lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
    said.next()
}

impl Running {
    /// Kills what is left of its group, and reaps the first process.
    async fn end(mut self) {
        if let Some(child) = self.kill() {
            let _ = apart(move || reap(child)).await;
        }
    }

    /// The first process is not reaped before this, so the group's number is nobody else's.
    fn kill(&mut self) -> Option<Child> {
        let child = self.child.take()?;
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It fails only if nobody is left in it.
            let _ = kill_process_group(group, Signal::KILL);
        }
        Some(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = self.kill() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || reap(child))),
            Err(_) => reap(child),
        }
    }
}

fn reap(mut child: Child) {
    // It was killed, and nobody else asks how it ended.
    let _ = child.wait();
}

impl Examined {
    /// What came of a program that ended so, or was killed, and wrote `output`.
    pub fn of(ending: Option<ExitCause>, output: &[u8]) -> Self {
        Self { ending, line: first_line(output) }
    }

    /// Whether it ended well.
    pub fn is_well(&self) -> bool {
        self.ending == Some(ExitCause::Code(0))
    }

    /// What came of it, in words, where it had `limit` to end.
    pub fn words(&self, limit: Duration) -> String {
        let ended = match self.ending {
            Some(ExitCause::Code(code)) => format!("exit code {code}"),
            Some(ending) => ending.to_string(),
            None => format!("did not end within {} ms, and was killed", limit.as_millis()),
        };
        match &self.line {
            Some(line) => format!("{ended}: {line}"),
            None => ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_says_something_is_told() {
        assert_eq!(first_line(b"\n  \ndisk full \nmore"), Some("disk full".to_owned()));
        assert_eq!(first_line(b"\n\n"), None);
        let limit = Duration::from_secs(1);
        let examined =
            Examined { ending: Some(ExitCause::Code(3)), line: Some("disk full".into()) };
        assert!(!examined.is_well());
        assert_eq!(examined.words(limit), "exit code 3: disk full");
        let late = Examined { ending: None, line: None };
        assert_eq!(late.words(limit), "did not end within 1000 ms, and was killed");
        assert!(Examined { ending: Some(ExitCause::Code(0)), line: None }.is_well());
    }
}
