//! How wide the terminal is, and text that keeps to it: what is too long is cut with a `…`, or goes on
//! below between two words. Escapes have no width.

use std::borrow::Cow;
use std::io::{self, IsTerminal};

/// Where a terminal does not say how wide it is.
const COLUMNS: usize = 80;
/// Ends what is painted.
const RESET: &str = "\x1b[0m";

/// The columns of the terminal on standard output; without end where that is none.
pub(crate) fn columns() -> usize {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return usize::MAX;
    }
    let size = rustix::termios::tcgetwinsize(stdout);
    size.map(|size| usize::from(size.ws_col)).ok().filter(|it| *it > 0).unwrap_or(COLUMNS)
}

/// `line` in no more than `width` columns; what is left out is shown as `…`.
pub(crate) fn cut(line: &str, width: usize) -> Cow<'_, str> {
    let mut seen = 0;
    let mut end = None;
    let mut rest = line;
    while let Some(char) = rest.chars().next() {
        let at = line.len() - rest.len();
        let length = escape_at(rest);
        if length > 0 {
            rest = &rest[length..];
            continue;
        }
        seen += 1;
        if seen == width {
            end = Some(at);
        }
        if seen > width {
            let kept = &line[..end.unwrap_or_default()];
            let reset = if kept.contains('\x1b') { RESET } else { "" };
            return Cow::Owned(format!("{kept}…{reset}"));
        }
        rest = &rest[char.len_utf8()..];
    }
    Cow::Borrowed(line)
}

/// `text` in lines of no more than `width` columns, broken between words; all but the first begin
/// with `indent` blanks. A word that is longer than a line stays whole.
pub(crate) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines = String::new();
    for line in text.split_inclusive('\n') {
        let (line, newline) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let mut used = 0;
        for piece in line.split_inclusive(' ') {
            let word = columns_of(piece.trim_end_matches(' '));
            if used > indent && word > 0 && used.saturating_add(word) > width {
                let kept = lines.trim_end_matches(' ').len();
                lines.truncate(kept);
                lines.push('\n');
                lines.push_str(&" ".repeat(indent));
                used = indent;
            }
            lines.push_str(piece);
            used += columns_of(piece);
        }
        lines.push_str(newline);
    }
    lines
}

fn columns_of(text: &str) -> usize {
    let mut count = 0;
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let escape = escape_at(rest);
        count += usize::from(escape == 0);
        rest = &rest[if escape > 0 { escape } else { char.len_utf8() }..];
    }
    count
}

/// The length of the escape that `text` begins with, in bytes; 0 if there is none. Ours all end with a
/// letter.
fn escape_at(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\x1b[") else { return 0 };
    rest.find(|c: char| c.is_ascii_alphabetic()).map_or(text.len(), |at| at + "\x1b[".len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_with_a_sign() {
        for (line, width, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("länger", 4, "län…"),
            ("\x1b[31mabcd\x1b[0m", 4, "\x1b[31mabcd\x1b[0m"),
            ("\x1b[31mabcd\x1b[0m", 3, "\x1b[31mab…\x1b[0m"),
            ("abcd", usize::MAX, "abcd"),
        ] {
            assert_eq!(cut(line, width), expected, "{line:?}");
        }
    }

    #[test]
    fn lines_go_on_between_words() {
        for (text, width, indent, expected) in [
            ("a bc def\n", 5, 2, "a bc\n  def\n"),
            ("  one two\nthree four\n", 9, 4, "  one two\nthree\n    four\n"),
            ("see http://127.0.0.1:34111 now", 10, 2, "see\n  http://127.0.0.1:34111\n  now"),
            ("a b c", usize::MAX, 2, "a b c"),
        ] {
            assert_eq!(wrapped(text, width, indent), expected, "{text:?}");
        }
    }
}
