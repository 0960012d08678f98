//! The form in which paths are compared: decoded, dot segments resolved, empty segments dropped.
//!
//! Two paths that a server takes for one have one form, so that no spelling leads around a route. Only
//! `%2F` and `%25` stay as they are: decoded they could not be told from a separator and from an escape.
//! Where servers differ in what they read, [`super::readings`] asks for the form of each reading.

use std::borrow::Cow;

/// Why a path has no form, and its request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It leads above its root, as some server may read it.
    #[error("the path leads above its root")]
    AboveRoot,
    /// A percent sign is not followed by two hexadecimal digits, a character is encoded in more bytes
    /// than it has, or escapes are escaped more than twice.
    #[error("the path has an escape that servers read in different ways, or not at all")]
    Escape,
    /// A control character, also as an escape.
    #[error("the path has a control character")]
    Control,
    /// What is left of it once a prefix is taken away begins with an authority, as some server may read it.
    #[error(
        "what is left of the path behind the prefix begins with a host, as some servers read it"
    )]
    Authority,
    /// It could be read in several ways, which together are too long for all of them to be looked at.
    #[error("the path is too long for what it leaves open")]
    TooLong,
}

/// A slash that separates nothing, in a text that was decoded: no other control character is let in.
pub(super) const KEPT_SLASH: u8 = 1;

/// What an escaped slash becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slash {
    /// A part of its segment.
    Kept,
    /// A separator.
    Separator,
}

/// What a percent sign is that begins no escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stray {
    Refused,
    Kept,
}

/// When empty segments are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    /// Before dot segments are resolved, as nginx does.
    First,
    /// After them, so that `..` can take one back, as in RFC 3986 §5.2.4.
    Last,
}

/// Whether `path` is its own form, and can be read in one way only.
pub(super) fn is_plain(path: &[u8]) -> bool {
    let mut after_slash = false;
    for byte in path {
        match byte {
            b'%' | b'\\' | b';' | 0..=0x1f | 0x7f => return false,
            b'/' | b'.' if after_slash => return false,
            _ => after_slash = *byte == b'/',
        }
    }
    path.first() == Some(&b'/') || path == b"*"
}

/// The form of `path`, which begins with a slash, as the reader has it that takes nothing for more than
/// it is.
pub(super) fn plain_form(path: &[u8]) -> Result<Form, BadPath> {
    form(&decode(path, Slash::Kept, Stray::Refused)?, Empty::First)
}

/// The form of a path that stands in the configuration, which is well formed.
pub(super) fn key(path: &str) -> Cow<'_, [u8]> {
    let path = path.as_bytes();
    match is_plain(path) {
        true => path.into(),
        false => plain_form(path).map_or(path.into(), |form| form.path.into()),
    }
}

/// `text` with its escapes undone.
pub(super) fn decode(text: &[u8], slash: Slash, stray: Stray) -> Result<Vec<u8>, BadPath> {
    check_controls(text)?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let Some(value) = tail.get(..2).and_then(value_of) else {
            if stray == Stray::Refused {
                return Err(BadPath::Escape);
            }
            out.push(b'%');
            continue;
        };
        check_controls(&[value])?;
        rest = &tail[2..];
        out.push(if value == b'/' && slash == Slash::Kept { KEPT_SLASH } else { value });
    }
    match !out.is_ascii() && out.windows(2).any(is_overlong) {
        true => Err(BadPath::Escape),
        false => Ok(out),
    }
}

fn check_controls(bytes: &[u8]) -> Result<(), BadPath> {
    // All of them, and not up to the first: so several are looked at at once.
    let has_control =
        bytes.iter().fold(false, |has_one, byte| has_one | matches!(byte, 0..=0x1f | 0x7f));
    if has_control { Err(BadPath::Control) } else { Ok(()) }
}

/// Whether a character begins with these two that is in more bytes than it has: strict servers refuse it,
/// others take `%C0%AF` for a slash.
fn is_overlong(two: &[u8]) -> bool {
    matches!(two, [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f])
}

/// Whether `text` has what could be an escape.
pub(super) fn has_escape(text: &[u8]) -> bool {
    text.contains(&b'%')
}

/// Whether `text` has the escape of `byte`.
pub(super) fn has_escape_of(text: &[u8], byte: u8) -> bool {
    has_escape(text) && escapes(text).any(|value| value == byte)
}

/// What the escapes in `text` stand for.
pub(super) fn escapes(text: &[u8]) -> impl Iterator<Item = u8> {
    let behind = text.iter().enumerate().filter(|(_, byte)| **byte == b'%').map(|(at, _)| at + 1);
    behind.filter_map(|at| text.get(at..at + 2).and_then(value_of))
}

/// The byte that two hexadecimal digits stand for.
fn value_of(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    match digits {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// A path in its form.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) path: Vec<u8>,
    /// Whether it had both empty and parent segments, so that it matters which go first.
    pub(super) is_open: bool,
}

/// The form of a text that was decoded and begins with a slash.
pub(super) fn form(text: &[u8], empty: Empty) -> Result<Form, BadPath> {
    let mut stack = Stack::new(empty, text.len());
    let mut last = Left::Nothing;
    for segment in text.get(1..).unwrap_or_default().split(|byte| *byte == b'/') {
        last = stack.push(segment)?;
    }
    if last == Left::Nothing {
        stack.path.push(b'/');
    }
    Ok(stack.finish())
}

/// A form that is being put together.
pub(super) struct Stack {
    pub(super) path: Vec<u8>,
    empty: Empty,
    has_empty: bool,
    has_parent: bool,
}

/// What is left of a segment that was put on others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Its name.
    Name,
    /// It was empty, or dots.
    Nothing,
}

impl Stack {
    pub(super) fn new(empty: Empty, size: usize) -> Self {
        let path = Vec::with_capacity(size + 8);
        Self { path, empty, has_empty: false, has_parent: false }
    }

    /// Puts one segment, decoded, on what there is.
    pub(super) fn push(&mut self, segment: &[u8]) -> Result<Left, BadPath> {
        match segment {
            b"" => {
                self.has_empty = true;
                if self.empty == Empty::Last {
                    self.path.push(b'/');
                }
            }
            b"." => {}
            b".." => {
                self.has_parent = true;
                let parent = self.path.iter().rposition(|byte| *byte == b'/');
                self.path.truncate(parent.ok_or(BadPath::AboveRoot)?);
            }
            segment => {
                self.path.push(b'/');
                // Most are too short for a copy of the whole to be worth its call.
                for byte in segment {
                    match *byte {
                        KEPT_SLASH => self.path.extend_from_slice(b"%2F"),
                        b'%' => self.path.extend_from_slice(b"%25"),
                        byte => self.path.push(byte),
                    }
                }
                return Ok(Left::Name);
            }
        }
        Ok(Left::Nothing)
    }

    fn finish(mut self) -> Form {
        if self.empty == Empty::Last {
            self.path.dedup_by(|one, other| *one == b'/' && *other == b'/');
        }
        if self.path.is_empty() {
            self.path.push(b'/');
        }
        Form { path: self.path, is_open: self.has_empty && self.has_parent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(path: &str) -> Result<String, BadPath> {
        plain_form(path.as_bytes()).map(|form| String::from_utf8_lossy(&form.path).into_owned())
    }

    #[test]
    fn paths_that_servers_take_for_one_have_one_form() {
        for (path, form) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("//a///b//", "/a/b/"),
            ("/%61%2Fb%2fc", "/a%2Fb%2Fc"),
            ("/a%20b%21+%2B", "/a b!++"),
            ("/%c3%a4", "/ä"),
            ("/ä", "/ä"),
            ("/public/%2e%2E/admin", "/admin"),
            ("/a/.hidden/..b", "/a/.hidden/..b"),
            ("/..a", "/..a"),
            ("/a/..", "/"),
            ("/a//..", "/"),
            ("/a;x/b\\c", "/a;x/b\\c"),
            ("/%2525/%25", "/%2525/%25"),
        ] {
            assert_eq!(plain(path).as_deref(), Ok(form), "{path}");
        }
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for (path, fault) in [
            ("/..", BadPath::AboveRoot),
            ("/../a", BadPath::AboveRoot),
            ("/a/../../b", BadPath::AboveRoot),
            ("/%2e%2e", BadPath::AboveRoot),
            ("/%", BadPath::Escape),
            ("/%4", BadPath::Escape),
            ("/%zz", BadPath::Escape),
            ("/%+1", BadPath::Escape),
            ("/%C0%AF", BadPath::Escape),
            ("/%c0%ae%c0%ae/", BadPath::Escape),
            ("/%e0%80%af", BadPath::Escape),
            ("/%00", BadPath::Control),
            ("/%01", BadPath::Control),
            ("/a%0d%0ab", BadPath::Control),
            ("/a%7Fb", BadPath::Control),
        ] {
            assert_eq!(plain(path), Err(fault), "{path}");
        }
    }

    #[test]
    fn empty_segments_are_dropped_first_or_last() {
        let read = |path: &str, empty| {
            form(path.as_bytes(), empty).map(|form| String::from_utf8(form.path).unwrap())
        };
        assert_eq!(read("/a//../b//", Empty::First).as_deref(), Ok("/b/"));
        assert_eq!(read("/a//../b//", Empty::Last).as_deref(), Ok("/a/b/"));
        assert_eq!(read("//..", Empty::Last).as_deref(), Ok("/"));
        assert_eq!(read("//..", Empty::First), Err(BadPath::AboveRoot));
    }

    #[test]
    fn the_form_of_a_form_is_itself() {
        for path in ["/a//b/../c", "/%7Ea/%2F/x/.", "/a%25/b", "/%61%20b"] {
            let once = plain(path).unwrap();
            assert_eq!(plain(&once).as_ref(), Ok(&once));
        }
    }

    #[test]
    fn only_what_can_be_read_in_one_way_is_plain() {
        for path in ["/", "/a/b.c/d", "*", "/ä/~!$&'()*+,=:@", "/a./b"] {
            assert!(is_plain(path.as_bytes()), "{path}");
            assert!(path == "*" || plain(path).as_deref() == Ok(path), "{path}");
        }
        for path in ["", "a", "//", "/.", "/a/../b", "/a/.b", "/%41", "/a;b", "/a\\b", "/\x01"] {
            assert!(!is_plain(path.as_bytes()), "{path}");
        }
    }
}
