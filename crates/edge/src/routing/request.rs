//! What of a request is matched.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use wire::head::{Method, RequestHead};

use super::path::BadPath;
use super::readings::Readings;

/// A request as the routes see it.
pub(crate) struct Request<'a> {
    /// The path in the form in which paths are compared.
    pub(crate) path: Cow<'a, [u8]>,
    /// The other forms that the path has for servers that read it otherwise.
    pub(crate) readings: Vec<Vec<u8>>,
    /// The head, for all the rest.
    pub(crate) head: &'a RequestHead,
    /// Who asks.
    pub(crate) client: IpAddr,
}

impl<'a> Request<'a> {
    /// Prepares `head` for matching.
    pub(crate) fn new(head: &'a RequestHead, client: IpAddr) -> Result<Self, BadPath> {
        let Readings { plain: path, others: readings, .. } = Readings::of(head.path())?;
        Ok(Self { path, readings, head, client })
    }

    /// The host in lower case, without port; empty if the client named none.
    pub(crate) fn host(&self) -> Cow<'a, [u8]> {
        host_of(self.head.authority())
    }

    /// Whether a query parameter `name` has a value that `wanted` accepts.
    pub(crate) fn has_query(&self, name: &str, wanted: impl Fn(&str) -> bool) -> bool {
        query_values(self.head.query().unwrap_or_default(), name)
            .any(|value| wanted(&String::from_utf8_lossy(&value)))
    }
}

/// The method of the request that a browser asks for beforehand, where `head` is such a preflight (the CORS protocol
/// of the Fetch standard).
pub(crate) fn preflight(head: &RequestHead) -> Option<&[u8]> {
    if head.method() != Method::Options {
        return None;
    }
    head.fields.named(b"origin").next()?;
    head.fields.named(b"access-control-request-method").next()
}

/// The host of an authority: no port, no trailing dot, lower case; an IPv6 address in its one spelling
/// (RFC 5952).
pub(crate) fn host_of(authority: &[u8]) -> Cow<'_, [u8]> {
    let host = match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !authority[colon..].contains(&b']') => &authority[..colon],
        _ => authority,
    };
    if let [b'[', inner @ .., b']'] = host {
        let address = std::str::from_utf8(inner).ok().and_then(|it| it.parse::<Ipv6Addr>().ok());
        return address.map_or(host.into(), |it| format!("[{it}]").into_bytes().into());
    }
    let host = host.strip_suffix(b".").unwrap_or(host);
    match host.iter().any(u8::is_ascii_uppercase) {
        true => host.to_ascii_lowercase().into(),
        false => host.into(),
    }
}

/// The decoded values of the query parameter `name`.
pub(crate) fn query_values<'a>(
    query: &'a [u8],
    name: &'a str,
) -> impl Iterator<Item = Cow<'a, [u8]>> {
    query.split(|byte| *byte == b'&').filter_map(move |pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let key = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        (decode(key).as_ref() == name.as_bytes()).then(|| decode(value))
    })
}

/// Undoes `+` and percent escapes, leaving malformed ones as they are.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_port_case_and_trailing_dot() {
        for (authority, host) in [
            ("Shop.Example.COM:8080", "shop.example.com"),
            ("a.b.", "a.b"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:80", "[::1]"),
            ("[2001:DB8::A]", "[2001:db8::a]"),
            ("", ""),
        ] {
            assert_eq!(&*host_of(authority.as_bytes()), host.as_bytes());
        }
    }

    #[test]
    fn query_values_are_decoded() {
        let values = |name| query_values(b"a=1&b=x+y%2Fz&a=%zz&c", name).collect::<Vec<_>>();
        assert_eq!(values("a"), [&b"1"[..], b"%zz"]);
        assert_eq!(values("b"), [&b"x y/z"[..]]);
        assert_eq!(values("c"), [&b""[..]]);
        assert!(values("d").is_empty());
    }
}
