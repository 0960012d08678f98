//! A picture that moves under the lines of what happened, on a terminal.

use std::cell::RefCell;
use std::io;

use crate::output;
use crate::width::{columns, cut, wrapped};

/// What stands between these two is drawn at once, by terminals that can; others ignore it.
pub(crate) const BEGIN: &str = "\x1b[?2026h";
pub(crate) const END: &str = "\x1b[?2026l";

/// Lines that grow downwards, with a picture below the last that is drawn again and again.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    /// The lines of the picture that stand above the cursor.
    picture: RefCell<Vec<String>>,
}

impl Canvas {
    /// Prints `text` above the picture. What is too long goes on below, behind `indent` blanks.
    pub(crate) fn tell(&self, text: &str, indent: usize) {
        let text = wrapped(text, columns(), indent);
        if self.picture.borrow().is_empty() {
            return output::out(&text);
        }
        let drawn = output::painted(&text);
        output::control(&format!("{BEGIN}{}{drawn}{}{END}", self.wiping(), self.lines()));
    }

    /// Draws `picture` where the last one was. What is too wide is cut, what is too high is left out.
    pub(crate) fn draw(&self, picture: &str) {
        let wiping = self.wiping();
        let (width, height) = (columns(), height().saturating_sub(2));
        let picture = output::painted(picture);
        let lines = picture.lines().take(height).map(|line| cut(line, width).into_owned());
        *self.picture.borrow_mut() = lines.collect();
        output::control(&format!("{BEGIN}{wiping}{}{END}", self.lines()));
    }

    /// Takes the picture away.
    pub(crate) fn wipe(&self) {
        let wiping = self.wiping();
        self.picture.borrow_mut().clear();
        if !wiping.is_empty() {
            output::control(&wiping);
        }
    }

    fn lines(&self) -> String {
        self.picture.borrow().iter().map(|line| format!("{line}\n")).collect()
    }

    fn wiping(&self) -> String {
        match self.picture.borrow().len() {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }
}

/// The terminal's height in lines.
pub(crate) fn height() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.map(|size| usize::from(size.ws_row)).ok().filter(|rows| *rows > 1).unwrap_or(24)
}

/// A bar of `length` for a share from 0 to 1. What is not nothing is never drawn as nothing.
pub(crate) fn bar(share: f64, length: usize) -> String {
    let filled = (share * length as f64).round() as usize;
    let filled = filled.clamp(usize::from(share > 0.0), length);
    format!("{}{}", "█".repeat(filled), "░".repeat(length - filled))
}
