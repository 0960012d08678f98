//! All that a server could read in a path.
//!
//! The grammar leaves open whether `%2F` and `\` separate segments, whether a segment ends at `;`, how
//! often escapes are undone, and whether `..` takes back an empty segment; servers differ in it, and in
//! what they do first. A route is taken only where every one of these readings leads to it, so that
//! nobody walks around a route by a spelling that the instance reads otherwise than we do.

use std::borrow::Cow;

use super::path::{
    BadPath, Empty, Form, Slash, Stray, decode, form, has_escape_of, is_plain, plain_form,
};

/// The longest path of which several readings are looked at, in bytes: the work for one request is
/// bounded by it.
const AMBIGUOUS_BYTES_MAX: usize = 8 * 1024;

/// What servers could read in one path.
#[derive(Debug)]
pub(crate) struct Readings<'a> {
    /// The form by which its route is found.
    pub(crate) plain: Cow<'a, [u8]>,
    /// The forms that other servers would find, each once and none equal to `plain`; mostly none.
    pub(crate) others: Vec<Vec<u8>>,
}

/// What a server may do to a path beside undoing escapes, at most once each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Drops what follows a semicolon in its segment.
    Parameters,
    /// Takes backslashes for slashes.
    Backslashes,
}

impl Step {
    const ALL: &[Self] = &[Self::Parameters, Self::Backslashes];

    /// What it makes of `text`; `None` where it changes nothing.
    fn apply(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Parameters => text.contains(&b';').then(|| {
                let segments = text.split(|byte| *byte == b'/');
                let kept = segments.map(|segment| segment.split(|byte| *byte == b';').next());
                kept.map(Option::unwrap_or_default).collect::<Vec<_>>().join(&b'/')
            }),
            Self::Backslashes => text.contains(&b'\\').then(|| {
                text.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
            }),
        }
    }

    /// All others.
    fn others(self) -> &'static [Self] {
        match self {
            Self::Parameters => &[Self::Backslashes],
            Self::Backslashes => &[Self::Parameters],
        }
    }
}

/// How often a server has still to undo escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decodings {
    None,
    Last,
    Two,
}

impl<'a> Readings<'a> {
    /// Every reading of `path`, which begins with a slash or is `*`.
    ///
    /// # Errors
    /// When one of them has no form.
    pub(crate) fn of(path: &'a [u8]) -> Result<Self, BadPath> {
        if is_plain(path) {
            return Ok(Self { plain: path.into(), others: Vec::new() });
        }
        let Form { path: plain, is_open } = plain_form(path)?;
        let mut readings = Self { plain: plain.into(), others: Vec::new() };
        if !is_open && !is_ambiguous(path) {
            return Ok(readings);
        }
        if path.len() > AMBIGUOUS_BYTES_MAX {
            return Err(BadPath::TooLong);
        }
        readings.follow(path, Decodings::Last, Step::ALL, Stray::Refused)?;
        if has_escape_of(path, b'%') {
            readings.follow(path, Decodings::Two, Step::ALL, Stray::Refused)?;
        }
        Ok(readings)
    }

    /// Adds what becomes of `text` by every order of what is left to be done.
    fn follow(
        &mut self,
        text: &[u8],
        decodings: Decodings,
        steps: &[Step],
        stray: Stray,
    ) -> Result<(), BadPath> {
        for step in steps {
            if let Some(changed) = step.apply(text) {
                let left = if steps.len() > 1 { step.others() } else { &[] };
                self.follow(&changed, decodings, left, stray)?;
            }
        }
        match decodings {
            Decodings::Two => {
                let once = decode(text, Slash::Separator, stray)?;
                if has_escape_of(&once, b'%') {
                    return Err(BadPath::Escape);
                }
                self.follow(&once, Decodings::Last, steps, Stray::Kept)
            }
            Decodings::Last => {
                if has_escape_of(text, b'/') {
                    let decoded = decode(text, Slash::Separator, stray)?;
                    self.follow(&decoded, Decodings::None, steps, stray)?;
                }
                self.follow(&decode(text, Slash::Kept, stray)?, Decodings::None, steps, stray)
            }
            Decodings::None => self.add(text),
        }
    }

    fn add(&mut self, text: &[u8]) -> Result<(), BadPath> {
        let found = form(text, Empty::First)?;
        let other = if found.is_open { Some(form(text, Empty::Last)?.path) } else { None };
        for found in [Some(found.path), other].into_iter().flatten() {
            if *self.plain != *found && !self.others.contains(&found) {
                self.others.push(found);
            }
        }
        Ok(())
    }
}

/// Whether some server could read more in `path` than stands there, but for the order in which empty and
/// parent segments are resolved.
fn is_ambiguous(path: &[u8]) -> bool {
    path.iter().any(|byte| matches!(byte, b'\\' | b';'))
        || [b'/', b'\\', b';', b'%'].into_iter().any(|byte| has_escape_of(path, byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(path: &str) -> Result<Vec<String>, BadPath> {
        let readings = Readings::of(path.as_bytes())?;
        let mut others: Vec<_> =
            readings.others.iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect();
        others.sort();
        Ok(others)
    }

    #[test]
    fn a_path_that_is_read_in_one_way_has_no_others() {
        for path in ["/a/b", "/%61/%20/ä", "//a/./b", "/a%3Fb%23c", "*", "/a+b%2Bc"] {
            assert_eq!(others(path), Ok(Vec::new()), "{path}");
        }
        assert!(matches!(Readings::of(b"/a/b.c").unwrap().plain, Cow::Borrowed(_)));
    }

    #[test]
    fn each_thing_left_open_is_read_in_each_way() {
        let wanted = |list: &[&str]| Ok(list.iter().map(ToString::to_string).collect());
        assert_eq!(others("/x%2f..%2fadmin"), wanted(&["/admin"]));
        assert_eq!(others("/admin;x/y"), wanted(&["/admin/y"]));
        assert_eq!(others("/x/..;/admin"), wanted(&["/admin"]));
        assert_eq!(others("/admin%3bx"), wanted(&["/admin"]));
        assert_eq!(others("/x\\..\\admin"), wanted(&["/admin"]));
        assert_eq!(others("/x%5c..%5cadmin"), wanted(&["/admin"]));
        assert_eq!(others("/%2561dmin"), wanted(&["/admin"]));
        assert_eq!(others("/admin//../open"), wanted(&["/admin/open"]));
        assert_eq!(others("/x%252f..%252fadmin"), wanted(&["/admin", "/x%2F..%2Fadmin"]));
        assert_eq!(others("/a;%2fb"), wanted(&["/a", "/a/b", "/a;/b"]));
        assert_eq!(others("/a;\\b"), wanted(&["/a", "/a/b", "/a;/b"]));
    }

    #[test]
    fn what_some_server_could_not_read_is_refused() {
        for (path, fault) in [
            ("/a%2f..%2f..%2fb", BadPath::AboveRoot),
            ("/..;/a", BadPath::AboveRoot),
            ("/..\\a", BadPath::AboveRoot),
            ("/%252e%252e/", BadPath::AboveRoot),
            ("/a%2500", BadPath::Control),
            ("/a%250a", BadPath::Control),
            ("/a;%00/b", BadPath::Control),
            ("/%252561", BadPath::Escape),
            ("/%25c0%25af", BadPath::Escape),
        ] {
            assert_eq!(others(path), Err(fault), "{path}");
        }
        let long = |piece: &str| format!("/{}", piece.repeat(AMBIGUOUS_BYTES_MAX));
        assert_eq!(others(&long(";")), Err(BadPath::TooLong));
        assert_eq!(others(&long("a%20")), Ok(Vec::new()));
    }
}
