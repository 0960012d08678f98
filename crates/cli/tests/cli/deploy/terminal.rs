//! What a person sees of a deploy on a terminal: lines that grow, a picture below the last of them
//! that moves, and in the end the receipt alone.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroU16;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::{Visitors, begin, sandbox};
use crate::sandbox::Sandbox;

const ROWS: NonZeroU16 = NonZeroU16::new(50).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(120).unwrap();

/// Runs `plimsoll` on a terminal, and looks at it after each change. How it ended, and what stands
/// there then.
fn on_a_terminal(
    sandbox: &Sandbox,
    arguments: &[&str],
    mut look: impl FnMut(String),
) -> (Option<i32>, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let theirs = File::options().read(true).write(true).open(path).unwrap();
    let (ws_row, ws_col) = (ROWS.get(), COLUMNS.get());
    let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&theirs, size).unwrap();
    let mut command = sandbox.command(arguments);
    command.env("TERM", "xterm-256color").stdin(Stdio::null()).stdout(theirs);
    let mut child = command.spawn().unwrap();
    // So that nobody holds the other end but the child.
    drop(command);
    let (mut terminal, mut ours) = (vt100::Parser::new(ROWS, COLUMNS, 0), File::from(ours));
    let mut bytes = [0; 4096];
    // It ends with an error when nobody is left at the other end.
    while let Ok(count) = ours.read(&mut bytes) {
        terminal.process(&bytes[..count]);
        look(terminal.screen().contents());
    }
    (child.wait().unwrap().code(), terminal.screen().contents())
}

#[test]
fn a_deploy_is_a_picture_that_moves_and_leaves_its_receipt() {
    let sandbox = sandbox("replicas = 2\ndeploy = { bake = \"500ms\" }\n");
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 200);
    let mut pictures = Vec::new();
    let arguments = ["deploy", "api", "2", "--strategy", "canary", "--steps", "50% 2s"];
    let (code, end) = on_a_terminal(&sandbox, &arguments, |screen| {
        assert!(screen.matches("INSTANCE").count() < 2, "one picture at a time:\n{screen}");
        pictures.push(screen);
    });
    assert_eq!(visitors.leave().failed(), 0);
    assert_eq!(code, Some(0), "{end}");
    let at_half = pictures.iter().rfind(|screen| screen.contains("1 -> 2, for")).unwrap_or(&end);
    let at_half = pictures
        .iter()
        .find(|screen| screen.contains(": at 50 %, ") && screen.contains("api-4     2        live"))
        .unwrap_or_else(|| panic!("there is no picture of its step, but\n{at_half}"));
    for part in ["api-1     1        live", "SHARE", "█", "left; the judge says: "] {
        assert!(at_half.contains(part), "{part} in\n{at_half}");
    }
    let lines: Vec<_> = end.lines().collect();
    assert!(lines[0].ends_with("s  api-3 of 2 is starting"), "{end}");
    let gone = ["INSTANCE", "the judge says: no worse\n\n", "█"];
    assert!(gone.iter().all(|part| !end.contains(part)), "the picture is gone:\n{end}");
    assert!(end.contains("\n\napi 2 (before: 1) runs\n"), "{end}");
    assert!(lines.last().unwrap().starts_with("  users saw 0 of "), "{end}");
}
