//! A picture that moves under the lines of what happened, on a terminal.

use std::cell::Cell;
use std::io;

use crate::output;

/// Lines that grow downwards, with a picture below the last that is drawn again and again.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    /// Lines of the picture that stand above the cursor.
    drawn: Cell<usize>,
}

impl Canvas {
    /// Prints `text` above the picture, which is drawn again the next time.
    pub(crate) fn tell(&self, text: &str) {
        self.wipe();
        output::out(text);
    }

    /// Draws `picture` where the last one was. What is too wide is cut, what is too high is left out.
    pub(crate) fn draw(&self, picture: &str) {
        let lines: Vec<&str> = picture.lines().take(height().saturating_sub(2)).collect();
        self.wipe();
        output::control("\x1b[?7l");
        output::out(&format!("{}\n", lines.join("\n")));
        output::control("\x1b[?7h");
        self.drawn.set(lines.len());
    }

    /// Takes the picture away.
    pub(crate) fn wipe(&self) {
        match self.drawn.replace(0) {
            0 => {}
            lines => output::control(&format!("\x1b[{lines}A\x1b[J")),
        }
    }
}

/// The terminal's height in lines.
pub(crate) fn height() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.map(|size| usize::from(size.ws_row)).ok().filter(|rows| *rows > 1).unwrap_or(24)
}

/// A bar of `length` for a share from 0 to 1.
pub(crate) fn bar(share: f64, length: usize) -> String {
    let filled = ((share * length as f64).round() as usize).min(length);
    format!("{}{}", "█".repeat(filled), "░".repeat(length - filled))
}
