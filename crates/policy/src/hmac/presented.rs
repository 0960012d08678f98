//! What a request says of its signature, in four headers, and their forms. Nothing of it is believed here.

use crate::time::UnixTime;

use super::Refusal;

/// How long a nonce may be, in bytes. Fewer would be no random number, more cost what remembers them.
pub const NONCE_BYTES: std::ops::RangeInclusive<usize> = 8..=128;

/// How long a key's id may be, in bytes.
pub const KEY_ID_BYTES_MAX: usize = 128;

/// Ten digits reach into the year 2286.
const TIMESTAMP_DIGITS: std::ops::RangeInclusive<usize> = 1..=10;

/// Bytes of an HMAC with SHA-256.
pub(super) const TAG_BYTES: usize = 32;

/// A header of a signed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The HMAC, as 64 hexadecimal digits.
    Signature,
    /// When it was signed: whole seconds since 1970, in decimal.
    Timestamp,
    /// What makes the request differ from every other of its sender: visible ASCII.
    Nonce,
    /// Which secret signed it, where there are several.
    KeyId,
}

impl Header {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Signature, Self::Timestamp, Self::Nonce, Self::KeyId];

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signature => "x-signature",
            Self::Timestamp => "x-timestamp",
            Self::Nonce => "x-nonce",
            Self::KeyId => "x-key-id",
        }
    }
}

/// What a request has in the headers of its signature: each at most once.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    values: [Option<&'a [u8]>; Header::ALL.len()],
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Presented")
    }
}

impl<'a> Presented<'a> {
    /// Those of a request, in any order.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when one is there twice, even with the same value: who reads the request later might go by
    /// either.
    pub fn collect(headers: impl IntoIterator<Item = Line<'a>>) -> Result<Self, Refusal> {
        let mut presented = Self::default();
        for Line { header, value } in headers {
            if presented.values[header as usize].replace(value).is_some() {
                return Err(Refusal::Malformed);
            }
        }
        Ok(presented)
    }

    /// The parts, where each has its form.
    pub(super) fn read(&self) -> Result<Read<'a>, Refusal> {
        let signature = self.get(Header::Signature).ok_or(Refusal::Missing)?;
        let timestamp = self.get(Header::Timestamp).ok_or(Refusal::Malformed)?;
        let nonce = self.get(Header::Nonce).ok_or(Refusal::Malformed)?;
        if !NONCE_BYTES.contains(&nonce.len()) || !nonce.iter().all(u8::is_ascii_graphic) {
            return Err(Refusal::Malformed);
        }
        let key_id = self.get(Header::KeyId);
        let tag = tag(signature).ok_or(Refusal::Malformed)?;
        let time = time(timestamp).ok_or(Refusal::Malformed)?;
        Ok(Read { tag, timestamp, time, nonce, key_id })
    }

    fn get(&self, header: Header) -> Option<&'a [u8]> {
        self.values[header as usize]
    }
}

/// One header of a signed request.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// Which one.
    pub header: Header,
    /// Its value.
    pub value: &'a [u8],
}

/// The parts of a signature.
pub(super) struct Read<'a> {
    pub(super) tag: [u8; TAG_BYTES],
    /// As it was written: so it is signed.
    pub(super) timestamp: &'a [u8],
    pub(super) time: UnixTime,
    pub(super) nonce: &'a [u8],
    /// Any bytes: it matters only where there are several secrets.
    pub(super) key_id: Option<&'a [u8]>,
}

fn tag(text: &[u8]) -> Option<[u8; TAG_BYTES]> {
    if text.len() != 2 * TAG_BYTES {
        return None;
    }
    let mut tag = [0; TAG_BYTES];
    for (byte, digits) in tag.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(tag)
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).map(|digit| digit as u8)
}

/// One spelling for each time: digits, and no zero before them.
fn time(text: &[u8]) -> Option<UnixTime> {
    let is_decimal = TIMESTAMP_DIGITS.contains(&text.len())
        && text.iter().all(u8::is_ascii_digit)
        && text[0] != b'0';
    let digits = std::str::from_utf8(text).ok().filter(|_| is_decimal)?;
    digits.parse().ok().map(UnixTime::from_secs)
}
