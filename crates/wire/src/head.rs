//! Heads of requests and answers: ordered slices over the one buffer they arrived in.
//!
//! No name and no value is copied, no map is built. HTTP/2 heads are written into the same form
//! ([`HeadBuilder`]), so that everything behind the wire knows a single kind of head.

use std::fmt;

use crate::buffer::{Buffer, Pool};
use crate::name::Name;

/// A part of a head's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// The part that `slice`, which must lie within `whole`, is.
    pub(crate) fn of(slice: &[u8], whole: &[u8]) -> Self {
        let at = slice.as_ptr() as usize - whole.as_ptr() as usize;
        debug_assert!(at + slice.len() <= whole.len(), "the slice lies outside its head");
        Self { at: at as u32, len: slice.len() as u32 }
    }

    pub(crate) fn new(at: usize, len: usize) -> Self {
        Self { at: at as u32, len: len as u32 }
    }

    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    pub(crate) fn end(self) -> usize {
        (self.at + self.len) as usize
    }

    pub(crate) fn get(self, whole: &[u8]) -> &[u8] {
        &whole[self.at as usize..self.end()]
    }
}

/// One header field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub(crate) text: Span,
    pub(crate) value: Span,
    /// Where its line, which begins with `text`, ends behind the line break.
    pub(crate) line_end: u32,
    pub(crate) name: Name,
}

impl Field {
    /// The field of this name and value, which stand on one line of `whole`.
    pub(crate) fn on_line(text: &[u8], value: &[u8], whole: &[u8]) -> Self {
        let (text_span, value) = (Span::of(text, whole), Span::of(value, whole));
        let blank = whole[value.end()..].iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let line_end = (value.end() + blank + 1) as u32;
        Self { text: text_span, value, line_end, name: Name::of(text) }
    }
}

/// The HTTP version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    H2,
}

impl Version {
    /// As logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::H2 => "HTTP/2",
        }
    }
}

/// A request's method, as far as a proxy must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// `TRACE`
    Trace,
    /// `CONNECT`
    Connect,
    /// `PATCH` and every other
    Other,
}

impl Method {
    /// Tells which method `text` is; methods are case-sensitive.
    pub fn of(text: &[u8]) -> Self {
        match text {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Whether running the request twice has the effect of running it once (RFC 9110 §9.2.2).
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Connect | Self::Other)
    }
}

/// The header fields of a message, in their order, over its buffer.
pub struct Fields {
    raw: Buffer,
    fields: Vec<Field>,
    present: u32,
    pool: Pool,
}

impl Fields {
    pub(crate) fn new(raw: Buffer, fields: Vec<Field>, pool: Pool) -> Self {
        let present = present(&fields);
        Self { raw, fields, present, pool }
    }

    pub(crate) fn raw(&self) -> &[u8] {
        self.raw.data()
    }

    /// Whether a field of this name is there.
    pub fn has(&self, name: Name) -> bool {
        self.present & name.bit() != 0
    }

    /// The first value under this name.
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        if !self.has(name) {
            return None;
        }
        self.all(name).next()
    }

    /// Every value under this name.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let raw = self.raw();
        self.fields.iter().filter(move |field| field.name == name).map(|field| field.value.get(raw))
    }

    /// Every value under the name `text`, which is in lower case.
    pub fn named<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(_, name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, _, value)| value)
    }

    /// Every field: what its name means, the name as it was written, the value.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &[u8], &[u8])> {
        let raw = self.raw();
        self.fields.iter().map(move |field| (field.name, field.text.get(raw), field.value.get(raw)))
    }

    /// The lines of those fields that `keep` chooses by what their name means and how it is
    /// written, as they arrived; neighbours are handed on in one piece.
    #[inline]
    pub fn lines(&self, mut keep: impl FnMut(Name, &[u8]) -> bool, mut hand_on: impl FnMut(&[u8])) {
        let raw = self.raw();
        let (mut from, mut to) = (0, 0);
        for field in &self.fields {
            if !keep(field.name, field.text.get(raw)) {
                continue;
            }
            if field.text.at != to {
                hand_on(&raw[from as usize..to as usize]);
                from = field.text.at;
            }
            to = field.line_end;
        }
        hand_on(&raw[from as usize..to as usize]);
    }

    /// Drops the fields that `keep` does not choose by what their name means and how it is written.
    pub fn retain(&mut self, mut keep: impl FnMut(Name, &[u8]) -> bool) {
        let raw = self.raw.data();
        self.fields.retain(|field| keep(field.name, field.text.get(raw)));
        self.present = present(&self.fields);
    }

    /// The bytes of the whole head as it was received, or as it was written out.
    pub fn head_bytes(&self) -> usize {
        self.raw().len()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether `Connection` names `token` (in lower case).
    pub fn connection_names(&self, token: &[u8]) -> bool {
        self.has(Name::Connection)
            && self
                .all(Name::Connection)
                .flat_map(list)
                .any(|item| item.eq_ignore_ascii_case(token))
    }
}

/// Which names are there, a bit each.
fn present(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |present, field| present | field.name.bit())
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.pool.give_fields(std::mem::take(&mut self.fields));
    }
}

impl fmt::Debug for Fields {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(_, name, _)| String::from_utf8_lossy(name)))
            .finish()
    }
}

/// The items of a comma-separated list, trimmed, without empty ones.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// The head of a request that was checked: its target is well formed, and its authority is the
/// only one it names.
#[derive(Debug)]
pub struct RequestHead {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) method_text: Span,
    pub(crate) path: Span,
    pub(crate) query: Option<Span>,
    pub(crate) authority: Span,
    /// The header fields.
    pub fields: Fields,
}

impl RequestHead {
    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method as it was written.
    pub fn method_text(&self) -> &[u8] {
        self.method_text.get(self.fields.raw())
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The path as it was sent, without query: begins with `/`, or is `*`.
    pub fn path(&self) -> &[u8] {
        self.path.get(self.fields.raw())
    }

    /// What follows the `?`, if there is one.
    pub fn query(&self) -> Option<&[u8]> {
        self.query.map(|query| query.get(self.fields.raw()))
    }

    /// Path and query together, as they were sent.
    pub fn target(&self) -> &[u8] {
        let end = self.query.map_or(self.path.end(), Span::end);
        &self.fields.raw()[self.path.at as usize..end]
    }

    /// The host that the request is for, with its port if it names one; empty where an HTTP/1.0
    /// client named none.
    pub fn authority(&self) -> &[u8] {
        self.authority.get(self.fields.raw())
    }

    /// The value of the cookie `name`, as it was sent.
    pub fn cookie<'a>(&'a self, name: &'a [u8]) -> Option<&'a [u8]> {
        self.fields.all(Name::Cookie).flat_map(|value| value.split(|byte| *byte == b';')).find_map(
            move |pair| {
                let pair = pair.trim_ascii();
                let rest = pair.strip_prefix(name)?.strip_prefix(b"=")?;
                Some(rest)
            },
        )
    }

    /// The protocols that the client offers to change this connection to, the best first; only HTTP/1.1
    /// can.
    pub fn upgrades(&self) -> impl Iterator<Item = &[u8]> {
        let asks = self.version == Version::Http11
            && self.fields.has(Name::Upgrade)
            && self.fields.connection_names(b"upgrade");
        let offered = asks.then(|| self.fields.all(Name::Upgrade).flat_map(list));
        offered.into_iter().flatten()
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.version != Version::Http10
            && self
                .fields
                .get(Name::Expect)
                .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }

    /// Whether the client wants the connection kept after the response.
    pub fn keeps_alive(&self) -> bool {
        match self.version {
            Version::H2 => true,
            Version::Http11 => !self.fields.connection_names(b"close"),
            Version::Http10 => {
                self.fields.connection_names(b"keep-alive")
                    && !self.fields.connection_names(b"close")
            }
        }
    }
}

/// The head of a response.
#[derive(Debug)]
pub struct ResponseHead {
    pub(crate) version: Version,
    pub(crate) status: u16,
    pub(crate) reason: Span,
    /// The header fields.
    pub fields: Fields,
}

impl ResponseHead {
    /// The version of the response.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The status, from 100 to 999.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase as it was sent, perhaps empty.
    pub fn reason(&self) -> &[u8] {
        self.reason.get(self.fields.raw())
    }

    /// Whether the server will keep the connection after this response.
    pub fn keeps_alive(&self) -> bool {
        match self.version {
            Version::H2 => true,
            Version::Http11 => !self.fields.connection_names(b"close"),
            Version::Http10 => {
                self.fields.connection_names(b"keep-alive")
                    && !self.fields.connection_names(b"close")
            }
        }
    }
}

/// Writes a head that did not arrive as HTTP/1 into the form of one that did.
pub struct HeadBuilder {
    raw: Buffer,
    fields: Vec<Field>,
    pool: Pool,
}

impl HeadBuilder {
    /// An empty head.
    pub fn new(pool: &Pool) -> Self {
        let raw = pool.buffer(crate::buffer::HEAD_BYTES);
        Self { raw, fields: pool.fields(), pool: pool.clone() }
    }

    /// Appends a field; neither part may hold CR, LF or NUL.
    pub fn field(&mut self, text: &[u8], value: &[u8]) {
        let text_span = self.put(text);
        self.put(b": ");
        let value = self.put(value);
        let line_end = self.put(b"\r\n").end() as u32;
        self.fields.push(Field { text: text_span, value, line_end, name: Name::of(text) });
    }

    /// The head of a request. `target` must be a path with an optional query, or `*`.
    pub fn request(mut self, method: &[u8], authority: &[u8], target: &[u8]) -> RequestHead {
        let method_text = self.put(method);
        let authority = self.put(authority);
        let target_span = self.put(target);
        let (path, query) = split_target(target_span, target);
        RequestHead {
            method: Method::of(method),
            version: Version::H2,
            method_text,
            path,
            query,
            authority,
            fields: Fields::new(self.raw, self.fields, self.pool),
        }
    }

    /// The head of a response.
    pub fn response(self, status: u16) -> ResponseHead {
        ResponseHead {
            version: Version::H2,
            status,
            reason: Span::default(),
            fields: Fields::new(self.raw, self.fields, self.pool),
        }
    }

    /// Only the fields, for trailers.
    pub fn trailers(self) -> Fields {
        Fields::new(self.raw, self.fields, self.pool)
    }

    fn put(&mut self, text: &[u8]) -> Span {
        let at = self.raw.data().len();
        self.raw.extend(text);
        Span::new(at, text.len())
    }
}

/// Splits the target that `span` is, and `text` holds, at its first `?`.
pub(crate) fn split_target(span: Span, text: &[u8]) -> (Span, Option<Span>) {
    match memchr::memchr(b'?', text) {
        None => (span, None),
        Some(mark) => {
            let at = span.at as usize;
            (Span::new(at, mark), Some(Span::new(at + mark + 1, text.len() - mark - 1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> RequestHead {
        let mut builder = HeadBuilder::new(&Pool::default());
        for (name, value) in fields {
            builder.field(name.as_bytes(), value.as_bytes());
        }
        builder.request(b"GET", b"example.com", b"/a/b?c=d?e")
    }

    #[test]
    fn target_splits_at_the_first_question_mark() {
        let head = head(&[]);
        assert_eq!(head.path(), b"/a/b");
        assert_eq!(head.query(), Some(&b"c=d?e"[..]));
        assert_eq!(head.target(), b"/a/b?c=d?e");
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let head = head(&[("cookie", "xbeta=2; beta=1"), ("Cookie", "gamma=3;delta=")]);
        assert_eq!(head.cookie(b"beta"), Some(&b"1"[..]));
        assert_eq!(head.cookie(b"gamma"), Some(&b"3"[..]));
        assert_eq!(head.cookie(b"delta"), Some(&b""[..]));
        assert_eq!(head.cookie(b"eta"), None);
    }

    #[test]
    fn lines_that_are_kept_are_handed_on_as_they_were() {
        let head = head(&[("a", "1"), ("cookie", "2"), ("b", ""), ("C", "4")]);
        let kept = |keep: &dyn Fn(Name, &[u8]) -> bool| {
            let mut kept = Vec::new();
            head.fields.lines(keep, |lines| kept.extend_from_slice(lines));
            String::from_utf8(kept).unwrap()
        };
        assert_eq!(kept(&|_, _| true), "a: 1\r\ncookie: 2\r\nb: \r\nC: 4\r\n");
        assert_eq!(kept(&|name, _| name != Name::Cookie), "a: 1\r\nb: \r\nC: 4\r\n");
        assert_eq!(kept(&|_, text| text == b"b"), "b: \r\n");
        assert_eq!(kept(&|_, _| false), "");
    }

    #[test]
    fn fields_that_are_dropped_are_there_no_more() {
        let mut head = head(&[("a", "1"), ("cookie", "2"), ("c", "3")]);
        head.fields.retain(|name, text| name != Name::Cookie && text != b"c");
        assert_eq!((head.fields.len(), head.fields.has(Name::Cookie)), (1, false));
        assert_eq!(head.fields.named(b"a").collect::<Vec<_>>(), [b"1"]);
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", head(&[("authorization", "secret")]));
        assert!(!shown.contains("secret"));
    }
}
