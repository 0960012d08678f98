//! The program on a terminal of its own: what a person sees, and what the terminal is sent.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroU16;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::sandbox::Sandbox;

/// A terminal's size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) rows: NonZeroU16,
    pub(crate) columns: NonZeroU16,
}

/// A large one.
pub(crate) const WIDE: Size =
    Size { rows: NonZeroU16::new(50).unwrap(), columns: NonZeroU16::new(120).unwrap() };

/// What a terminal has that nobody has changed.
pub(crate) const USUAL: Size =
    Size { rows: NonZeroU16::new(24).unwrap(), columns: NonZeroU16::new(80).unwrap() };

/// How a command ended, and what stands on its terminal then.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) code: Option<i32>,
    pub(crate) screen: String,
    /// All that the terminal was sent.
    pub(crate) sent: Vec<u8>,
}

/// Runs `plimsoll` on a terminal, and looks at it after each change.
pub(crate) fn on_a_terminal(
    sandbox: &Sandbox,
    size: Size,
    arguments: &[&str],
    look: impl FnMut(String),
) -> Left {
    run(sandbox.command(arguments), size, look)
}

/// Runs a command on a terminal, and looks at it after each change.
pub(crate) fn run(mut command: Command, size: Size, mut look: impl FnMut(String)) -> Left {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let theirs = File::options().read(true).write(true).open(path).unwrap();
    let (ws_row, ws_col) = (size.rows.get(), size.columns.get());
    tcsetwinsize(&theirs, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    command.env("TERM", "xterm-256color").stdin(Stdio::null());
    command.stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    // So that nobody holds the other end but the child.
    drop(command);
    let (mut terminal, mut ours) =
        (vt100::Parser::new(size.rows, size.columns, 0), File::from(ours));
    let (mut bytes, mut sent) = ([0; 4096], Vec::new());
    // It ends with an error when nobody is left at the other end.
    while let Ok(count) = ours.read(&mut bytes) {
        sent.extend_from_slice(&bytes[..count]);
        terminal.process(&bytes[..count]);
        look(terminal.screen().contents());
    }
    Left { code: child.wait().unwrap().code(), screen: terminal.screen().contents(), sent }
}
