//! Reads the head of a request, strictly.

use std::mem::MaybeUninit;

use super::fault::{Fault, Part};
use crate::buffer::{Buffer, Pool};
use crate::head::{Field, Fields, Method, RequestHead, Span, Version, split_target};
use crate::name::Name;

/// The most header fields a head may have, whatever the configured limit.
pub const FIELDS_MAX: usize = 256;

/// What a head may be at the most.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// The first line and all fields, in bytes.
    pub bytes: usize,
    /// How many fields, up to [`FIELDS_MAX`].
    pub fields: usize,
}

/// Reads the request head that `raw` holds, all of it and nothing else.
///
/// # Errors
/// See [`Fault`]. Whatever two servers could read differently is refused.
pub fn parse(raw: Buffer, pool: &Pool, limits: HeadLimits) -> Result<RequestHead, Fault> {
    let mut fields = pool.fields();
    let line = match read(raw.data(), &mut fields, limits) {
        Ok(line) => line,
        Err(fault) => {
            pool.give_fields(fields);
            return Err(fault);
        }
    };
    Ok(RequestHead {
        method: line.method,
        version: line.version,
        method_text: line.method_text,
        path: line.path,
        query: line.query,
        authority: line.authority,
        fields: Fields::new(raw, fields, pool.clone()),
    })
}

struct Line {
    method: Method,
    method_text: Span,
    version: Version,
    path: Span,
    query: Option<Span>,
    authority: Span,
}

fn read(data: &[u8], fields: &mut Vec<Field>, limits: HeadLimits) -> Result<Line, Fault> {
    let mut headers = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let wanted = limits.fields.min(FIELDS_MAX);
    match request.parse_with_uninit_headers(data, &mut headers[..wanted]) {
        Ok(httparse::Status::Complete(end)) if end == data.len() => {}
        // The scan before this found the end of the head, so that a different one means that the
        // two read it differently.
        Ok(_) => return Err(Fault::Malformed(Part::FirstLine)),
        Err(error) => return Err(fault_of(error)),
    }
    collect(data, request.headers, fields);
    let method_text = request.method.ok_or(Fault::Malformed(Part::Method))?.as_bytes();
    let target = request.path.ok_or(Fault::Malformed(Part::Target))?.as_bytes();
    let version = match request.version {
        Some(1) => Version::Http11,
        _ => Version::Http10,
    };
    let method = Method::of(method_text);
    let host = single_host(data, fields, version)?;
    let (authority, resource) = split_form(data, method, target, host)?;
    let (path, query) = split_target(resource, resource.get(data));
    let method_text = Span::of(method_text, data);
    Ok(Line { method, method_text, version, path, query, authority })
}

pub(super) fn fault_of(error: httparse::Error) -> Fault {
    match error {
        httparse::Error::HeaderName => Fault::Malformed(Part::FieldName),
        httparse::Error::HeaderValue => Fault::Malformed(Part::FieldValue),
        httparse::Error::TooManyHeaders => Fault::TooManyFields,
        httparse::Error::Version => Fault::Version,
        httparse::Error::Token => Fault::Malformed(Part::Method),
        httparse::Error::NewLine | httparse::Error::Status => Fault::Malformed(Part::FirstLine),
    }
}

pub(super) fn collect(data: &[u8], headers: &[httparse::Header<'_>], fields: &mut Vec<Field>) {
    let field =
        |header: &httparse::Header<'_>| Field::on_line(header.name.as_bytes(), header.value, data);
    fields.extend(headers.iter().map(field));
}

/// The one `Host`; an HTTP/1.0 request may have none.
fn single_host(data: &[u8], fields: &[Field], version: Version) -> Result<Option<Span>, Fault> {
    let mut hosts = fields.iter().filter(|field| field.name == Name::Host);
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Fault::SeveralHosts),
        (Some(host), None) if is_authority(host.value.get(data)) => Ok(Some(host.value)),
        (Some(_), None) => Err(Fault::Malformed(Part::Host)),
        (None, _) if version == Version::Http10 => Ok(None),
        (None, _) => Err(Fault::NoHost),
    }
}

/// Splits the target by its form (RFC 9112 §3.2) into the authority and the resource.
fn split_form(
    data: &[u8],
    method: Method,
    target: &[u8],
    host: Option<Span>,
) -> Result<(Span, Span), Fault> {
    if !is_target(target) {
        return Err(Fault::Malformed(Part::Target));
    }
    let whole = Span::of(target, data);
    let authority = host.unwrap_or_default();
    match target {
        [b'/', ..] => Ok((authority, whole)),
        b"*" if method == Method::Options => Ok((authority, whole)),
        host if method == Method::Connect && is_authority(host) => Err(Fault::Tunnel),
        _ => absolute_form(data, target, host),
    }
}

fn absolute_form(data: &[u8], target: &[u8], host: Option<Span>) -> Result<(Span, Span), Fault> {
    let malformed = Fault::Malformed(Part::Target);
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.len() > scheme.len() && starts_ignoring_case(target, scheme))
        .ok_or(malformed)?;
    let rest = &target[scheme.len()..];
    let slash = memchr::memchr(b'/', rest).ok_or(malformed)?;
    let authority = &rest[..slash];
    if !is_authority(authority) {
        return Err(malformed);
    }
    match host {
        Some(host) if !same_authority(host.get(data), authority, scheme) => {
            Err(Fault::SeveralHosts)
        }
        _ => Ok((Span::of(authority, data), Span::of(&rest[slash..], data))),
    }
}

fn starts_ignoring_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether both name the same host and port, a default port being as good as none.
fn same_authority(one: &[u8], other: &[u8], scheme: &[u8]) -> bool {
    let port: &[u8] = if scheme.len() == b"http://".len() { b":80" } else { b":443" };
    let bare = |text| <[u8]>::strip_suffix(text, port).unwrap_or(text);
    bare(one).eq_ignore_ascii_case(bare(other))
}

/// Whether every byte may stand in a request target. What browsers send unescaped is let pass
/// (`|`, `^`, `{`, `"`); a fragment, controls, space and bytes beyond ASCII are not.
pub fn is_target(target: &[u8]) -> bool {
    !target.is_empty() && target.iter().all(|byte| matches!(byte, 0x21..=0x7e) && *byte != b'#')
}

/// Whether `text` is a host, with or without a port, and nothing else (RFC 9110 §7.2).
pub fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', rest @ ..] => match memchr::memchr(b']', rest) {
            Some(end) => (&text[..end + 2], &text[end + 2..]),
            None => return false,
        },
        _ => text.split_at(memchr::memchr(b':', text).unwrap_or(text.len())),
    };
    let is_port = |port: &[u8]| match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_host(host) && is_port(port)
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [] => false,
        [b'[', inner @ .., b']'] => std::str::from_utf8(inner)
            .is_ok_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok()),
        _ => host.iter().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%')
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 32 * 1024, fields: 100 };

    fn head(text: &str) -> Result<RequestHead, Fault> {
        let pool = Pool::default();
        let mut raw = pool.buffer(text.len());
        raw.extend(text.as_bytes());
        parse(raw, &pool, LIMITS)
    }

    #[test]
    fn an_origin_form_request_is_read() {
        let head = head("PUT /a?b HTTP/1.1\r\nHost: example.com:80\r\nX:  y \r\n\r\n").unwrap();
        assert_eq!(head.method(), Method::Put);
        assert_eq!(head.path(), b"/a");
        assert_eq!(head.query(), Some(&b"b"[..]));
        assert_eq!(head.authority(), b"example.com:80");
        assert_eq!(head.fields.named(b"x").collect::<Vec<_>>(), [b"y"]);
    }

    #[test]
    fn an_absolute_target_must_agree_with_host() {
        let with = |target: &str, host: &str| {
            head(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
                .map(|head| String::from_utf8_lossy(head.target()).into_owned())
        };
        assert_eq!(with("http://a.b/c?d", "A.b"), Ok("/c?d".into()));
        assert_eq!(with("HTTP://a.b:80/c", "a.b"), Ok("/c".into()));
        assert_eq!(with("http://a.b/c", "x.y"), Err(Fault::SeveralHosts));
        let malformed = Err(Fault::Malformed(Part::Target));
        for target in ["http://a.b", "http:///c", "ftp://a.b/", "http://u@a.b/", "a/b", "*"] {
            assert_eq!(with(target, "a.b"), malformed, "{target}");
        }
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        let cases = [
            ("GET / HTTP/1.1\r\n\r\n", Fault::NoHost),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Fault::SeveralHosts),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Fault::Malformed(Part::Host)),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Fault::Malformed(Part::Host)),
            ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", Fault::Malformed(Part::Host)),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Fault::Malformed(Part::FieldName)),
            ("GET / HTTP/1.1\r\n: a\r\n\r\n", Fault::Malformed(Part::FieldName)),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", Fault::Malformed(Part::FieldName)),
            ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", Fault::Malformed(Part::FieldValue)),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", Fault::Malformed(Part::FieldValue)),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", Fault::Malformed(Part::FieldValue)),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Fault::Version),
            ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Malformed(Part::Target)),
            ("GET /ä HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Malformed(Part::Target)),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Malformed(Part::Method)),
        ];
        for (text, fault) in cases {
            assert_eq!(head(text).map(drop), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn more_fields_than_the_limit_are_told_as_such() {
        let fields: String = (0..101).map(|n| format!("x{n}: y\r\n")).collect();
        let text = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        assert_eq!(head(&text).map(drop), Err(Fault::TooManyFields));
    }

    #[test]
    fn http_1_0_needs_no_host() {
        assert_eq!(head("GET / HTTP/1.0\r\n\r\n").unwrap().authority(), b"");
    }

    #[test]
    fn authorities_are_hosts_with_or_without_a_port() {
        for good in ["a", "a.b-c_d:80", "127.0.0.1:1", "[::1]", "[::1]:443", "a:"] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in ["", ":80", "a:b", "a:123456", "[::1", "[x]", "[::1]x", "a/b", "u@a", "a\\b"] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
