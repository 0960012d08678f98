//! Values without the quotes that they need, as in `bind = 127.0.0.1:8080`: where the whole of one
//! stands, and how it is written. TOML's parser stops somewhere within it, and takes it for a broken
//! number as often as not.

use std::ops::Range;

/// A value without quotes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bare {
    pub(crate) span: Range<usize>,
    /// The key that it was meant for; empty where that is not plain.
    pub(crate) key: String,
    pub(crate) text: String,
    /// It stands in a list.
    pub(crate) is_item: bool,
}

impl Bare {
    /// The one in which the byte `at` of `text` stands, behind its `=` on one line.
    pub(crate) fn around(text: &str, at: usize) -> Option<Self> {
        let at = text.floor_char_boundary(at);
        let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        let line = &text[begin..end];
        let (start, stop) = edges(line, at - begin)?;
        let value = line.get(start..stop)?.trim();
        let start = start + line[start..].find(value)?;
        if value.is_empty() || value.contains(['"', '\'', '“', '”', '„', '‘', '’', '«'])
        {
            return None;
        }
        let key = key_before(&line[..start]);
        let is_item = !line[..start].trim_end().ends_with('=');
        let span = begin + start..begin + start + value.len();
        Some(Self { span, key, text: value.to_owned(), is_item })
    }

    /// Whether it is a text, and not a number or a date that is written badly.
    pub(crate) fn is_text(&self) -> bool {
        let is_numeric = |c: char| c.is_ascii_digit() || "+-_.eE".contains(c);
        let is_radix = ["0x", "0o", "0b"].iter().any(|radix| self.text.starts_with(radix));
        let has_dots = self.text.matches('.').count() > 1;
        !is_radix && (has_dots || !self.text.chars().all(is_numeric))
    }

    /// What to write instead.
    pub(crate) fn hint(&self) -> String {
        const SHOWN_MAX: usize = 60;
        let escaped = self.text.replace('\\', "\\\\");
        match self.text.as_str() {
            "yes" | "on" | "Yes" | "On" | "enabled" => "write `true`".to_owned(),
            "no" | "off" | "No" | "Off" | "disabled" => "write `false`".to_owned(),
            "null" | "nil" | "None" | "none" => {
                format!("TOML has no null: leave `{}` out", self.key)
            }
            text if text.len() > SHOWN_MAX => "put it in double quotes".to_owned(),
            _ if self.key.is_empty() || self.is_item => {
                format!("put it in double quotes: \"{escaped}\"")
            }
            _ => format!("put it in double quotes: {} = \"{escaped}\"", self.key),
        }
    }
}

/// Where the value around `at` of a line begins and ends: behind `=`, or between what separates the
/// items of a list or of an inline table.
fn edges(line: &str, at: usize) -> Option<(usize, usize)> {
    let equals = line.find('=')?;
    let is_inner = line[equals + 1..].trim_start().starts_with(['[', '{']);
    let at = at.max(equals + 1).min(line.len());
    if !is_inner {
        let end = line.find(" #").filter(|end| *end > equals).unwrap_or(line.len());
        return Some((equals + 1, end));
    }
    let start = line[..at].rfind(['[', '{', ',', '=']).map_or(equals + 1, |edge| edge + 1);
    let end = line[at..].find([',', ']', '}']).map_or(line.len(), |edge| at + edge);
    Some((start, end))
}

/// The key before the last `=`.
fn key_before(text: &str) -> String {
    let before = text.rsplit_once('=').map_or("", |(before, _)| before).trim_end();
    let is_key = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let begin = before.char_indices().rev().find(|(_, c)| !is_key(*c));
    before[begin.map_or(0, |(at, c)| at + c.len_utf8())..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_value_is_found_wherever_the_parser_stopped() {
        for (line, at, key, value) in [
            ("bind = 127.0.0.1:8080", 9, "bind", "127.0.0.1:8080"),
            ("bind = 127.0.0.1:8080 # all", 20, "bind", "127.0.0.1:8080"),
            ("targets = [10.0.0.11:8080, 10.0.0.12:8080]", 30, "targets", "10.0.0.12:8080"),
            ("health = { path = /health, interval = \"2s\" }", 20, "path", "/health"),
            ("path = /chat/*", 7, "path", "/chat/*"),
            ("x.y = a b", 7, "x.y", "a b"),
        ] {
            let bare = Bare::around(line, at).unwrap();
            assert_eq!((bare.key.as_str(), bare.text.as_str()), (key, value), "{line}");
            assert_eq!(&line[bare.span.clone()], value);
            assert!(bare.is_text(), "{line}");
        }
        for (line, at) in [("a = \"b\" c", 8), ("no equals here", 3), ("a = ", 4), ("", 0)] {
            assert_eq!(Bare::around(line, at), None, "{line}");
        }
        for line in ["a = 1__0", "a = 0x1g", "a = +-3", "a = 1e"] {
            assert!(!Bare::around(line, 5).unwrap().is_text(), "{line}");
        }
    }

    #[test]
    fn what_is_no_text_is_not_put_in_quotes() {
        let hint = |line| Bare::around(line, 5).unwrap().hint();
        assert_eq!(hint("a = yes"), "write `true`");
        assert_eq!(hint("a = null"), "TOML has no null: leave `a` out");
        assert_eq!(hint("a = b"), "put it in double quotes: a = \"b\"");
    }
}
