//! Printing. Colours go only to terminals that want them; whoever reads may stop reading.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// Prints `text` as the command's result.
pub(crate) fn out(text: &str) {
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

/// Prints what only a terminal understands.
pub(crate) fn raw(text: &str) {
    let mut stdout = io::stdout().lock();
    finish(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
}

/// Prints `text` beside the command's result.
pub(crate) fn err(text: &str) {
    finish(anstream::stderr().lock().write_all(text.as_bytes()));
}

/// Prints `document` as the command's result.
pub(crate) fn json(document: &impl Serialize) {
    let text = serde_json::to_string_pretty(document).expect("our documents have text for keys");
    out(&format!("{text}\n"));
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
