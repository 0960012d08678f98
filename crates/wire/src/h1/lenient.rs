//! What may be mended in responses of programs that cannot be changed: lines that end with LF alone,
//! blanks behind a chunk's size, and `chunked` that is said more than once.
//!
//! Nothing is read by a second parser: what is mended becomes what the strict one reads, or is one
//! more step of it. It is never what decides between two lengths. Where anything was mended, two
//! readers could see the message end at different places, so the connection must not be used
//! again ([`Conn::has_violated`](super::Conn::has_violated)).

use super::fault::Fault;
use super::framing::{Framing, is_bodiless};
use crate::buffer::{Buffer, Pool};
use crate::head::{Method, ResponseHead, Version, list};
use crate::name::Name;

/// How strictly a peer is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As RFC 9112 is written.
    #[default]
    Strict,
    /// With what this module mends.
    Lenient,
}

/// The head or trailer section in `raw` with CRLF at the end of each line; `None` where there is
/// nothing to mend.
pub(super) fn mend_lines(raw: &[u8], pool: &Pool) -> Option<Buffer> {
    let is_bare = |lf: &usize| *lf == 0 || raw[lf - 1] != b'\r';
    let bare = memchr::memchr_iter(b'\n', raw).filter(is_bare).count();
    if bare == 0 {
        return None;
    }
    let mut mended = pool.buffer(raw.len() + bare);
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) if !text.ends_with(b"\r") => {
                mended.extend(text);
                mended.extend(b"\r\n");
            }
            _ => mended.extend(line),
        }
    }
    Some(mended)
}

/// The framing of a response whose strict reading failed with `fault`: that of one which says
/// `chunked`, and nothing else, several times.
///
/// # Errors
/// `fault`, where that is not what is wrong with it.
pub(super) fn framing(method: Method, head: &ResponseHead, fault: Fault) -> Result<Framing, Fault> {
    let mut codings = head.fields.all(Name::TransferEncoding).flat_map(list).peekable();
    let is_chunked = fault == Fault::TransferEncoding
        && head.version() == Version::Http11
        && codings.peek().is_some()
        && codings.all(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    match is_chunked {
        true if method == Method::Head || is_bodiless(head.status()) => Ok(Framing::None),
        true => Ok(Framing::Chunked),
        false => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::h1::response;
    use crate::h1::scan::Scan;

    fn head(text: &[u8]) -> ResponseHead {
        let pool = Pool::default();
        let mut raw = pool.buffer(text.len());
        raw.extend(text);
        response::parse(raw, &pool).unwrap()
    }

    fn framed(fields: &str) -> Result<Framing, Fault> {
        let head = head(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes());
        let fault = Framing::of_response(Method::Get, 200, head.version(), &head.fields);
        framing(Method::Get, &head, fault.unwrap_err())
    }

    #[test]
    fn only_chunked_may_be_said_again() {
        for fields in [
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: Chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked,\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked, chunked\r\n",
        ] {
            assert_eq!(framed(fields), Ok(Framing::Chunked), "{fields}");
        }
        for fields in [
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: ,\r\n",
            "Transfer-Encoding: xchunked\r\n",
        ] {
            assert_eq!(framed(fields), Err(Fault::TransferEncoding), "{fields}");
        }
        for lengths in ["Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5, 6\r\n"] {
            assert_eq!(framed(lengths), Err(Fault::Length), "no reading of two lengths is right");
        }
    }

    proptest! {
        /// However lines end, the head is the one that it would be if they ended as they should.
        #[test]
        fn lines_are_mended_to_what_the_strict_reader_reads(
            fields in prop::collection::vec(("[a-zA-Z-]{1,9}", "[!-~]([ -~]{0,9}[!-~])?", any::<bool>()), 0..9),
            first in any::<bool>(),
            last in any::<bool>(),
            cut in 0usize..400,
        ) {
            let end = |is_bare: bool| if is_bare { "\n" } else { "\r\n" };
            let write = |end: &dyn Fn(bool) -> &'static str| {
                let mut text = format!("HTTP/1.1 200 OK{}", end(first));
                for (name, value, is_bare) in &fields {
                    text.push_str(&format!("{name}: {value}{}", end(*is_bare)));
                }
                text + end(last)
            };
            let (given, meant) = (write(&end), write(&|_| "\r\n"));
            let followed = format!("{given}\nbody\r\n\r\n");
            let mut scan = Scan::default();
            let early = scan.find(&followed.as_bytes()[..cut.min(given.len() - 1)], Reading::Lenient);
            prop_assert_eq!(early, Ok(None));
            let whole = scan.find(followed.as_bytes(), Reading::Lenient);
            prop_assert_eq!(whole, Ok(Some(given.len())));
            let pool = Pool::default();
            let mended = mend_lines(given.as_bytes(), &pool);
            prop_assert_eq!(mended.is_some(), given != meant);
            prop_assert_eq!(Scan::default().find_end(given.as_bytes()).is_err(), given != meant);
            let mended = mended.map_or(given.as_bytes().to_vec(), |raw| raw.data().to_vec());
            prop_assert_eq!(&mended, meant.as_bytes());
            let head = head(&mended);
            let read: Vec<_> = head.fields.iter().map(|(_, name, value)| (name, value)).collect();
            let meant: Vec<_> = fields.iter().map(|(n, v, _)| (n.as_bytes(), v.as_bytes())).collect();
            prop_assert_eq!(read, meant);
        }
    }
}
