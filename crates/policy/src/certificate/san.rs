//! Patterns of the other names of certificates: hosts, URIs, email addresses and addresses. A pattern is of one kind, which is seen from it
//! as that of a name is.

use std::net::IpAddr;

use super::BadPattern;
use super::places::{Takes, fit};

/// What another name must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SanPattern {
    kind: Kind,
    places: Vec<Place>,
}

/// The kinds of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Uri,
    Mail,
    Address,
}

/// A place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Byte(u8),
    /// Any number of bytes,
    Any,
    /// but for this one.
    AnyBut(u8),
}

impl Kind {
    /// That of a name, or of a pattern.
    fn of(text: &str) -> Self {
        if text.parse::<IpAddr>().is_ok() {
            Self::Address
        } else if text.contains(':') {
            Self::Uri
        } else if text.contains('@') {
            Self::Mail
        } else {
            Self::Host
        }
    }

    /// What a `*` in a pattern stands for that does not reach beyond a label or a segment.
    fn inner(self) -> Place {
        match self {
            Self::Host => Place::AnyBut(b'.'),
            Self::Uri => Place::AnyBut(b'/'),
            Self::Mail => Place::AnyBut(b'@'),
            Self::Address => Place::Byte(b'*'),
        }
    }

    /// Where a `*` stands for anything: at the end that names of this kind are open at.
    fn is_open(self, at: usize, length: usize) -> bool {
        match self {
            Self::Host => at == 0,
            Self::Uri => at + 1 == length,
            Self::Mail | Self::Address => false,
        }
    }
}

impl SanPattern {
    /// Reads one.
    ///
    /// # Errors
    /// When it is empty or has what no name has.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        if text.is_empty() {
            return Err(BadPattern::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadPattern::Character);
        }
        let kind = Kind::of(text);
        let text = match (kind, text.rsplit_once('@'), text.parse::<IpAddr>()) {
            (Kind::Host, ..) => text.to_ascii_lowercase(),
            (Kind::Mail, Some((local, host)), _) => {
                format!("{local}@{}", host.to_ascii_lowercase())
            }
            (Kind::Address, _, Ok(address)) => address.to_string(),
            _ => text.to_owned(),
        };
        let place = |(at, byte): (usize, u8)| match byte {
            b'*' if kind.is_open(at, text.len()) => Place::Any,
            b'*' => kind.inner(),
            byte => Place::Byte(byte),
        };
        Ok(Self { kind, places: text.bytes().enumerate().map(place).collect() })
    }

    /// Whether `name` is such a name.
    pub fn matches(&self, name: &str) -> bool {
        let takes = |place: &Place| match place {
            Place::Byte(_) => Takes::One,
            Place::Any | Place::AnyBut(_) => Takes::Many,
        };
        let fits = |place: &Place, byte: &u8| match place {
            Place::Byte(wanted) => wanted == byte,
            Place::Any => true,
            Place::AnyBut(end) => end != byte,
        };
        Kind::of(name) == self.kind && fit(&self.places, name.bytes(), takes, fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_anything_at_the_open_end_and_within_a_part_elsewhere() {
        for (pattern, name, is_it) in [
            ("a.svc", "a.svc", true),
            ("A.svc", "a.svc", true),
            ("*.svc", "a.svc", true),
            ("*.svc", "a.default.svc", true),
            ("*.svc", "svc", false),
            ("*.svc", ".svc", true),
            ("*.svc", "a.svc.evil", false),
            ("*.svc", "asvc", false),
            ("*svc", "a.b.asvc", true),
            ("a.*.svc", "a.b.svc", true),
            ("a.*.svc", "a.b.c.svc", false),
            ("a-*", "a-1", true),
            ("a-*", "a-1.evil", false),
            ("*", "a.b", true),
            ("*.*.svc", "a.b.c.svc", true),
            ("*.svc", "*.svc", true),
            ("spiffe://c/ns/*/sa/ci", "spiffe://c/ns/a/sa/ci", true),
            ("spiffe://c/ns/*/sa/ci", "spiffe://c/ns/a/sa/b/sa/ci", false),
            ("spiffe://c/ns/*", "spiffe://c/ns/a/sa/ci", true),
            ("spiffe://c/*", "spiffe://cc/a", false),
            ("spiffe://c/A", "spiffe://c/a", false),
            ("*@example.com", "a@example.com", true),
            ("*@Example.com", "a@example.com", true),
            ("*@example.com", "a@b@example.com", false),
            ("*@example.com", "a@example.com.evil", false),
            ("10.0.0.7", "10.0.0.7", true),
            ("2001:DB8:0::1", "2001:db8::1", true),
            ("10.0.0.7", "10.0.0.70", false),
        ] {
            let pattern = SanPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(name), is_it, "{pattern:?} {name}");
        }
    }

    #[test]
    fn names_of_another_kind_are_never_meant() {
        for (pattern, name) in [
            ("*", "a@example.com"),
            ("*", "spiffe://c/a"),
            ("*", "10.0.0.7"),
            ("*", "::1"),
            ("*example.com", "a@example.com"),
            ("*:*", "::1"),
        ] {
            assert!(!SanPattern::parse(pattern).unwrap().matches(name), "{pattern} {name}");
        }
        assert_eq!(SanPattern::parse(""), Err(BadPattern::Empty));
        for text in ["a b", "é.svc", "a\n"] {
            assert_eq!(SanPattern::parse(text), Err(BadPattern::Character), "{text:?}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = SanPattern::parse(&"*a".repeat(200)).unwrap();
        assert!(!pattern.matches(&"a".repeat(4_000).replace("aa", "a.")));
    }
}
