//! HTTP/2 heads to and from the form that all heads have here.
//!
//! The `h2` crate has refused what RFC 9113 §8.2 and §8.3 forbid before a head comes here; what a
//! translation to HTTP/1 could turn into another message is refused here.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request, response};

use crate::body::Error;
use crate::buffer::Pool;
use crate::h1::Fault;
use crate::h1::fault::Part;
use crate::h1::framing::{is_padded, parse_length};
use crate::head::{Fields, HeadBuilder, RequestHead, ResponseHead};
use crate::name::Name;
use crate::target::{is_authority, is_target};
use crate::trailer::may_trail;

/// Reads a request's head.
///
/// # Errors
/// A host that is missing, malformed or named twice differently, and a target that HTTP/1 could
/// not carry.
pub fn request(parts: &request::Parts, pool: &Pool) -> Result<RequestHead, Fault> {
    let host = parts.headers.get(http::header::HOST).map(HeaderValue::as_bytes);
    let several = parts.headers.get_all(http::header::HOST).iter().nth(1).is_some();
    let authority = match (parts.uri.authority(), host) {
        _ if several => return Err(Fault::SeveralHosts),
        (Some(authority), Some(host))
            if !authority.as_str().as_bytes().eq_ignore_ascii_case(host) =>
        {
            return Err(Fault::SeveralHosts);
        }
        (Some(authority), _) => authority.as_str().as_bytes(),
        (None, Some(host)) => host,
        (None, None) => return Err(Fault::NoHost),
    };
    if !is_authority(authority) {
        return Err(Fault::Malformed(Part::Host));
    }
    let target = match parts.uri.path_and_query() {
        Some(target) if parts.method == http::Method::OPTIONS && target.as_str() == "*" => "*",
        Some(target) if target.as_str().starts_with('/') => target.as_str(),
        _ => return Err(Fault::Malformed(Part::Target)),
    };
    if !is_target(target) {
        return Err(Fault::Malformed(Part::Target));
    }
    single_length(&parts.headers)?;
    if parts.headers.get(http::header::CONTENT_LENGTH).is_some_and(|it| is_padded(it.as_bytes())) {
        return Err(Fault::Length);
    }
    let mut builder = HeadBuilder::new(pool);
    append(&mut builder, &parts.headers);
    Ok(builder.request(parts.method.as_str().as_bytes(), authority, target.as_bytes()))
}

/// Reads a response's head.
///
/// # Errors
/// A length that is not one plain number.
pub fn response(parts: &response::Parts, pool: &Pool) -> Result<ResponseHead, Fault> {
    single_length(&parts.headers)?;
    let mut builder = HeadBuilder::new(pool);
    append(&mut builder, &parts.headers);
    Ok(builder.response(parts.status.as_u16()))
}

/// Reads a trailer section.
pub(super) fn trailers(map: &HeaderMap, pool: &Pool) -> Fields {
    let mut builder = HeadBuilder::new(pool);
    append(&mut builder, map);
    builder.trailers()
}

/// The announced length of a body.
pub fn content_length(fields: &Fields) -> Option<u64> {
    fields.get(Name::ContentLength).and_then(parse_length)
}

/// Turns fields into a map, leaving out what must not trail.
pub(super) fn trailer_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (_, name, value) in fields.iter().filter(|(name, text, _)| may_trail(*name, text)) {
        append_to(&mut map, name, value);
    }
    map
}

/// Appends a field, unless it is one that HTTP/2 cannot carry.
pub fn append_to(map: &mut HeaderMap, name: &[u8], value: &[u8]) {
    let name = HeaderName::from_bytes(name);
    let value = HeaderValue::from_bytes(value);
    if let (Ok(name), Ok(value)) = (name, value) {
        map.append(name, value);
    }
}

/// The status of a response.
///
/// # Errors
/// When it is not one that HTTP/2 can carry.
pub fn status(status: u16) -> Result<StatusCode, Error> {
    StatusCode::from_u16(status).map_err(|_| Fault::Malformed(Part::FirstLine).into())
}

fn append(builder: &mut HeadBuilder, map: &HeaderMap) {
    let mut cookies = Vec::new();
    for (name, value) in map {
        match *name {
            // The authority stands for it.
            http::header::HOST => {}
            // HTTP/2 may split cookies; HTTP/1 wants one field (RFC 9113 §8.2.3).
            http::header::COOKIE if !cookies.is_empty() => {
                cookies.extend_from_slice(b"; ");
                cookies.extend_from_slice(value.as_bytes());
            }
            http::header::COOKIE => cookies.extend_from_slice(value.as_bytes()),
            _ => builder.field(name.as_str().as_bytes(), value.as_bytes()),
        }
    }
    if !cookies.is_empty() {
        builder.field(b"cookie", &cookies);
    }
}

fn single_length(map: &HeaderMap) -> Result<(), Fault> {
    let mut values = map.get_all(http::header::CONTENT_LENGTH).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(()),
        (Some(value), None) if parse_length(value.as_bytes()).is_some() => Ok(()),
        _ => Err(Fault::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: http::request::Builder) -> Result<RequestHead, Fault> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        super::request(&parts, &Pool::default())
    }

    #[test]
    fn cookies_become_one_field() {
        let request = http::Request::get("http://a.b/c?d").header("cookie", "x=1");
        let head = read(request.header("cookie", "y=2")).unwrap();
        assert_eq!(head.fields.all(Name::Cookie).collect::<Vec<_>>(), [b"x=1; y=2"]);
        assert_eq!((head.authority(), head.target()), (&b"a.b"[..], &b"/c?d"[..]));
    }

    #[test]
    fn contradictory_hosts_and_lengths_are_refused() {
        let get = || http::Request::get("http://a.b/");
        assert_eq!(read(get().header("host", "x.y")).map(drop), Err(Fault::SeveralHosts));
        assert_eq!(read(get().header("content-length", "+1")).map(drop), Err(Fault::Length));
        let twice = get().header("content-length", "1").header("content-length", "1");
        assert_eq!(read(twice).map(drop), Err(Fault::Length));
        assert_eq!(read(http::Request::get("/")).map(drop), Err(Fault::NoHost));
    }
}
