//! A line as it grows, as text or as JSON.
//!
//! Both formats quote alike, as RFC 8259 §7 has it; text leaves the quotes out where a value is
//! made of visible ASCII without `"`, `\` and `=`. What is not UTF-8 becomes U+FFFD.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::time::Duration;

use crate::access::field::Field;
use crate::access::stamp::{Time, digits};
use crate::histogram::micros;

/// The bytes of a value that are written at the most; what was cut ends with `…`.
///
/// Clients may send heads of tens of kilobytes; that they can be told apart in the log needs less,
/// and a log that grows faster than the traffic is a way to fill a disk.
pub const VALUE_BYTES_MAX: usize = 2048;

/// A line that is being written.
///
/// The notation is a parameter of the type, and what knows its field is always inlined: what
/// stands before a value is then a constant, which is stored and not copied.
pub(super) struct Line<'a, N> {
    out: &'a mut Vec<u8>,
    notation: PhantomData<N>,
}

/// In what the two formats differ.
pub(super) trait Notation {
    /// What a line begins with.
    const BEGIN: &[u8];
    /// What a line ends with.
    const END: &[u8];
    /// What stands around a value that is text to JSON and needs no quotes in text.
    const QUOTE: &[u8];

    /// What stands before a field's value, a separator from the field before it included.
    fn lead(field: Field) -> &'static str;

    /// Whether a value of a client's can stand as it is.
    fn is_bare(value: &[u8]) -> bool;
}

/// `key=value`.
pub(super) struct Text;

/// A JSON object.
pub(super) struct Json;

impl Notation for Text {
    const BEGIN: &[u8] = b"";
    const END: &[u8] = b"\n";
    const QUOTE: &[u8] = b"";

    #[inline(always)]
    fn lead(field: Field) -> &'static str {
        field.text_lead()
    }

    #[inline]
    fn is_bare(value: &[u8]) -> bool {
        let is_bare = |byte| is_plain_byte(byte) & (byte != b' ') & (byte != b'=');
        !value.is_empty() && is_all(value, is_bare)
    }
}

impl Notation for Json {
    const BEGIN: &[u8] = b"{";
    const END: &[u8] = b"}\n";
    const QUOTE: &[u8] = b"\"";

    #[inline(always)]
    fn lead(field: Field) -> &'static str {
        field.json_lead()
    }

    #[inline]
    fn is_bare(_value: &[u8]) -> bool {
        false
    }
}

impl<'a, N: Notation> Line<'a, N> {
    /// Begins with the time, which nothing separates from a field before it.
    pub(super) fn begin(_notation: N, out: &'a mut Vec<u8>, time: &Time) -> Self {
        let mut line = Self { out, notation: PhantomData };
        line.put(N::BEGIN);
        line.put(&N::lead(Field::Time).as_bytes()[1..]);
        line.put(N::QUOTE);
        line.put(time);
        line.put(N::QUOTE);
        line
    }

    pub(super) fn end(mut self) {
        self.put(N::END);
    }

    #[inline(always)]
    pub(super) fn number(&mut self, field: Field, value: u64) {
        self.lead(field);
        self.put(itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline(always)]
    pub(super) fn flag(&mut self, field: Field, value: bool) {
        self.lead(field);
        self.put(if value { b"true" } else { b"false" });
    }

    #[inline(always)]
    pub(super) fn millis(&mut self, field: Field, time: Duration) {
        let micros = micros(time);
        self.number(field, micros / 1000);
        let [hundreds, tens, ones] = digits((micros % 1000) as u32);
        self.put(&[b'.', hundreds, tens, ones]);
    }

    #[inline(always)]
    pub(super) fn address(&mut self, field: Field, address: IpAddr) {
        self.lead(field);
        self.put(N::QUOTE);
        match address {
            IpAddr::V4(address) => self.octets(address.octets()),
            IpAddr::V6(address) => {
                use fmt::Write;
                write!(Plain(self.out), "{address}").expect("writing to memory cannot fail");
            }
        }
        self.put(N::QUOTE);
    }

    /// A word of our own, which needs no quotes in text and no escape in JSON.
    #[inline(always)]
    pub(super) fn word(&mut self, field: Field, value: &'static str) {
        self.lead(field);
        self.put(N::QUOTE);
        self.put(value.as_bytes());
        self.put(N::QUOTE);
    }

    #[inline(always)]
    pub(super) fn text(&mut self, field: Field, value: &[u8]) {
        self.lead(field);
        self.value(value);
    }

    #[inline(always)]
    fn lead(&mut self, field: Field) {
        self.put(N::lead(field).as_bytes());
    }

    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn value(&mut self, value: &[u8]) {
        let is_whole = value.len() <= VALUE_BYTES_MAX;
        if is_whole && N::is_bare(value) {
            self.put(value);
        } else if is_whole && is_plain(value) {
            self.out.push(b'"');
            self.put(value);
            self.out.push(b'"');
        } else {
            self.escaped(value);
        }
    }

    fn octets(&mut self, octets: [u8; 4]) {
        let mut text = [b'.'; "255.255.255.255".len()];
        let mut end = 0;
        for (index, octet) in octets.into_iter().enumerate() {
            end += usize::from(index > 0);
            let [hundreds, tens, ones] = digits(octet.into());
            for (digit, least) in [(hundreds, 100), (tens, 10), (ones, 0)] {
                if octet >= least {
                    text[end] = digit;
                    end += 1;
                }
            }
        }
        self.put(&text[..end]);
    }

    #[cold]
    fn escaped(&mut self, value: &[u8]) {
        self.out.push(b'"');
        let shown = cut(value);
        for chunk in shown.utf8_chunks() {
            chunk.valid().chars().for_each(|char| self.character(char));
            if !chunk.invalid().is_empty() {
                self.character(char::REPLACEMENT_CHARACTER);
            }
        }
        if shown.len() < value.len() {
            self.character('…');
        }
        self.out.push(b'"');
    }

    fn character(&mut self, char: char) {
        match char {
            '"' => self.put(b"\\\""),
            '\\' => self.put(b"\\\\"),
            char if is_invisible(char) => {
                use fmt::Write;
                write!(Plain(self.out), "\\u{:04x}", u32::from(char))
                    .expect("writing to memory cannot fail");
            }
            char => self.put(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Whether a character is better escaped, since a terminal or a viewer would take it for an end of
/// line or a command, hide it, or turn round what follows. All of them have four hexadecimal
/// digits.
pub fn is_invisible(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The beginning of a value, without the beginning of a character that does not fit.
fn cut(value: &[u8]) -> &[u8] {
    if value.len() <= VALUE_BYTES_MAX {
        return value;
    }
    let is_inner = |end: usize| value[end] & 0xc0 == 0x80;
    let near = VALUE_BYTES_MAX - 3..=VALUE_BYTES_MAX;
    let end = near.rev().find(|end| !is_inner(*end)).unwrap_or(VALUE_BYTES_MAX);
    &value[..end]
}

/// Whether a value needs nothing but quotes.
#[inline]
fn is_plain(value: &[u8]) -> bool {
    is_all(value, is_plain_byte)
}

#[inline]
fn is_plain_byte(byte: u8) -> bool {
    (b' '..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\')
}

/// Looks at sixteen bytes at a time, which the compiler makes one instruction of each comparison.
#[inline]
fn is_all(value: &[u8], is_good: impl Fn(u8) -> bool) -> bool {
    let is_good_chunk =
        |chunk: &[u8; 16]| chunk.iter().fold(true, |all, byte| all & is_good(*byte));
    match value.last_chunk() {
        // The last sixteen overlap with those before, which costs less than a rest byte by byte.
        Some(last) => value.as_chunks().0.iter().all(is_good_chunk) && is_good_chunk(last),
        None => value.iter().all(|byte| is_good(*byte)),
    }
}

/// A buffer as something to format into.
struct Plain<'a>(&'a mut Vec<u8>);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
