//! Where a request has its credential, and how that is taken out of what an instance sees.
//!
//! What is there twice and differs is no credential: the instance might go by the other one.

use std::borrow::Cow;

use model::CredentialPlace;
use wire::head::RequestHead;
use wire::name::{Name, reads_as};

use crate::routing::query_values;

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Nothing,
    /// One, which may be worth anything.
    One(Cow<'a, [u8]>),
    /// Several that differ.
    Several,
}

/// What `head` has at `place`.
pub(super) fn find<'a>(place: &'a CredentialPlace, head: &'a RequestHead) -> Found<'a> {
    match place {
        CredentialPlace::Bearer => only(head.fields.all(Name::Authorization).map(Cow::Borrowed))
            .and_then(behind(b"bearer")),
        CredentialPlace::Basic => {
            only(head.fields.all(Name::Authorization).map(Cow::Borrowed)).and_then(behind(b"basic"))
        }
        CredentialPlace::Header(name) => {
            // In whatever spelling a server takes for it.
            let fields = head.fields.iter().filter(|(_, text, _)| reads_as(text, name.as_bytes()));
            only(fields.map(|(_, _, value)| Cow::Borrowed(value)))
        }
        CredentialPlace::Cookie(name) => {
            only(cookies(head, name.as_bytes()).map(|value| Cow::Borrowed(unquoted(value))))
        }
        CredentialPlace::Query(name) => only(query_values(head.query().unwrap_or_default(), name)),
    }
}

impl<'a> Found<'a> {
    fn and_then(self, read: impl FnOnce(Cow<'a, [u8]>) -> Found<'a>) -> Self {
        match self {
            Self::One(value) => read(value),
            other => other,
        }
    }
}

/// The one among `values`; the same one twice is one, and an empty one is none.
fn only<'a>(mut values: impl Iterator<Item = Cow<'a, [u8]>>) -> Found<'a> {
    let Some(first) = values.find(|value| !value.is_empty()) else { return Found::Nothing };
    match values.filter(|value| !value.is_empty()).all(|value| value == first) {
        true => Found::One(first),
        false => Found::Several,
    }
}

/// What stands behind `scheme` (RFC 9110 §11.4); nothing where another one is used.
fn behind<'a>(scheme: &'static [u8]) -> impl FnOnce(Cow<'a, [u8]>) -> Found<'a> {
    move |value| {
        let Cow::Borrowed(value) = value else { return Found::Nothing };
        match value.split_at_checked(scheme.len()) {
            Some((begin, [b' ', rest @ ..])) if begin.eq_ignore_ascii_case(scheme) => {
                Found::One(Cow::Borrowed(rest.trim_ascii_start()))
            }
            _ => Found::Nothing,
        }
    }
}

/// The values of every cookie of this name.
fn cookies<'a>(head: &'a RequestHead, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let pairs = head.fields.all(Name::Cookie).flat_map(|value| value.split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let (key, value) = split_pair(pair);
        (key == name).then_some(value)
    })
}

/// The name and the value of a cookie, or all of it where it has no name.
fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()),
        None => (pair.trim_ascii(), b""),
    }
}

/// A cookie's value may stand in quotes (RFC 6265 §4.1.1).
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// Writes a `Cookie` without the cookies `names`. Says whether anything is left.
pub(super) fn write_cookies_without(value: &[u8], names: &[&[u8]], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let is_kept = |pair: &&[u8]| !names.contains(&split_pair(pair).0);
    let kept = value.split(|byte| *byte == b';').filter(is_kept);
    for pair in kept.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()) {
        if out.len() > start {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(pair);
    }
    out.len() > start
}

/// Writes a query without the parameters `names`. Says whether anything is left.
pub(crate) fn write_query_without(query: &[u8], names: &[&str], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    for pair in query.split(|byte| *byte == b'&') {
        if names.iter().any(|name| query_values(pair, name).next().is_some()) {
            continue;
        }
        if out.len() > start {
            out.push(b'&');
        }
        out.extend_from_slice(pair);
    }
    out.len() > start
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::head::HeadBuilder;

    use super::*;

    fn head(target: &str, fields: &[(&str, &str)]) -> RequestHead {
        let mut builder = HeadBuilder::new(&Pool::default());
        for (name, value) in fields {
            builder.field(name.as_bytes(), value.as_bytes());
        }
        builder.request(b"GET", b"a.b", target.as_bytes())
    }

    fn found(place: &CredentialPlace, head: &RequestHead) -> Option<String> {
        match find(place, head) {
            Found::One(value) => Some(String::from_utf8(value.into_owned()).unwrap()),
            Found::Nothing => None,
            Found::Several => Some("several".to_owned()),
        }
    }

    #[test]
    fn a_credential_is_found_where_it_is_said_to_be() {
        let bearer = CredentialPlace::Bearer;
        for (fields, expected) in [
            (&[("authorization", "Bearer a.b.c")][..], Some("a.b.c")),
            (&[("Authorization", "bearer   a.b.c")], Some("a.b.c")),
            (&[("authorization", "Basic YTpi")], None),
            (&[("authorization", "Bearera.b.c")], None),
            (&[("authorization", "Bearer")], None),
            (&[("authorization", "Bearer a"), ("authorization", "Bearer b")], Some("several")),
            (&[("authorization", "Bearer a"), ("authorization", "Bearer a")], Some("a")),
            (&[("authorization", "")], None),
            (&[], None),
        ] {
            assert_eq!(found(&bearer, &head("/", fields)).as_deref(), expected, "{fields:?}");
        }
        let basic =
            |value: &str| found(&CredentialPlace::Basic, &head("/", &[("authorization", value)]));
        assert_eq!(basic("basic  YTpi").as_deref(), Some("YTpi"));
        assert_eq!(basic("Bearer YTpi"), None);
        let cookie = CredentialPlace::Cookie("t".to_owned());
        for (value, expected) in [
            ("a=1; t=x.y; b=2", Some("x.y")),
            ("t=\"x\"", Some("x")),
            ("tt=1; xt=2", None),
            ("t=1; t=2", Some("several")),
            ("t = 1", Some("1")),
            ("t=", None),
            ("t=; t=1", Some("1")),
        ] {
            assert_eq!(found(&cookie, &head("/", &[("cookie", value)])).as_deref(), expected);
        }
        let query = CredentialPlace::Query("t".to_owned());
        for (target, expected) in [
            ("/?a=1&t=x%2Ey", Some("x.y")),
            ("/?%74=1", Some("1")),
            ("/?t=1&t=2", Some("several")),
            ("/", None),
        ] {
            assert_eq!(found(&query, &head(target, &[])).as_deref(), expected, "{target}");
        }
        let header = CredentialPlace::Header("x-api-key".to_owned());
        assert_eq!(found(&header, &head("/", &[("X-Api-Key", "k")])).as_deref(), Some("k"));
        let spelt = head("/", &[("X-Api-Key", "k"), ("x_api_key", "other")]);
        assert_eq!(found(&header, &spelt).as_deref(), Some("several"));
    }

    #[test]
    fn what_is_taken_out_is_gone_in_every_spelling() {
        let text = |write: &dyn Fn(&mut Vec<u8>) -> bool| {
            let mut out = Vec::new();
            let is_left = write(&mut out);
            assert_eq!(is_left, !out.is_empty());
            String::from_utf8(out).unwrap()
        };
        let cookies =
            |value: &str| text(&|out| write_cookies_without(value.as_bytes(), &[b"t"], out));
        assert_eq!(cookies("a=1; t=2; b=3;t =4"), "a=1; b=3");
        assert_eq!(cookies("t=1"), "");
        let query = |value: &str| text(&|out| write_query_without(value.as_bytes(), &["t"], out));
        assert_eq!(query("a=1&t=2&%74=3&b=4"), "a=1&b=4");
        assert_eq!(query("t"), "");
    }
}
