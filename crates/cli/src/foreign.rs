//! Text of others on a terminal: what instances write, what people call themselves and their
//! releases, what a resolver or an instance answered.
//!
//! A terminal obeys what it is sent: it clears the screen, renames its window, answers by typing. So
//! nothing of others reaches it but visible characters, escaped as in the access log. [`shown`] is for
//! a piece of text on its way into a line of ours; [`guarded`] stands behind it at the only door to the
//! terminal (`output`), so that nobody has to remember. What goes to a file or a pipe is left as it is.

use std::borrow::Cow;
use std::fmt::Write as _;

use telemetry::access::is_invisible;

/// What a tab becomes: its true width depends on where it stands.
const TAB: &str = "    ";

/// `text` of others as part of a line of ours: no end of line, no escape. Colours are dropped, as
/// they carry no text; everything else that cannot be seen becomes `\u001b`.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, Colours::Dropped)
}

/// `text` of others as some lines of ours: each as [`shown`] has it, and all but the first indented, so that none
/// passes for a line that we begin.
pub(crate) fn shown_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(shown).collect();
    lines.join("\n  ")
}

/// Everything that we print on a terminal: our colours and ends of lines are kept, nothing else that a
/// terminal would obey.
pub(crate) fn guarded(text: &str) -> Cow<'_, str> {
    escaped(text, Colours::Kept)
}

/// What becomes of colours, and of ends of lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Colours {
    /// They are ours, and so are the ends of lines.
    Kept,
    /// They are another's.
    Dropped,
}

fn escaped(text: &str, colours: Colours) -> Cow<'_, str> {
    let is_plain = |char| !is_invisible(char) || (char == '\n' && colours == Colours::Kept);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let colour = colour_at(rest);
        let length = if colour > 0 { colour } else { char.len_utf8() };
        let (piece, after) = rest.split_at(length);
        match (char, colours) {
            (_, Colours::Kept) if colour > 0 || char == '\n' => shown.push_str(piece),
            (_, Colours::Dropped) if colour > 0 => {}
            ('\t', _) => shown.push_str(TAB),
            (char, _) if is_invisible(char) => {
                write!(shown, "\\u{:04x}", u32::from(char)).expect("memory can be written to");
            }
            _ => shown.push(char),
        }
        rest = after;
    }
    Cow::Owned(shown)
}

/// The length of the colour (ECMA-48's SGR) that `text` begins with, in bytes; 0 if there is none.
fn colour_at(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\x1b[") else { return 0 };
    let is_parameter = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b';' | b':');
    let length = parameters.bytes().take_while(|byte| is_parameter(byte)).count();
    match parameters.as_bytes().get(length) {
        Some(b'm') => "\x1b[".len() + length + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        for (text, expected) in [
            ("plain, ünï ✓", "plain, ünï ✓"),
            ("\x1b]0;pwned\x07\x1b[2J", r"\u001b]0;pwned\u0007\u001b[2J"),
            ("\u{9b}2J", r"\u009b2J"),
            ("a\r\nb\u{7f}", r"a\u000d\u000ab\u007f"),
            ("\u{202e}gpj.exe\u{2066}", r"\u202egpj.exe\u2066"),
            ("\x1b[31;1mred\x1b[0m", "red"),
            ("\x1b[8mhidden", "hidden"),
            ("\x1b[31", r"\u001b[31"),
            ("\x1b[?25lm", r"\u001b[?25lm"),
            ("\tat com.example", "    at com.example"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_stay_lines_and_nothing_else_that_a_terminal_obeys_passes() {
        assert_eq!(shown_lines("bad\nlistener `a`\n  help: b"), "bad\n  listener `a`\n    help: b");
        assert_eq!(shown_lines("a\n\x1b[2Jerror: b\r\n"), "a\n  \\u001b[2Jerror: b");
        assert_eq!(shown_lines("a\rb"), "a\\u000db");
    }

    #[test]
    fn at_the_door_our_own_colours_and_lines_pass_and_nothing_else() {
        for (text, expected) in [
            ("\x1b[1ma\x1b[0m\nb\n", "\x1b[1ma\x1b[0m\nb\n"),
            ("a\x1b[2J\x1b[Hb\r", r"a\u001b[2J\u001b[Hb\u000d"),
            ("\x1b", r"\u001b"),
            ("\x1bc\u{85}", r"\u001bc\u0085"),
        ] {
            assert_eq!(guarded(text), expected, "{text:?}");
        }
    }
}
