//! The canned answers: whole messages in memory, made once and never given back, so that no
//! connection copies one. It must never build one per request.
//! `connection.rs` says when each is sent.

use crate::request::Head;

/// Bytes in the answer to any path that asks for no other size.
const SMALL_BYTES: usize = 128;

/// Where it is asked whether a request is let in,
const VERIFY: &[u8] = b"/verify";
/// and what lets one in. `gate.py` knows both.
const PASS: &[u8] = b"Bearer 7c9e6679-7425-40de-944b-e07fc1f90ae7";

/// The answers, each with its head.
#[derive(Debug)]
pub(crate) struct Answers {
    small: &'static [u8],
    ten_kib: &'static [u8],
    one_mib: &'static [u8],
    let_in: &'static [u8],
    refused: &'static [u8],
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self {
            small: message("200 OK", &body(SMALL_BYTES)).leak(),
            ten_kib: message("200 OK", &body(10 << 10)).leak(),
            one_mib: message("200 OK", &body(1 << 20)).leak(),
            let_in: message("200 OK", b"").leak(),
            refused: message("401 Unauthorized", b"").leak(),
        }
    }

    /// The answer to a request without a body.
    pub(crate) fn to(&self, head: &Head<'_>) -> &'static [u8] {
        match head.path {
            b"/10k" => self.ten_kib,
            b"/1m" => self.one_mib,
            VERIFY if head.authorization == Some(PASS) => self.let_in,
            VERIFY => self.refused,
            _ => self.small,
        }
    }
}

/// The answer to a body of `received_bytes`: their number, so that a harness can check it.
pub(crate) fn receipt(received_bytes: u64) -> Vec<u8> {
    message("200 OK", received_bytes.to_string().as_bytes())
}

/// The fields are those that a plain server sends, so that a proxy has as much to parse.
fn message(status: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "HTTP/1.1 {status}\r\n\
         Server: origin\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\n\
         Content-Length: {}\r\n\
         \r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    message
}

/// Letters, and a line end as the last byte.
fn body(length: usize) -> Vec<u8> {
    let mut body: Vec<u8> = (b'a'..=b'z').cycle().take(length.saturating_sub(1)).collect();
    body.push(b'\n');
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(answers: &Answers, request: &str) -> String {
        let head = Head::parse(request.as_bytes()).unwrap().unwrap();
        String::from_utf8(answers.to(&head).to_vec()).unwrap()
    }

    #[test]
    fn path_decides_size_of_the_body() {
        let answers = Answers::new();
        let body_bytes = |path: &str| {
            let text = answer(&answers, &format!("GET {path} HTTP/1.1\r\n\r\n"));
            text.split_once("\r\n\r\n").unwrap().1.len()
        };
        assert_eq!(body_bytes("/"), 128);
        assert_eq!(body_bytes("/?7"), 128);
        assert_eq!(body_bytes("/r0001/item"), 128);
        assert_eq!(body_bytes("/10k"), 10_240);
        assert_eq!(body_bytes("/1m"), 1_048_576);
    }

    #[test]
    fn who_is_let_in_has_what_lets_in() {
        let answers = Answers::new();
        for (fields, status) in [
            ("", "401"),
            ("Authorization: Bearer a\r\n", "401"),
            ("Authorization: Bearer 7c9e6679-7425-40de-944b-e07fc1f90ae7\r\n", "200"),
        ] {
            let text = answer(&answers, &format!("GET /verify HTTP/1.0\r\n{fields}\r\n"));
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        }
    }
}
