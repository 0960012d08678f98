//! What runs in the new process before the instance's program does.
//!
//! It makes the session, waits until it is let go, and becomes the program. It is our own binary,
//! run once more: a session can be made only from within the process, and code between fork and
//! exec would be unsafe. That it waits also closes the hole in which an instance would run that no
//! journal knows: if whoever started it dies before the word, it ends and has done nothing.
//!
//! The line to whoever started it is its standard input, a socket: one byte says that it is held,
//! one byte back lets it go; then the line closes as the program starts, or tells the error, and
//! whether it was the program or its user that the system refused.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use signal_hook::consts::FORBIDDEN;
use signal_hook::flag;

use super::terms::Terms;
use crate::procfs;

/// Said by the launcher: the session is there.
pub(super) const HELD: [u8; 1] = *b"h";
/// Said to the launcher: run.
pub(super) const GO: [u8; 1] = *b"g";

/// Exit code of a launcher whose program did not start; the shell's for the same.
const NOT_RUN: u8 = 127;

/// Why the program does not run, as it is told: this, and the system's number for it.
pub(super) const NO_PROGRAM: u8 = b'x';
/// Likewise: it cannot be run under its terms.
pub(super) const NO_TERMS: u8 = b't';

/// Becomes the program: the first of `arguments` are the terms, the second is its file, the others are
/// its arguments as it sees them, its own name first. To be called before anything else happens in
/// the process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let terms = arguments.next().and_then(|terms| Terms::of_text(terms.to_str()?));
    let (Some(terms), Some(program), Some(name)) = (terms, arguments.next(), arguments.next())
    else {
        return ExitCode::from(NOT_RUN);
    };
    let mut command = Command::new(program);
    command.arg0(name).args(arguments);
    match hold(&terms) {
        Ok(Some(line)) => {
            let (kind, error) = become_program(command, &terms);
            tell(line, kind, &error);
            ExitCode::from(NOT_RUN)
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(NOT_RUN),
    }
}

/// Waits for the word; `None` if it never comes.
fn hold(terms: &Terms) -> io::Result<Option<UnixStream>> {
    rustix::process::setsid()?;
    terms.tag.wear();
    let mut line = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    line.write_all(&HELD)?;
    let mut word = [0];
    Ok((line.read(&mut word)? == 1).then_some(line))
}

/// Why it did not become the program.
fn become_program(mut command: Command, terms: &Terms) -> (u8, io::Error) {
    match heed_signals().and_then(|()| terms.enter()) {
        Ok(()) => (NO_PROGRAM, command.exec()),
        Err(error) => (NO_TERMS, error),
    }
}

/// A shell's background jobs ignore SIGINT and SIGQUIT, and what nohup starts SIGHUP; the program
/// would go on ignoring them. What is caught it finds as by default (execve(2)), so they are caught.
fn heed_signals() -> io::Result<()> {
    let ignored = procfs::ignored_signals()?;
    for signal in ignored.filter(|signal| !FORBIDDEN.contains(signal)) {
        flag::register(signal, Arc::default())?;
    }
    Ok(())
}

fn tell(mut line: UnixStream, kind: u8, error: &io::Error) {
    let number = error.raw_os_error().unwrap_or_default().to_le_bytes();
    // If nobody listens any more, nobody wants to know.
    let _ = line.write_all(&[&[kind], &number[..]].concat());
}
