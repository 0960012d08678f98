//! All that a server could read in a path.
//!
//! The grammar leaves open whether `%2F` and `\` separate segments, whether a segment ends at `;`, whether
//! `//` begins an authority, where a query begins, how often escapes are undone, and whether `..` takes
//! back an empty segment; servers differ in it, and in what they do first. A route is taken only where
//! every one of these readings leads to it, so that nobody walks around a route by a spelling that the
//! instance reads otherwise than we do. The work for one path is bounded in bytes, whatever stands in it.

use std::borrow::Cow;
use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::path::{
    BadPath, Empty, Form, Slash, Stray, decode, escapes, form, has_escape, has_escape_of, is_plain,
    plain_form,
};
use super::steps::Steps;

/// The longest path of which several readings are looked at, in bytes.
const AMBIGUOUS_BYTES_MAX: usize = 8 * 1024;

/// How much all readings of one path may amount to, in bytes of what is made on the way to them: eight
/// texts and forms of the longest path, and dozens of what people use. A path costs one client a few
/// bytes, since HTTP/2 has tables of them, and all others the time.
const WORK_BYTES_MAX: usize = 64 * 1024;

/// What one text costs beside its bytes.
const TEXT_BYTES: usize = 64;

/// What servers could read in one path.
#[derive(Debug)]
pub(crate) struct Readings<'a> {
    /// The form by which its route is found.
    pub(crate) plain: Cow<'a, [u8]>,
    /// The forms that other servers would find, each once and none equal to `plain`; mostly none.
    pub(crate) others: Vec<Vec<u8>>,
    /// Whether some server takes what it begins with for an authority.
    pub(crate) has_authority: bool,
}

/// How often a server has still to undo escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Decodings {
    None,
    Last,
    Two,
}

/// What a server has made of a path so far.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Text {
    bytes: Vec<u8>,
    decodings: Decodings,
    steps: Steps,
    stray: Stray,
}

/// The search for all readings of one path.
struct Search<'a> {
    readings: Readings<'a>,
    texts: Vec<Text>,
    /// Where a text, or a reading, with this hash stands. Of two that differ and have one hash, the
    /// later is looked at as often as it comes, and costs time alone.
    known_texts: FxHashMap<u64, usize>,
    known_readings: FxHashMap<u64, usize>,
    /// How many bytes may still be made.
    left: usize,
}

impl<'a> Readings<'a> {
    /// Every reading of `path`, which begins with a slash or is `*`.
    ///
    /// # Errors
    /// When one of them has no form, or all of them are more than is looked at.
    pub(crate) fn of(path: &'a [u8]) -> Result<Self, BadPath> {
        let alone = |plain| Self { plain, others: Vec::new(), has_authority: false };
        if is_plain(path) {
            return Ok(alone(path.into()));
        }
        let Form { path: plain, is_open } = plain_form(path)?;
        let readings = alone(plain.into());
        if !is_open && !is_ambiguous(path) {
            return Ok(readings);
        }
        if path.len() > AMBIGUOUS_BYTES_MAX {
            return Err(BadPath::TooLong);
        }
        let mut search = Search {
            readings,
            texts: Vec::new(),
            known_texts: FxHashMap::default(),
            known_readings: FxHashMap::default(),
            left: WORK_BYTES_MAX,
        };
        search.run(path)?;
        Ok(search.readings)
    }
}

impl Search<'_> {
    fn run(&mut self, path: &[u8]) -> Result<(), BadPath> {
        let whole = |decodings| Text {
            bytes: path.to_vec(),
            decodings,
            steps: Steps::ALL,
            stray: Stray::Refused,
        };
        self.put(whole(Decodings::Last));
        if has_escape_of(path, b'%') {
            self.put(whole(Decodings::Two));
        }
        let mut at = 0;
        while at < self.texts.len() {
            let text = &mut self.texts[at];
            let bytes = std::mem::take(&mut text.bytes);
            let (decodings, steps, stray) = (text.decodings, text.steps, text.stray);
            self.follow(&bytes, decodings, steps, stray)?;
            self.texts[at].bytes = bytes;
            at += 1;
        }
        Ok(())
    }

    /// Does each thing that can be done next.
    fn follow(
        &mut self,
        bytes: &[u8],
        decodings: Decodings,
        steps: Steps,
        stray: Stray,
    ) -> Result<(), BadPath> {
        for step in steps.iter() {
            if let Some(bytes) = step.apply(bytes) {
                self.pay(&bytes)?;
                self.readings.has_authority |= step.takes_authority();
                self.put(Text { bytes, decodings, steps: steps.without(step), stray });
            }
        }
        match decodings {
            Decodings::None => self.read(bytes),
            Decodings::Two => {
                let bytes = self.decoded(bytes, Slash::Separator, stray)?;
                if has_escape_of(&bytes, b'%') {
                    return Err(BadPath::Escape);
                }
                self.put(Text { bytes, decodings: Decodings::Last, steps, stray: Stray::Kept });
                Ok(())
            }
            Decodings::Last => {
                let kept = has_escape_of(bytes, b'/').then_some(Slash::Kept);
                for slash in [Some(Slash::Separator), kept].into_iter().flatten() {
                    let bytes = self.decoded(bytes, slash, stray)?;
                    self.put(Text { bytes, decodings: Decodings::None, steps, stray });
                }
                Ok(())
            }
        }
    }

    fn decoded(&mut self, bytes: &[u8], slash: Slash, stray: Stray) -> Result<Vec<u8>, BadPath> {
        self.pay(bytes)?;
        decode(bytes, slash, stray)
    }

    fn pay(&mut self, bytes: &[u8]) -> Result<(), BadPath> {
        let left = self.left.checked_sub(bytes.len() + TEXT_BYTES);
        self.left = left.ok_or(BadPath::TooLong)?;
        Ok(())
    }

    /// Has `text` looked at, unless it is, or one from which nothing else can come.
    fn put(&mut self, mut text: Text) {
        if !has_escape(&text.bytes) {
            text.decodings = Decodings::None;
        }
        if text.decodings == Decodings::None {
            text.stray = Stray::Kept;
            text.steps = text.steps.that_matter_to(&text.bytes);
        }
        if is_new(&text, &self.texts, &mut self.known_texts) {
            self.texts.push(text);
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), BadPath> {
        self.pay(bytes)?;
        let found = form(bytes, Empty::First)?;
        if found.is_open {
            self.pay(bytes)?;
            self.found(form(bytes, Empty::Last)?.path);
        }
        self.found(found.path);
        Ok(())
    }

    fn found(&mut self, path: Vec<u8>) {
        let others = &mut self.readings.others;
        if *self.readings.plain != *path && is_new(&path, others, &mut self.known_readings) {
            others.push(path);
        }
    }
}

/// Whether `one` is not among `all`, where it is about to be put; `known` says where those of a hash stand.
fn is_new<T: std::hash::Hash + Eq>(one: &T, all: &[T], known: &mut FxHashMap<u64, usize>) -> bool {
    let at = *known.entry(FxBuildHasher.hash_one(one)).or_insert(all.len());
    all.get(at) != Some(one)
}

/// Whether some server could read more in `path` than stands there, but for the order in which empty and
/// parent segments are resolved.
fn is_ambiguous(path: &[u8]) -> bool {
    path.starts_with(b"//")
        || path.iter().any(|byte| matches!(byte, b'\\' | b';'))
        || escapes(path).any(|byte| matches!(byte, b'/' | b'\\' | b';' | b'%' | b'?' | b'#'))
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
        for path in ["/a/b", "/%61/%20/ä", "/a//./b", "/a%3Db%26c", "*", "/a+b%2Bc"] {
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
        assert_eq!(others("//a/b"), wanted(&["/b"]));
        assert_eq!(others("///a/b"), wanted(&["/b"]));
        assert_eq!(others("//a\\b"), wanted(&["/", "/a/b", "/b"]));
        assert_eq!(others("/%2fa/b"), wanted(&["/a/b", "/b"]));
        assert_eq!(others("/a%3fb"), wanted(&["/a"]));
        assert_eq!(others("/a%23b%3fc"), wanted(&["/a", "/a#b"]));
        assert_eq!(others("/a%253Fb"), wanted(&["/a", "/a?b"]));
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

    /// How much is looked at for `path`, in bytes, and whether all of it.
    fn work(path: &str) -> (usize, bool) {
        let mut search = Search {
            readings: Readings { plain: b""[..].into(), others: Vec::new(), has_authority: false },
            texts: Vec::new(),
            known_texts: FxHashMap::default(),
            known_readings: FxHashMap::default(),
            left: WORK_BYTES_MAX,
        };
        let done = search.run(path.as_bytes()).is_ok();
        (WORK_BYTES_MAX - search.left, done)
    }

    #[test]
    fn what_people_send_is_read_whole_and_at_little_cost() {
        let long = |piece: &str, bytes: usize| format!("/{}", piece.repeat(bytes / piece.len()));
        for (path, bytes) in [
            ("/projects/group%2Fname".to_owned(), 400),
            ("/shop/cart;jsessionid=1".to_owned(), 400),
            ("/queues/%2F".to_owned(), 400),
            ("/search/what%3F".to_owned(), 400),
            ("/search/100%25%20of%20%23%2F%3F%3B%5C".to_owned(), 25_000),
            ("/proxy/https%3A%2F%2Fe.example%2Fp%3Fa%3D%2520b%26c%3Dd%23e".to_owned(), 10_000),
            (format!("{}%2Fb", long("a/b%20c", 8000)), 40_000),
            (format!("{};v=1", long("a/b", 8000)), 40_000),
            (format!("/%3F{}", long("a%20b%2F", 8000)), 64_000),
        ] {
            let (work, is_whole) = work(&path);
            assert!(is_whole && work <= bytes, "{path}: {work} bytes, {is_whole}");
        }
    }

    #[test]
    fn what_leaves_too_much_open_is_refused() {
        let odd = |bytes: usize| format!("/a/a/a/{}", "/a;\\%2f/..//%25b".repeat(bytes / 17));
        assert_eq!(others(&odd(3950)), Err(BadPath::TooLong));
        assert!(others(&odd(40)).is_ok());
    }
}
