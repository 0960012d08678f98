//! The forms that texts in the file have: what is a duration, an address, a path pattern.
//!
//! Each module reads one form from a `&str` alone and says precisely what keeps it from being
//! one; where the text stands is not known here.

pub(crate) mod address;
pub(crate) mod condition;
pub(crate) mod duration;
pub(crate) mod expression;
pub(crate) mod header;
pub(crate) mod host;
pub(crate) mod location;
pub(crate) mod name;
pub(crate) mod network;
pub(crate) mod origin;
pub(crate) mod path;
pub(crate) mod rate;
pub(crate) mod redis;
pub(crate) mod release;
pub(crate) mod secret;
pub(crate) mod share;
pub(crate) mod size;
pub(crate) mod status;
pub(crate) mod url;

/// `text` as a message may quote it: on one line, and not too long.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let mut chars = text.chars().flat_map(char::escape_debug);
    let mut shown: String = chars.by_ref().take(SHOWN_MAX).collect();
    if chars.next().is_some() {
        shown.push(CUT);
    }
    shown.replace("\\\"", "\"").replace("\\'", "'")
}

/// What stands where a text was too long to be shown whole.
pub(crate) const CUT: char = '…';

/// `text` on one line, whole.
pub(crate) fn on_one_line(text: &str) -> String {
    let escaped: String = text.chars().flat_map(char::escape_debug).collect();
    escaped.replace("\\\"", "\"").replace("\\'", "'")
}

/// Splits a text such as `10MiB` behind its digits.
fn split_number(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_stays_on_one_line() {
        assert_eq!(shown("a\nb\u{7}"), "a\\nb\\u{7}");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
        assert_eq!(shown("say \"é\""), "say \"é\"");
    }
}
