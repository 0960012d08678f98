//! Reads the usual head in one pass: where it ends, its first line and its fields at once.
//!
//! Decides nothing by itself. What is read here is what [`request`](super::request) and
//! [`response`](super::response) read of the same bytes; of whatever is not usual (a head that is not
//! whole, another form of target, an old version, any fault) nothing is said, and they look at it.

use super::response::RESPONSE_FIELDS_MAX;
use crate::head::{Field, Method, Span};
use crate::name::Name;
use crate::target::{TARGET_BYTES_MAX, is_authority};

/// A first line, and where the head ends behind its empty line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain<Line> {
    pub(super) line: Line,
    pub(super) end: usize,
}

/// A request line in origin form, of HTTP/1.1, and the one host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) method_text: Span,
    pub(super) path: Span,
    pub(super) query: Option<Span>,
    pub(super) authority: Span,
}

/// A status line of HTTP/1.1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub(super) status: u16,
    pub(super) reason: Span,
}

const REQUEST_VERSION: &[u8] = b" HTTP/1.1\r\n";
const RESPONSE_VERSION: &[u8] = b"HTTP/1.1 ";

/// Reads a request head from the front of `data`.
pub(super) fn request(
    data: &[u8],
    fields: &mut Vec<Field>,
    fields_max: usize,
) -> Option<Plain<RequestLine>> {
    let method_end =
        data.iter().take(METHOD_BYTES_MAX).position(|byte| !byte.is_ascii_uppercase())?;
    let target_at = method_end + 1;
    if method_end == 0 || data[method_end] != b' ' || data.get(target_at) != Some(&b'/') {
        return None;
    }
    let target_end = target_at + data[target_at..].iter().position(|byte| !is_of(*byte, PATH))?;
    let (path, query, line_end) = match data[target_end] {
        b' ' => (span(target_at, target_end), None, target_end),
        b'?' => {
            let from = target_end + 1;
            let end = from + data[from..].iter().position(|byte| !is_of(*byte, PATH | MARK))?;
            (span(target_at, target_end), Some(span(from, end)), end)
        }
        _ => return None,
    };
    if line_end - target_at > TARGET_BYTES_MAX || !data[line_end..].starts_with(REQUEST_VERSION) {
        return None;
    }
    let end = read_fields(data, line_end + REQUEST_VERSION.len(), fields, fields_max)?;
    let method = &data[..method_end];
    Some(Plain {
        line: RequestLine {
            method: Method::of(method),
            method_text: span(0, method_end),
            path,
            query,
            authority: only_host(data, fields)?,
        },
        end,
    })
}

/// Reads a response head from the front of `data`.
pub(super) fn response(data: &[u8], fields: &mut Vec<Field>) -> Option<Plain<StatusLine>> {
    const CODE: usize = RESPONSE_VERSION.len();
    const REASON: usize = CODE + 4;
    if !data.starts_with(RESPONSE_VERSION) {
        return None;
    }
    let status = match data.get(CODE..REASON)? {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' '] => {
            let digit = |byte: &u8| u16::from(byte - b'0');
            digit(a) * 100 + digit(b) * 10 + digit(c)
        }
        _ => return None,
    };
    let reason_bytes = data[REASON..].iter().position(|byte| !is_of(*byte, REASON_PHRASE))?;
    let reason_end = REASON + reason_bytes;
    if !data[reason_end..].starts_with(b"\r\n") {
        return None;
    }
    let end = read_fields(data, reason_end + 2, fields, RESPONSE_FIELDS_MAX)?;
    let reason = if reason_bytes == 0 { Span::default() } else { span(REASON, reason_end) };
    Some(Plain { line: StatusLine { status, reason }, end })
}

/// Reads the fields that begin at `at`, of which there may be `fields_max`. Says where the head ends.
#[inline]
fn read_fields(
    data: &[u8],
    mut at: usize,
    fields: &mut Vec<Field>,
    fields_max: usize,
) -> Option<usize> {
    // So that no place in it is beyond what a span can say.
    u32::try_from(data.len()).ok()?;
    loop {
        let rest = data.get(at..)?;
        if let [b'\r', b'\n', ..] = rest {
            return Some(at + 2);
        }
        let name_bytes = name_bytes(rest)?;
        if name_bytes == 0 || fields.len() == fields_max {
            return None;
        }
        let after = &rest[name_bytes + 1..];
        let blank = match after {
            [b' ', next, ..] if !is_blank(*next) => 1,
            _ => after.iter().position(|byte| !is_blank(*byte))?,
        };
        let value = &after[blank..];
        let line_bytes = value_bytes(value)?;
        let [b'\r', b'\n', ..] = &value[line_bytes..] else { return None };
        let value_at = at + name_bytes + 1 + blank;
        let line_end = value_at + line_bytes + 2;
        fields.push(Field {
            text: Span::new(at, name_bytes),
            value: Span::new(value_at, without_blanks(&value[..line_bytes])),
            line_end: line_end as u32,
            name: Name::of(&rest[..name_bytes]),
        });
        at = line_end;
    }
}

/// The one `Host`.
fn only_host(data: &[u8], fields: &[Field]) -> Option<Span> {
    let mut hosts = fields.iter().filter(|field| field.name == Name::Host);
    let host = hosts.next()?.value;
    (hosts.next().is_none() && is_authority(host.get(data))).then_some(host)
}

/// A byte in each lane of a word, and the highest bit of each. The tests for a lane that is zero, or less
/// than another, are those of "Bit Twiddling Hacks" (S. E. Anderson): the lowest lane that they find is
/// certain, those above it may not be.
const LANES: u64 = u64::MAX / 0xff;
const TOP: u64 = LANES << 7;

#[inline]
fn zero_lanes(word: u64) -> u64 {
    word.wrapping_sub(LANES) & !word & TOP
}

#[inline]
fn word_at(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..).and_then(<[u8]>::first_chunk::<8>).map(|lanes| u64::from_le_bytes(*lanes))
}

/// The lanes that are neither a letter nor a hyphen, exactly.
#[inline]
fn unusual_lanes(word: u64) -> u64 {
    // No sum goes over its lane: the highest bit of each is free.
    let lower = (word & !TOP) | (LANES * 0x20);
    let from_a = lower + LANES * (0x80 - 0x61);
    let beyond_z = lower + LANES * (0x80 - 0x7b);
    let unlike_hyphen = (((word ^ (LANES * 0x2d)) & !TOP) + !TOP) | word;
    (!from_a | beyond_z | word) & unlike_hyphen & TOP
}

/// How many bytes the name has with which `text` begins, and which a colon ends. Looks at eight at a time.
#[inline]
fn name_bytes(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = word_at(text, at) {
        let found = unusual_lanes(word);
        if found == 0 {
            at += 8;
            continue;
        }
        at += found.trailing_zeros() as usize / 8;
        match text[at] {
            b':' => return Some(at),
            byte if is_of(byte, TOKEN) => at += 1,
            _ => return None,
        }
    }
    let end = at + text[at..].iter().position(|byte| !is_of(*byte, TOKEN))?;
    (text[end] == b':').then_some(end)
}

/// How many bytes are left of `value` without the blanks at its end.
#[inline]
fn without_blanks(value: &[u8]) -> usize {
    match value {
        [.., b' ' | b'\t'] => value.trim_ascii_end().len(),
        _ => value.len(),
    }
}

/// How many bytes of `text` come before the first that no value has: a control character other than a tab.
#[inline]
fn value_bytes(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = word_at(text, at) {
        let below = word.wrapping_sub(LANES * 0x20) & !word & TOP;
        let found = below | zero_lanes(word ^ (LANES * 0x7f));
        if found == 0 {
            at += 8;
            continue;
        }
        at += found.trailing_zeros() as usize / 8;
        match text[at] {
            b'\t' => at += 1,
            _ => return Some(at),
        }
    }
    let ends = |byte: &u8| matches!(byte, 0..=8 | 10..=31 | 0x7f);
    text[at..].iter().position(ends).map(|more| at + more)
}

fn span(from: usize, to: usize) -> Span {
    Span::new(from, to - from)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What a byte may stand in: a bit for each.
type Class = u8;
const TOKEN: Class = 1;
const PATH: Class = 2;
/// The question mark, which may stand in a query.
const MARK: Class = 4;
const REASON_PHRASE: Class = 8;

/// The longest method and the space behind it.
const METHOD_BYTES_MAX: usize = super::request::METHOD_BYTES_MAX + 1;

#[inline]
fn is_of(byte: u8, class: Class) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Of printable ASCII alone: what is not is rare, and for the general reader.
const CLASSES: [Class; 256] = {
    let mut classes = [0; 256];
    let mut byte = b' ';
    while byte < 0x7f {
        let mut class = REASON_PHRASE;
        if super::request::is_token(byte) {
            class |= TOKEN;
        }
        class |= match byte {
            b' ' | b'#' => 0,
            b'?' => MARK,
            _ => PATH,
        };
        classes[byte as usize] = class;
        byte += 1;
    }
    classes
};

#[cfg(any(test, fuzzing))]
pub mod agreement;
#[cfg(test)]
mod tests;
