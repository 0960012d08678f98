//! The normal form of a path, by which routes are matched.
//!
//! A target that is asked for `/public/../admin` may well serve `/admin`: matching anything but
//! what the target will make of the path would let a client walk around a route. So dot segments
//! are resolved (RFC 3986 §5.2.4), escapes of characters that need none are undone (§6.2.2.2) and
//! empty segments are dropped, for matching only; what is forwarded is what was sent.

use std::borrow::Cow;

/// The path leads above its root, or an escape in it is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadPath;

/// Brings `path` into its normal form; without a copy where it is in it already.
pub(crate) fn normalise(path: &[u8]) -> Result<Cow<'_, [u8]>, BadPath> {
    if is_normal(path) {
        return Ok(Cow::Borrowed(path));
    }
    let unescaped = unescape(path)?;
    let mut normal: Vec<u8> = Vec::with_capacity(unescaped.len());
    let mut segments = unescaped.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." if last => normal.push(b'/'),
            b"" if last => normal.push(b'/'),
            b"." | b"" => {}
            b".." => {
                let parent = normal.iter().rposition(|byte| *byte == b'/').ok_or(BadPath)?;
                normal.truncate(parent);
                if last {
                    normal.push(b'/');
                }
            }
            _ => {
                normal.push(b'/');
                normal.extend_from_slice(segment);
            }
        }
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    Ok(Cow::Owned(normal))
}

/// The normal form of `path` without `prefix`. What is rewritten is rewritten in its normal form,
/// so that dot segments cannot climb over the cut.
pub(crate) fn path_below<'a>(path: &'a [u8], prefix: &[u8]) -> Cow<'a, [u8]> {
    let cut = |rest: &[u8]| rest.strip_prefix(prefix).map_or(0, |_| prefix.len());
    match normalise(path) {
        Ok(Cow::Owned(mut normal)) => {
            normal.drain(..cut(&normal));
            if normal.is_empty() {
                normal.push(b'/');
            }
            Cow::Owned(normal)
        }
        _ if path.len() == cut(path) => Cow::Borrowed(b"/"),
        _ => Cow::Borrowed(&path[cut(path)..]),
    }
}

/// Whether nothing in `path` could need to be changed: no escape, no `/.` and no `//`.
fn is_normal(path: &[u8]) -> bool {
    let mut after_slash = false;
    for byte in path {
        match byte {
            b'%' => return false,
            b'/' | b'.' if after_slash => return false,
            _ => after_slash = *byte == b'/',
        }
    }
    path.first() == Some(&b'/') || path == b"*"
}

/// Undoes the escapes of letters, digits, `-`, `.`, `_`, `~`; writes the others in upper case.
fn unescape(path: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or(BadPath)?;
        rest = tail;
        let value = hex(digits[0])? << 4 | hex(digits[1])?;
        if value.is_ascii_alphanumeric() || matches!(value, b'-' | b'.' | b'_' | b'~') {
            out.push(value);
        } else {
            out.extend([b'%', digits[0].to_ascii_uppercase(), digits[1].to_ascii_uppercase()]);
        }
    }
    Ok(out)
}

fn hex(digit: u8) -> Result<u8, BadPath> {
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(BadPath)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> Result<String, BadPath> {
        normalise(path.as_bytes()).map(|path| String::from_utf8_lossy(&path).into_owned())
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
            ("/public/%2e%2E/admin", "/admin"),
            ("/a/.hidden/..b", "/a/.hidden/..b"),
            ("/..a", "/..a"),
            ("/a/..", "/"),
        ] {
            assert_eq!(normal(path).as_deref(), Ok(form), "{path}");
        }
    }

    #[test]
    fn paths_above_the_root_and_broken_escapes_are_refused() {
        for path in ["/..", "/../a", "/a/../../b", "/%2e%2e", "/%", "/%4", "/%zz"] {
            assert_eq!(normal(path), Err(BadPath), "{path}");
        }
    }

    #[test]
    fn a_plain_path_is_not_copied() {
        assert!(matches!(normalise(b"/a/b.c/d?"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn the_form_of_a_form_is_itself() {
        for path in ["/a//b/../c", "/%7Ea/%2F/x/.", "/a%25/b"] {
            let once = normal(path).unwrap();
            assert_eq!(normal(&once).as_ref(), Ok(&once));
        }
    }
}
