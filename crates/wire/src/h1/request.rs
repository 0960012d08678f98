//! Reads the head of a request, strictly.

use std::mem::MaybeUninit;

use super::fault::{Fault, Part};
use super::plain::RequestLine;
use crate::buffer::{Buffer, Pool};
use crate::head::{Field, Fields, Method, RequestHead, Span, Version, split_target};
use crate::name::Name;
use crate::target::{TARGET_BYTES_MAX, is_authority, is_target};

/// Up to so many fields are read without asking the heap for room; more than nearly any head has.
pub(super) const USUAL_FIELDS: usize = 256;
/// The longest method, in bytes: the longest registered one has 17.
pub(super) const METHOD_BYTES_MAX: usize = 64;

/// What a head may be at the most.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// The first line and all fields, in bytes.
    pub bytes: usize,
    /// How many fields.
    pub fields: usize,
}

/// Reads the request head that `raw` holds, all of it and nothing else.
///
/// # Errors
/// See [`Fault`]. Whatever two servers could read differently is refused.
pub fn parse(mut raw: Buffer, pool: &Pool, limits: HeadLimits) -> Result<RequestHead, Fault> {
    let mut fields = pool.fields();
    let mut line = read(raw.data(), &mut fields, limits);
    if matches!(line, Err(Fault::Version)) && lower_version(raw.data_mut()) {
        fields.clear();
        line = read(raw.data(), &mut fields, limits);
    }
    let line = match line {
        Ok(line) => line,
        Err(fault) => {
            pool.give_fields(fields);
            return Err(fault);
        }
    };
    if let Some(gap) = line.gap {
        gap.fill(raw.data_mut());
    }
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

/// The head that `raw` holds, whose first line and fields were read in one pass.
pub(super) fn of_plain(
    line: RequestLine,
    raw: Buffer,
    fields: Vec<Field>,
    pool: &Pool,
) -> RequestHead {
    RequestHead {
        method: line.method,
        version: Version::Http11,
        method_text: line.method_text,
        path: line.path,
        query: line.query,
        authority: line.authority,
        fields: Fields::new(raw, fields, pool.clone()),
    }
}

/// Looks at the first bytes of what is not a whole head yet, so that what can never become one is not
/// waited for.
///
/// # Errors
/// [`Fault::Tls`] at the first byte of a TLS handshake, and [`Part::Method`] at the first that no method
/// can have.
pub(super) fn check_begin(data: &[u8]) -> Result<(), Fault> {
    /// The type of a handshake's record (RFC 8446 §5.1).
    const HANDSHAKE: u8 = 0x16;
    let looked_at = &data[..data.len().min(METHOD_BYTES_MAX + 1)];
    match (looked_at, looked_at.iter().position(|byte| !is_token(*byte))) {
        ([HANDSHAKE, ..], _) => Err(Fault::Tls),
        // Of an empty line before the request the CR may have come alone.
        ([b'\r'], _) => Ok(()),
        (_, Some(end @ 1..)) if looked_at[end] == b' ' => Ok(()),
        (_, None) if looked_at.len() <= METHOD_BYTES_MAX => Ok(()),
        _ => Err(Fault::Malformed(Part::Method)),
    }
}

/// Whether `byte` may stand in a token (RFC 9110 §5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// What the first line and `Host` say.
struct Line {
    method: Method,
    method_text: Span,
    version: Version,
    path: Span,
    query: Option<Span>,
    authority: Span,
    gap: Option<Gap>,
}

/// Where the path of an absolute target should be that has none, as in `http://example.com?a`. The
/// spans of its line are those that hold once it is filled.
#[derive(Clone, Copy)]
struct Gap {
    /// Where the authority begins that stands before it.
    authority: usize,
    /// Where the authority ends, and query or target go on.
    at: usize,
    /// The path that is meant (RFC 9110 §4.2.3).
    path: u8,
}

impl Gap {
    /// Makes room by moving the authority over the slash that it stands behind, which means nothing
    /// any more.
    fn fill(self, data: &mut [u8]) {
        data.copy_within(self.authority..self.at, self.authority - 1);
        data[self.at - 1] = self.path;
    }
}

/// Makes `HTTP/1.1` of a higher minor version, as which it is to be read (RFC 9110 §2.5). False where
/// it is another.
fn lower_version(data: &mut [u8]) -> bool {
    let line = memchr::memchr(b'\r', data).unwrap_or(data.len());
    match &mut data[..line] {
        [.., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9'] => {
            *minor = b'1';
            true
        }
        _ => false,
    }
}

fn read(data: &[u8], fields: &mut Vec<Field>, limits: HeadLimits) -> Result<Line, Fault> {
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    let wanted = limits.fields.min(USUAL_FIELDS);
    match read_with(&mut usual[..wanted], data, fields) {
        Err(Fault::TooManyFields) if limits.fields > USUAL_FIELDS => {
            read_with(&mut room_for_all(data, limits.fields), data, fields)
        }
        line => line,
    }
}

/// Room for every field of the head in `data`, or for `limit`.
pub(super) fn room_for_all<'a>(
    data: &[u8],
    limit: usize,
) -> Vec<MaybeUninit<httparse::Header<'a>>> {
    let lines = memchr::memchr_iter(b'\n', data).count();
    vec![MaybeUninit::uninit(); lines.min(limit)]
}

fn read_with<'a>(
    room: &mut [MaybeUninit<httparse::Header<'a>>],
    data: &'a [u8],
    fields: &mut Vec<Field>,
) -> Result<Line, Fault> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(data, room) {
        Ok(httparse::Status::Complete(end)) if end == data.len() => {}
        // The scan before this found the end of the head, so that a different one means that the
        // two read it differently.
        Ok(_) => return Err(Fault::Malformed(Part::FirstLine)),
        Err(error) => return Err(fault_of(error)),
    }
    collect(data, request.headers, fields);
    let method_text = request.method.ok_or(Fault::Malformed(Part::Method))?.as_bytes();
    if method_text.len() > METHOD_BYTES_MAX {
        return Err(Fault::Malformed(Part::Method));
    }
    let target = request.path.ok_or(Fault::Malformed(Part::Target))?;
    let version = match request.version {
        Some(1) => Version::Http11,
        _ => Version::Http10,
    };
    let method = Method::of(method_text);
    let host = single_host(data, fields, version)?;
    let Form { authority, path, query, gap } = Form::of(data, method, target, host)?;
    let method_text = Span::of(method_text, data);
    Ok(Line { method, method_text, version, path, query, authority, gap })
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

/// A target, taken apart by its form (RFC 9112 §3.2).
struct Form {
    authority: Span,
    path: Span,
    query: Option<Span>,
    gap: Option<Gap>,
}

impl Form {
    fn of(data: &[u8], method: Method, target: &str, host: Option<Span>) -> Result<Self, Fault> {
        if target.len() > TARGET_BYTES_MAX {
            return Err(Fault::TargetTooLong);
        }
        if !is_target(target) {
            return Err(Fault::Malformed(Part::Target));
        }
        let target = target.as_bytes();
        match target {
            [b'/', ..] => Ok(Self::origin(data, target, host.unwrap_or_default())),
            b"*" if method == Method::Options => {
                Ok(Self::origin(data, target, host.unwrap_or_default()))
            }
            host if method == Method::Connect && is_authority(host) => Err(Fault::Tunnel),
            _ => Self::absolute(data, method, target, host),
        }
    }

    fn origin(data: &[u8], resource: &[u8], authority: Span) -> Self {
        let (path, query) = split_target(Span::of(resource, data), resource);
        Self { authority, path, query, gap: None }
    }

    fn absolute(
        data: &[u8],
        method: Method,
        target: &[u8],
        host: Option<Span>,
    ) -> Result<Self, Fault> {
        let malformed = Fault::Malformed(Part::Target);
        let scheme = [&b"http://"[..], b"https://"]
            .into_iter()
            .find(|scheme| target.len() > scheme.len() && starts_ignoring_case(target, scheme))
            .ok_or(malformed)?;
        let rest = &target[scheme.len()..];
        let end = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(end);
        if !is_authority(authority) {
            return Err(malformed);
        }
        if host.is_some_and(|host| !same_authority(host.get(data), authority, scheme)) {
            return Err(Fault::SeveralHosts);
        }
        let authority = Span::of(authority, data);
        Ok(match resource {
            [b'/', ..] => Self::origin(data, resource, authority),
            _ => Self::without_path(data, method, resource, authority),
        })
    }

    /// An absolute target that goes on with `query`, or ends, where its path should be.
    fn without_path(data: &[u8], method: Method, query: &[u8], authority: Span) -> Self {
        let is_star = method == Method::Options && query.is_empty();
        let at = authority.end();
        let begin = at - authority.len();
        Self {
            authority: Span::new(begin - 1, authority.len()),
            path: Span::new(at - 1, 1),
            query: query.get(1..).map(|query| Span::of(query, data)),
            gap: Some(Gap { authority: begin, at, path: if is_star { b'*' } else { b'/' } }),
        }
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
        for target in
            ["http://", "http://?x", "http:///c", "ftp://a.b/", "http://u@a.b/", "a/b", "*"]
        {
            assert_eq!(with(target, "a.b"), malformed, "{target}");
        }
    }

    #[test]
    fn an_absolute_target_without_a_path_means_the_root() {
        let with = |method: &str, target: &str| {
            let text = format!("{method} {target} HTTP/1.1\r\nHost: a.b:8080\r\nX: y\r\n\r\n");
            let head = head(&text).unwrap();
            assert_eq!(head.authority(), b"a.b:8080", "{target}");
            assert_eq!(head.fields.named(b"x").next(), Some(&b"y"[..]), "{target}");
            let parts = [head.target(), head.path(), head.query().unwrap_or(b"-")];
            parts.map(|part| String::from_utf8_lossy(part).into_owned())
        };
        assert_eq!(with("GET", "http://a.b:8080"), ["/", "/", "-"]);
        assert_eq!(with("GET", "https://a.b:8080?x=1/?"), ["/?x=1/?", "/", "x=1/?"]);
        assert_eq!(with("GET", "http://a.b:8080?"), ["/?", "/", ""]);
        assert_eq!(with("OPTIONS", "http://a.b:8080"), ["*", "*", "-"]);
        assert_eq!(with("OPTIONS", "http://a.b:8080?x"), ["/?x", "/", "x"]);
        assert_eq!(with("OPTIONS", "http://a.b:8080/"), ["/", "/", "-"]);
    }

    #[test]
    fn what_clients_send_unescaped_is_kept() {
        let text = "GET /a\"{|}^\\`<b>ä?\"<\u{65e5}> HTTP/1.1\r\nHost: a\r\n\r\n";
        let target = head(text).unwrap().target().to_vec();
        assert_eq!(target, "/a\"{|}^\\`<b>ä?\"<\u{65e5}>".as_bytes());
    }

    #[test]
    fn a_higher_minor_version_is_read_as_1_1() {
        for minor in 2..=9 {
            let text = format!("GET / HTTP/1.{minor}\r\nHost: a\r\n\r\n");
            assert_eq!(head(&text).unwrap().version(), Version::Http11);
        }
        for version in
            ["HTTP/1.10", "HTTP/1.", "HTTP/0.9", "HTTP/2.0", "HTTP/3.1", "http/1.2", "X/1.2"]
        {
            let text = format!("GET / {version}\r\nHost: a\r\n\r\n");
            assert!(head(&text).is_err(), "{version}");
        }
    }

    #[test]
    fn what_can_never_become_a_request_is_known_at_its_first_wrong_byte() {
        let long = "X".repeat(64);
        for begun in
            ["", "\r", "G", "GET", "GET ", "GET /\x01", "m-search *", &long, &format!("{long} ")]
        {
            assert_eq!(check_begin(begun.as_bytes()), Ok(()), "{begun:?}");
        }
        let malformed = Err(Fault::Malformed(Part::Method));
        for begun in
            ["\0", "\x7f", " ", " GET", "G\0", "GET\t/", "G(T /", "\u{80}", "{\"a\": 1}", "\r\r"]
        {
            assert_eq!(check_begin(begun.as_bytes()), malformed, "{begun:?}");
        }
        assert_eq!(check_begin("X".repeat(65).as_bytes()), malformed);
        assert_eq!(check_begin(b"\x16"), Err(Fault::Tls));
        assert_eq!(check_begin(b"\x16\x03\x01\n \0"), Err(Fault::Tls));
    }

    #[test]
    fn a_method_is_a_token_in_any_case_and_of_decent_length() {
        let with = |method: &str| head(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        for method in ["get", "M-SEARCH", "VERSION-CONTROL", &"X".repeat(64)] {
            assert_eq!(with(method).unwrap().method_text(), method.as_bytes());
        }
        assert_eq!(with(&"X".repeat(65)).map(drop), Err(Fault::Malformed(Part::Method)));
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
            ("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Malformed(Part::Method)),
            ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", Fault::Malformed(Part::Host)),
            ("GET / HTTP/1.1\r\nHost: a%62\r\n\r\n", Fault::Malformed(Part::Host)),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Malformed(Part::Method)),
        ];
        for (text, fault) in cases {
            assert_eq!(head(text).map(drop), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn more_fields_than_the_limit_are_told_as_such() {
        let with = |count: usize, limit: usize| {
            let fields: String = (1..count).map(|n| format!("x{n}: {n}\r\n")).collect();
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let pool = Pool::default();
            let mut raw = pool.buffer(text.len());
            raw.extend(text.as_bytes());
            parse(raw, &pool, HeadLimits { bytes: text.len(), fields: limit })
        };
        for limit in [1, 100, 256, 257, 1000, 10_000] {
            let head = with(limit, limit).unwrap();
            assert_eq!(head.fields.len(), limit);
            let last = format!("x{}", limit - 1);
            assert_eq!(limit == 1, head.fields.named(last.as_bytes()).next().is_none());
            assert_eq!(with(limit + 1, limit).map(drop), Err(Fault::TooManyFields), "{limit}");
        }
    }

    #[test]
    fn http_1_0_needs_no_host() {
        assert_eq!(head("GET / HTTP/1.0\r\n\r\n").unwrap().authority(), b"");
    }
}
