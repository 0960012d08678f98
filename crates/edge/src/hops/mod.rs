//! What an intermediary owes to those before and behind it (RFC 9110 §7.6): `Via`, by which a circle is
//! known, `Max-Forwards`, and which changes of protocol are passed on.

pub(crate) mod named;

use std::borrow::Cow;

use wire::h1::framing::parse_length;
use wire::head::{Fields, Method, RequestHead, Version, list};
use wire::name::Name;

use crate::fields::FieldSink;

/// The versions of HTTP, as `Via` names them.
const RECEIVED_AS: [&str; 3] = ["1.0", "1.1", "2.0"];

/// The name by which this edge calls itself in `Via`: drawn for each, the same over its workers, and no
/// word of the machine that it runs on.
#[derive(Debug)]
pub(crate) struct Pseudonym {
    name: Box<str>,
    /// The line `Via` for each version of HTTP, as text carries it.
    lines: [Box<str>; 3],
}

impl Pseudonym {
    /// A new one.
    pub(crate) fn draw() -> Self {
        let name = format!("plimsoll-{:016x}", fastrand::u64(..)).into_boxed_str();
        let lines = RECEIVED_AS.map(|version| format!("Via: {version} {name}\r\n").into());
        Self { name, lines }
    }

    /// Whether a message with `fields` has been here before.
    pub(crate) fn is_in(&self, fields: &Fields) -> bool {
        let by = |hop: &[u8]| {
            let mut words = hop.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(self.name.as_bytes()))
        };
        fields.has(Name::Via) && fields.all(Name::Via).flat_map(list).any(by)
    }

    /// Writes that a message was received here, spoken in `version`.
    #[inline]
    pub(crate) fn write(&self, version: Version, out: &mut impl FieldSink) {
        let place = match version {
            Version::Http10 => 0,
            Version::Http11 => 1,
            Version::H2 => 2,
        };
        match out.as_text() {
            Some(text) => text.extend_from_slice(self.lines[place].as_bytes()),
            None => out.put(b"Via", format!("{} {}", RECEIVED_AS[place], self.name).as_bytes()),
        }
    }
}

/// How often an `OPTIONS` may still be forwarded, where it says so. Other methods that know
/// `Max-Forwards` are not forwarded at all.
pub(crate) fn max_forwards(head: &RequestHead) -> Option<u64> {
    match head.method() {
        Method::Options => head.fields.get(Name::MaxForwards).and_then(parse_length),
        _ => None,
    }
}

/// The protocols that the client offers to change to and that an instance may hear of. `h2c` and TLS are
/// none: what came after could not be seen here, and would go around the gateway.
pub(crate) fn upgrade_of(head: &RequestHead) -> Option<Cow<'_, [u8]>> {
    let may_pass = |protocol: &&[u8]| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
        !["h2c", "h2", "http", "tls"].iter().any(|no| name.eq_ignore_ascii_case(no.as_bytes()))
    };
    let mut passed = head.upgrades().filter(may_pass);
    let first = passed.next()?;
    Some(match passed.next() {
        None => first.into(),
        Some(second) => {
            let all: Vec<&[u8]> = [first, second].into_iter().chain(passed).collect();
            all.join(&b", "[..]).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::h1::request::{HeadLimits, parse};
    use wire::head::HeadBuilder;

    use super::*;

    fn is_in(pseudonym: &Pseudonym, via: &str) -> bool {
        let mut builder = HeadBuilder::new(&Pool::default());
        builder.field(b"via", via.as_bytes());
        pseudonym.is_in(&builder.trailers())
    }

    #[test]
    fn its_own_hop_is_known_among_others() {
        let (one, other) = (Pseudonym::draw(), Pseudonym::draw());
        assert_ne!(one.name, other.name);
        let mut written = Vec::new();
        one.write(Version::H2, &mut written);
        assert_eq!(written, format!("Via: 2.0 {}\r\n", one.name).as_bytes());
        for via in ["1.1 {}", "HTTP/1.1 {} (a, b)", "1.0 a,1.1\t{}", "1.0 a, 2.0  {} , 1.1 b"] {
            let via = via.replace("{}", &one.name);
            assert!(is_in(&one, &via) && !is_in(&other, &via), "{via}");
        }
        for via in ["", "1.1", "1.1 a ({})", "{}", "1.1 x{}", "1.1 {}:80"] {
            assert!(!is_in(&one, &via.replace("{}", &one.name)), "{via}");
        }
    }

    #[test]
    fn what_would_go_around_the_gateway_is_not_offered() {
        let offered = |upgrade: &str| {
            let text = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: {upgrade}\r\n\r\n"
            );
            let pool = Pool::default();
            let mut raw = pool.buffer(text.len());
            raw.extend(text.as_bytes());
            let head = parse(raw, &pool, HeadLimits { bytes: 4096, fields: 9 }).unwrap();
            upgrade_of(&head).map(|it| String::from_utf8(it.into_owned()).unwrap())
        };
        assert_eq!(offered("websocket").as_deref(), Some("websocket"));
        assert_eq!(offered("h2c, websocket").as_deref(), Some("websocket"));
        assert_eq!(offered("a/1,H2C ,\tb\r\nUpgrade: c, TLS/1.2").as_deref(), Some("a/1, b, c"));
        for none in ["h2c", "H2C", "h2c, h2", "TLS/1.0", "HTTP/2.0,", ","] {
            assert_eq!(offered(none), None, "{none}");
        }
    }

    #[test]
    fn only_options_count_their_forwards() {
        let with = |method: &[u8], value: &[u8]| {
            let mut builder = HeadBuilder::new(&Pool::default());
            builder.field(b"max-forwards", value);
            max_forwards(&builder.request(method, b"a", b"*"))
        };
        assert_eq!(with(b"OPTIONS", b"0"), Some(0));
        assert_eq!(with(b"OPTIONS", b"10"), Some(10));
        assert_eq!(with(b"OPTIONS", b"-1"), None);
        assert_eq!(with(b"GET", b"0"), None);
    }
}
