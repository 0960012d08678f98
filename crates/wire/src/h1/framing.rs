//! How long a message's body is: the one strict reading (RFC 9112 §6.3).
//!
//! What a lenient peer could read otherwise is a fault. Of every pair of conflicting statements in a
//! request neither is believed. Of a response, for which nobody but its own server is harmed, what
//! RFC 9112 §6.3 settles is read as settled there: lengths that are all the same are one, and
//! `chunked` goes before a length, which is then not passed on.

use super::fault::Fault;
use crate::head::{Fields, Method, Version};
use crate::name::Name;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After this many bytes; may be 0.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// When the connection closes. Answers only.
    Close,
}

impl Framing {
    /// The framing of a request.
    ///
    /// # Errors
    /// See [`Fault`]: both framings, a length that is not one plain number, a coding other than
    /// `chunked` alone, or any coding in HTTP/1.0.
    pub fn of_request(version: Version, fields: &Fields) -> Result<Self, Fault> {
        if fields.get(Name::ContentLength).is_some_and(is_padded) {
            return Err(Fault::Length);
        }
        Ok(declared(version, fields)?.unwrap_or(Self::None))
    }

    /// The framing of a response with `status` to a request with `method`.
    ///
    /// # Errors
    /// See [`Fault`]: lengths that differ, or are no plain numbers; the codings as for a request.
    pub fn of_response(
        method: Method,
        status: u16,
        version: Version,
        fields: &Fields,
    ) -> Result<Self, Fault> {
        let declared = match fields.has(Name::TransferEncoding) {
            true => Some(transfer_encoding(version, fields)?),
            false => response_length(fields)?.map(Self::Length),
        };
        if method == Method::Head || is_bodiless(status) {
            return Ok(Self::None);
        }
        Ok(declared.unwrap_or(Self::Close))
    }

    /// Whether there is certainly nothing to read.
    pub fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

/// Whether a response with `status` never has a body (RFC 9110 §6.4.1).
pub fn is_bodiless(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

fn declared(version: Version, fields: &Fields) -> Result<Option<Framing>, Fault> {
    match (fields.has(Name::ContentLength), fields.has(Name::TransferEncoding)) {
        (false, false) => Ok(None),
        (true, true) => Err(Fault::BothFramings),
        (true, false) => content_length(fields).map(|length| Some(Framing::Length(length))),
        (false, true) => transfer_encoding(version, fields).map(Some),
    }
}

fn content_length(fields: &Fields) -> Result<u64, Fault> {
    let mut values = fields.all(Name::ContentLength);
    match (values.next(), values.next()) {
        (Some(value), None) => parse_length(value).ok_or(Fault::Length),
        _ => Err(Fault::Length),
    }
}

/// Whether a length has zeros before it: no client writes it so, and some readers take the number for an
/// octal one.
pub(crate) fn is_padded(value: &[u8]) -> bool {
    matches!(value, [b'0', _, ..])
}

/// The length that a response announces, once or several times alike (RFC 9110 §8.6). Of one that is
/// `chunked` as well it means nothing.
///
/// # Errors
/// [`Fault::Length`] where they differ, or one is no plain number.
pub fn response_length(fields: &Fields) -> Result<Option<u64>, Fault> {
    let mut values = fields.all(Name::ContentLength);
    // The usual one.
    if let (Some(value), None) = (values.next(), values.next())
        && let Some(length) = parse_length(value)
    {
        return Ok(Some(length));
    }
    let mut announced = None;
    for value in fields.all(Name::ContentLength).flat_map(|value| value.split(|it| *it == b',')) {
        let length = parse_length(value.trim_ascii()).ok_or(Fault::Length)?;
        if *announced.get_or_insert(length) != length {
            return Err(Fault::Length);
        }
    }
    Ok(announced)
}

/// Reads `1*DIGIT` that fits a u64, and nothing else.
pub fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

fn transfer_encoding(version: Version, fields: &Fields) -> Result<Framing, Fault> {
    let mut values = fields.all(Name::TransferEncoding);
    match (values.next(), values.next()) {
        (Some(value), None)
            if version == Version::Http11 && value.eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(Framing::Chunked)
        }
        _ => Err(Fault::TransferEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Pool;
    use crate::head::HeadBuilder;

    fn request(fields: &[(&str, &str)]) -> Result<Framing, Fault> {
        let mut builder = HeadBuilder::new(&Pool::default());
        for (name, value) in fields {
            builder.field(name.as_bytes(), value.as_bytes());
        }
        Framing::of_request(Version::Http11, &builder.trailers())
    }

    #[test]
    fn only_one_plain_number_is_a_length() {
        assert_eq!(request(&[("content-length", "5")]), Ok(Framing::Length(5)));
        assert_eq!(
            request(&[("content-length", "18446744073709551615")]),
            Ok(Framing::Length(u64::MAX))
        );
        for bad in [
            "00",
            "05",
            "0200",
            "+5",
            "-5",
            "5,5",
            "5, 6",
            "0x5",
            "",
            "5 5",
            "18446744073709551616",
            "5.0",
        ] {
            assert_eq!(request(&[("content-length", bad)]), Err(Fault::Length), "{bad:?}");
        }
        let twice = [("content-length", "5"), ("Content-Length", "5")];
        assert_eq!(request(&twice), Err(Fault::Length));
    }

    #[test]
    fn only_chunked_alone_is_a_coding() {
        assert_eq!(request(&[("transfer-encoding", "Chunked")]), Ok(Framing::Chunked));
        for bad in ["gzip, chunked", "chunked, chunked", "identity", "", "xchunked", "chunked,"] {
            let fields = [("transfer-encoding", bad)];
            assert_eq!(request(&fields), Err(Fault::TransferEncoding), "{bad:?}");
        }
        let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(request(&twice), Err(Fault::TransferEncoding));
    }

    #[test]
    fn both_framings_are_a_fault() {
        let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert_eq!(request(&both), Err(Fault::BothFramings));
    }

    #[test]
    fn a_response_may_have_zeros_before_its_length() {
        let mut builder = HeadBuilder::new(&Pool::default());
        builder.field(b"content-length", b"0012");
        let fields = builder.trailers();
        let framing = Framing::of_response(Method::Get, 200, Version::Http11, &fields);
        assert_eq!(framing, Ok(Framing::Length(12)));
    }

    #[test]
    fn answers_without_body_have_none_whatever_they_declare() {
        let mut builder = HeadBuilder::new(&Pool::default());
        builder.field(b"content-length", b"12");
        let fields = builder.trailers();
        let framing =
            |method, status| Framing::of_response(method, status, Version::Http11, &fields);
        assert_eq!(framing(Method::Head, 200), Ok(Framing::None));
        assert_eq!(framing(Method::Get, 204), Ok(Framing::None));
        assert_eq!(framing(Method::Get, 304), Ok(Framing::None));
        assert_eq!(framing(Method::Get, 200), Ok(Framing::Length(12)));
    }

    fn response(fields: &[(&str, &str)]) -> Result<Framing, Fault> {
        let mut builder = HeadBuilder::new(&Pool::default());
        for (name, value) in fields {
            builder.field(name.as_bytes(), value.as_bytes());
        }
        Framing::of_response(Method::Get, 200, Version::Http11, &builder.trailers())
    }

    #[test]
    fn a_response_may_say_its_length_twice_if_it_says_the_same() {
        let length = |value: &'static str| ("content-length", value);
        assert_eq!(response(&[length("5"), length("5")]), Ok(Framing::Length(5)));
        assert_eq!(response(&[length("5, 5"), length("05")]), Ok(Framing::Length(5)));
        for bad in ["5, 6", "5,", ",5", "5,,5", "+5", "", "5 5", "5;5"] {
            assert_eq!(response(&[length(bad)]), Err(Fault::Length), "{bad:?}");
        }
        assert_eq!(response(&[length("5"), length("6")]), Err(Fault::Length));
    }

    #[test]
    fn in_a_response_the_coding_goes_before_a_length() {
        let chunked = ("transfer-encoding", "chunked");
        for length in ["5", "x", ""] {
            assert_eq!(response(&[("content-length", length), chunked]), Ok(Framing::Chunked));
        }
        let coded = [("content-length", "5"), ("transfer-encoding", "gzip, chunked")];
        assert_eq!(response(&coded), Err(Fault::TransferEncoding));
        assert_eq!(response(&[chunked, chunked]), Err(Fault::TransferEncoding));
    }

    #[test]
    fn an_answer_that_declares_nothing_ends_with_its_connection() {
        let fields = HeadBuilder::new(&Pool::default()).trailers();
        let framing = Framing::of_response(Method::Get, 200, Version::Http11, &fields);
        assert_eq!(framing, Ok(Framing::Close));
    }
}
