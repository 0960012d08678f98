//! What of a path a rewrite takes away: the bytes that stand for the prefix, and no other.

use super::path::{BadPath, Empty, Slash, Stack, Stray, decode, is_plain, key};
use super::readings::Readings;

/// Where the part of `path` ends that stands for `prefix`; what follows is empty or begins with a slash.
/// 0 where the path does not begin with it. `added` is what will stand before what follows: where it is
/// empty, what follows begins with one slash only, since two of them begin an authority (RFC 3986 §4.2),
/// and no reading of the whole path has one there.
///
/// # Errors
/// When a server could read the rest as leading above the place where it is cut, or as beginning with an
/// authority all the same.
pub(crate) fn cut(path: &[u8], prefix: &str, added: &str) -> Result<usize, BadPath> {
    if is_plain(path) && !prefix.contains('%') {
        let rest = path.strip_prefix(prefix.as_bytes());
        let rest = rest.filter(|rest| matches!(rest, [] | [b'/', ..]));
        return Ok(rest.map_or(0, |rest| path.len() - rest.len()));
    }
    let mut at = walk(path, &key(prefix))?;
    if at == 0 || at == path.len() {
        return Ok(at);
    }
    if added.is_empty() {
        at += path[at..].iter().take_while(|byte| **byte == b'/').count() - 1;
    }
    if Readings::of(&path[at..])?.has_authority && added.is_empty() {
        return Err(BadPath::Authority);
    }
    Ok(at)
}

/// The first place after which the path never leaves `prefix` again.
fn walk(path: &[u8], prefix: &[u8]) -> Result<usize, BadPath> {
    let mut stack = Stack::new(Empty::First, path.len());
    let (mut found, mut end) = (None, 0);
    for segment in path.get(1..).unwrap_or_default().split(|byte| *byte == b'/') {
        end += 1 + segment.len();
        stack.push(&decode(segment, Slash::Kept, Stray::Refused)?)?;
        match stack.path.strip_prefix(prefix) {
            Some([]) => found = found.or(Some(end)),
            Some([b'/', ..]) => {}
            _ => found = None,
        }
    }
    Ok(found.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest<'a>(path: &'a str, prefix: &str) -> Result<&'a str, BadPath> {
        cut(path.as_bytes(), prefix, "").map(|at| &path[at..])
    }

    #[test]
    fn only_what_stands_for_the_prefix_is_taken() {
        for (path, left) in [
            ("/api/v1", "/v1"),
            ("/api", ""),
            ("/api/", "/"),
            ("/apiary", "/apiary"),
            ("/other/api/x", "/other/api/x"),
            ("/api/fetch/https://e.example/a", "/fetch/https://e.example/a"),
            ("/api/%61%2Fb/./c/../d//", "/%61%2Fb/./c/../d//"),
            ("/api///x//y", "/x//y"),
            ("/%61pi/x", "/x"),
            ("/./api/x", "/x"),
            ("//api//x", "/x"),
            ("/y/../api/x", "/x"),
            ("/api/a/../x", "/a/../x"),
            ("/api/../api/x", "/x"),
            ("/api/a/../../api/x", "/x"),
            ("/api/..", "/api/.."),
            ("/api/a;b/ä", "/a;b/ä"),
        ] {
            assert_eq!(rest(path, "/api"), Ok(left), "{path}");
        }
    }

    #[test]
    fn a_prefix_is_found_however_it_is_spelt() {
        assert_eq!(rest("/%C3%A4/x", "/%C3%A4"), Ok("/x"));
        assert_eq!(rest("/ä/x", "/%C3%A4"), Ok("/x"));
        assert_eq!(rest("/a%20b", "/a%20b"), Ok(""));
        assert_eq!(rest("/a/b/c", "/a/b"), Ok("/c"));
    }

    #[test]
    fn what_could_climb_over_the_cut_is_refused() {
        for path in [
            "/api/x%2f..%2f..%2fapi%2fy",
            "/api/x\\..\\..\\api/y",
            "/api/..;/api/y",
            "/api/%252e%252e/api/y",
        ] {
            assert_eq!(rest(path, "/api"), Err(BadPath::AboveRoot), "{path}");
        }
    }

    #[test]
    fn what_is_left_begins_with_no_authority_unless_something_stands_before_it() {
        for path in
            ["/api/\\x/y", "/api\\/x/y", "/api/%2fx/y", "/api/%5Cx", "/api/%252fx", "/api/;/x/y"]
        {
            let whole = path.starts_with("/api/");
            assert_eq!(rest(path, "/api"), if whole { Err(BadPath::Authority) } else { Ok(path) });
            let at = cut(path.as_bytes(), "/api", "/v2").unwrap();
            assert_eq!(at, if whole { "/api".len() } else { 0 }, "{path}");
        }
        assert_eq!(cut(b"/api//x/y", "/api", "/v2"), Ok("/api".len()));
    }
}
