//! Printing. Colours go only to terminals that want them; a reader may stop reading.
//!
//! All that a command prints passes here, and on its way to a terminal it loses what that would obey
//! but our own colours (`foreign`). Only [`control()`] sends more, and takes nothing but constants and
//! numbers of ours.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::foreign;

/// Prints `text` as the command's result.
pub(crate) fn out(text: &str) {
    let text = guarded_for(text, &io::stdout());
    finish(anstream::stdout().lock().write_all(text.as_bytes()));
}

/// Prints `document` on one line, as one of many.
pub(crate) fn json_line(document: &impl Serialize) {
    let text = serde_json::to_string(document).expect("our documents have text for keys");
    out(&format!("{text}\n"));
}

/// Text in this colour.
pub(crate) fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(colour.into()))
}

/// Sends a terminal on standard output what it is to obey. Never text of others.
pub(crate) fn control(codes: &str) {
    let mut stdout = io::stdout().lock();
    finish(stdout.write_all(codes.as_bytes()).and_then(|()| stdout.flush()));
}

/// Prints `text` beside the command's result.
pub(crate) fn err(text: &str) {
    let text = guarded_for(text, &io::stderr());
    finish(anstream::stderr().lock().write_all(text.as_bytes()));
}

/// Prints `document` as the command's result.
pub(crate) fn json(document: &impl Serialize) {
    let text = serde_json::to_string_pretty(document).expect("our documents have text for keys");
    out(&format!("{text}\n"));
}

/// `text` as it may be part of what [`control()`] sends: safe, and without colours where none are
/// wanted.
pub(crate) fn painted(text: &str) -> String {
    let text = foreign::guarded(text);
    match AutoStream::choice(&io::stdout()) {
        ColorChoice::Never => anstream::adapter::strip_str(&text).to_string(),
        _ => text.into_owned(),
    }
}

/// Prints a line of another's behind our `prefix`: on a terminal as it is safe there, in a file or a
/// pipe as it was written.
pub(crate) fn quote(prefix: &str, text: &str) {
    let is_terminal = io::stdout().is_terminal();
    let text = if is_terminal { foreign::shown(text) } else { Cow::Borrowed(text) };
    out(&format!("{prefix}{text}\n"));
}

/// `text` as it is safe on a terminal; as it is, where it goes elsewhere.
fn guarded_for<'a>(text: &'a str, reader: &impl IsTerminal) -> Cow<'a, str> {
    if reader.is_terminal() { foreign::guarded(text) } else { Cow::Borrowed(text) }
}

/// Ends the program where nobody reads any more, as `plimsoll status | head -1` has it, or where
/// what it says is lost.
fn finish(printed: io::Result<()>) {
    let Err(error) = printed else { return };
    if error.kind() != io::ErrorKind::BrokenPipe {
        // If this is lost, too, the exit code is all that is left.
        let _ = writeln!(anstream::stderr(), "error: cannot print: {error}");
    }
    std::process::exit(1);
}
