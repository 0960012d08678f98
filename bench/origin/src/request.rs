//! Just enough of HTTP/1.1 to know where a request ends. It must never be used for anything but a
//! benchmark: it trusts the proxy in front of it to send well-formed messages.

/// What matters of a request's head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    /// The path, with its query.
    pub(crate) path: &'a [u8],
    /// Length of the head itself, its empty line included.
    pub(crate) head_bytes: usize,
    /// Length of the body that follows, when its length is declared.
    pub(crate) body_bytes: Option<u64>,
    /// The connection ends after the answer.
    pub(crate) close: bool,
    /// What `Authorization` says.
    pub(crate) authorization: Option<&'a [u8]>,
}

/// Why a head cannot be served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request line has no path, or a length is no number.
    Malformed,
    /// A body in chunks: no benchmark sends one.
    Chunked,
}

impl<'a> Head<'a> {
    /// The head at the front of `bytes`, or `None` when it is not there as a whole yet.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Refusal> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let mut lines = bytes[..end].split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let mut words = lines.next().unwrap_or_default().split(|&byte| byte == b' ');
        let path = words.nth(1).ok_or(Refusal::Malformed)?;
        let old = words.next() == Some(b"HTTP/1.0");
        let (head_bytes, authorization) = (end + 4, None);
        let mut head = Self { path, head_bytes, body_bytes: None, close: old, authorization };
        for line in lines {
            head.take_field(line)?;
        }
        Ok(Some(head))
    }

    fn take_field(&mut self, line: &'a [u8]) -> Result<(), Refusal> {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return Err(Refusal::Malformed);
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            self.body_bytes = Some(number(value).ok_or(Refusal::Malformed)?);
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.close |= value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case(b"authorization") {
            self.authorization = Some(value);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(Refusal::Chunked);
        }
        Ok(())
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_without_its_empty_line_is_not_there_yet() {
        assert_eq!(Head::parse(b"GET / HTTP/1.1\r\nHost: a\r\n"), Ok(None));
    }

    #[test]
    fn head_tells_path_length_and_body() {
        let bytes = b"POST /up HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 12\r\n\r\nhello";
        let head = Head::parse(bytes).unwrap().unwrap();
        assert_eq!(head.path, b"/up");
        assert_eq!(&bytes[head.head_bytes..], b"hello");
        assert_eq!(head.body_bytes, Some(12));
        assert!(!head.close);
        assert_eq!(head.authorization, None);
        let bytes = b"GET / HTTP/1.1\r\nauthorization: Bearer a\r\n\r\n";
        let head = Head::parse(bytes).unwrap().unwrap();
        assert_eq!(head.authorization, Some(&b"Bearer a"[..]));
    }

    #[test]
    fn close_is_asked_for_by_field_or_by_old_version() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"[..],
            &b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"[..],
        ] {
            assert!(Head::parse(bytes).unwrap().unwrap().close);
        }
    }

    #[test]
    fn chunks_are_refused() {
        let bytes = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(Head::parse(bytes), Err(Refusal::Chunked));
    }
}
