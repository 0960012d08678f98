//! The terminal's other screen, for what is drawn again and again: what stood on it before comes
//! back at the end.

use crate::canvas::{BEGIN, END, height};
use crate::output;

/// The other screen, while it lives.
#[derive(Debug)]
pub(crate) struct Screen;

impl Screen {
    /// Changes to it; hides the cursor, and has lines that are too long cut.
    pub(crate) fn open() -> Self {
        output::control("\x1b[?1049h\x1b[?25l\x1b[?7l");
        Self
    }

    /// Draws `text` over what is there, without a moment of emptiness between.
    pub(crate) fn draw(&self, text: &str) {
        output::control(&frame(&output::painted(text), height()));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        output::control("\x1b[?7h\x1b[?25h\x1b[?1049l");
    }
}

/// What draws `text` on a terminal of `height` lines.
fn frame(text: &str, height: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (shown, more) = match lines.len() > height {
        true => (&lines[..height.saturating_sub(1)], lines.len() + 1 - height),
        false => (&lines[..], 0),
    };
    let shown = shown.iter().map(|line| format!("{line}\x1b[K"));
    let more = (more > 0).then(|| format!("... and {more} more lines\x1b[K"));
    let drawn: Vec<String> = shown.chain(more).collect();
    format!("{BEGIN}\x1b[H{}\x1b[J{END}", drawn.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_never_higher_than_the_terminal() {
        let plain = |text, height| anstream::adapter::strip_str(&frame(text, height)).to_string();
        assert_eq!(plain("a\nb\nc\n", 3), "a\r\nb\r\nc");
        assert_eq!(plain("a\nb\nc\nd\n", 3), "a\r\nb\r\n... and 2 more lines");
    }
}
