//! Reads the head of a response, strictly, but for what RFC 9112 has a proxy mend: whitespace between a
//! field's name and its colon is removed (§5.1).

use std::mem::MaybeUninit;

use super::fault::{Fault, Part};
use super::plain::StatusLine;
use super::request::{USUAL_FIELDS, collect, fault_of, room_for_all};
use crate::buffer::{Buffer, Pool};
use crate::head::{Field, Fields, ResponseHead, Span, Version};

/// The most fields that a response may have; a server that sends more speaks nonsense. It is beyond
/// what other proxies and clients take.
pub const RESPONSE_FIELDS_MAX: usize = 1000;

/// Reads the head that `raw` holds, all of it and nothing else.
///
/// # Errors
/// See [`Fault`].
pub fn parse(mut raw: Buffer, pool: &Pool) -> Result<ResponseHead, Fault> {
    let mut fields = pool.fields();
    let mut line = read(raw.data(), &mut fields);
    if line == Err(Fault::Malformed(Part::FieldName)) && close_up_names(raw.data_mut()) {
        line = read(raw.data(), &mut fields);
    }
    let (version, status, reason) = match line {
        Ok(line) => line,
        Err(fault) => {
            pool.give_fields(fields);
            return Err(fault);
        }
    };
    Ok(ResponseHead { version, status, reason, fields: Fields::new(raw, fields, pool.clone()) })
}

/// The head that `raw` holds, whose first line and fields were read in one pass.
pub(super) fn of_plain(
    line: StatusLine,
    raw: Buffer,
    fields: Vec<Field>,
    pool: &Pool,
) -> ResponseHead {
    let StatusLine { status, reason } = line;
    let fields = Fields::new(raw, fields, pool.clone());
    ResponseHead { version: Version::Http11, status, reason, fields }
}

fn read(data: &[u8], fields: &mut Vec<Field>) -> Result<(Version, u16, Span), Fault> {
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    match read_with(&mut usual, data, fields) {
        Err(Fault::TooManyFields) => {
            read_with(&mut room_for_all(data, RESPONSE_FIELDS_MAX), data, fields)
        }
        line => line,
    }
}

fn read_with<'a>(
    room: &mut [MaybeUninit<httparse::Header<'a>>],
    data: &'a [u8],
    fields: &mut Vec<Field>,
) -> Result<(Version, u16, Span), Fault> {
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        data,
        room,
    );
    match parsed {
        Ok(httparse::Status::Complete(end)) if end == data.len() => {}
        Ok(_) => return Err(Fault::Malformed(Part::FirstLine)),
        Err(error) => return Err(fault_of(error)),
    }
    collect(data, response.headers, fields);
    let status = response.code.filter(|code| *code >= 100);
    let status = status.ok_or(Fault::Malformed(Part::FirstLine))?;
    let reason = response.reason.filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| Span::of(reason.as_bytes(), data)).unwrap_or_default();
    let version = if response.version == Some(1) { Version::Http11 } else { Version::Http10 };
    Ok((version, status, reason))
}

/// Moves each colon to the end of the name before it, so that the whitespace that stood there stands
/// before the value; whether there was any. A line that begins with whitespace stays: it may belong to
/// the one before it.
fn close_up_names(data: &mut [u8]) -> bool {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut has_moved = false;
    for line in data.split_mut(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let blanks = line[..colon].iter().rev().take_while(|byte| is_blank(byte)).count();
        if blanks > 0 && blanks < colon && !is_blank(&line[0]) {
            line[colon] = b' ';
            line[colon - blanks] = b':';
            has_moved = true;
        }
    }
    has_moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<ResponseHead, Fault> {
        let pool = Pool::default();
        let mut raw = pool.buffer(text.len());
        raw.extend(text.as_bytes());
        parse(raw, &pool)
    }

    #[test]
    fn status_and_reason_are_read() {
        let head = head("HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n").unwrap();
        assert_eq!((head.status(), head.reason()), (404, &b"Not Found"[..]));
        assert!(head.keeps_alive());
    }

    #[test]
    fn as_many_fields_are_read_as_may_be() {
        let with = |count: usize| {
            let fields: String = (0..count).map(|n| format!("x{n}: y\r\n")).collect();
            head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).map(|head| head.fields.len())
        };
        for count in [0, 256, 257, RESPONSE_FIELDS_MAX] {
            assert_eq!(with(count), Ok(count));
        }
        assert_eq!(with(RESPONSE_FIELDS_MAX + 1), Err(Fault::TooManyFields));
    }

    #[test]
    fn a_missing_reason_is_empty() {
        assert_eq!(head("HTTP/1.1 200\r\n\r\n").unwrap().reason(), b"");
        assert_eq!(head("HTTP/1.0 200 \r\n\r\n").unwrap().reason(), b"");
    }

    #[test]
    fn nonsense_is_a_fault() {
        for text in [
            "HTTP/1.1 99 x\r\n\r\n",
            "HTTP/1.1 20 x\r\n\r\n",
            "HTTP/1.1 abc x\r\n\r\n",
            "HTTQ/1.1 200 x\r\n\r\n",
            "HTTP/1.1 200 x\r\n : b\r\n\r\n",
            "HTTP/1.1 200 x\r\nA b: c\r\n\r\n",
            "HTTP/1.1 200 x\r\nA : b\r\n c : d\r\n\r\n",
            "HTTP/1.1 200 x\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 x\r\nA: b\0\r\n\r\n",
            "hello\r\n\r\n",
        ] {
            assert!(head(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn whitespace_before_a_colon_is_removed_and_goes_no_further() {
        let head = head("HTTP/1.1 200 a : b\r\nA : b\r\nC\t \t:d : e\r\nF: g\r\n\r\n").unwrap();
        assert_eq!(head.reason(), b"a : b");
        let fields: Vec<_> = head.fields.iter().map(|(_, name, value)| (name, value)).collect();
        assert_eq!(fields, [(&b"A"[..], &b"b"[..]), (b"C", b"d : e"), (b"F", b"g")]);
        let mut lines = Vec::new();
        head.fields.lines(|_, _| true, |line| lines.extend_from_slice(line));
        assert!(!String::from_utf8(lines).unwrap().lines().any(|line| {
            let (name, _) = line.split_once(':').unwrap();
            name.ends_with([' ', '\t'])
        }));
    }

    #[test]
    fn a_length_whose_name_was_closed_up_frames() {
        let head = head("HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n").unwrap();
        assert_eq!(head.fields.get(crate::name::Name::ContentLength), Some(&b"2"[..]));
    }
}
