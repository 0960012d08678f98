//! The canned answers: whole messages in memory, made once and never given back, so that no
//! connection copies one. It must never build one per request.
//! `connection.rs` says when each is sent.

/// Bytes in the answer to any path that asks for no other size.
const SMALL_BYTES: usize = 128;

/// The answers, each with its head.
#[derive(Debug)]
pub(crate) struct Answers {
    small: &'static [u8],
    ten_kib: &'static [u8],
    one_mib: &'static [u8],
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self {
            small: message(&body(SMALL_BYTES)).leak(),
            ten_kib: message(&body(10 << 10)).leak(),
            one_mib: message(&body(1 << 20)).leak(),
        }
    }

    /// The answer to a request without a body.
    pub(crate) fn to_path(&self, path: &[u8]) -> &'static [u8] {
        match path {
            b"/10k" => self.ten_kib,
            b"/1m" => self.one_mib,
            _ => self.small,
        }
    }
}

/// The answer to a body of `received_bytes`: their number, so that a harness can check it.
pub(crate) fn receipt(received_bytes: u64) -> Vec<u8> {
    message(received_bytes.to_string().as_bytes())
}

/// The fields are those that a plain server sends, so that a proxy has as much to parse.
fn message(body: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "HTTP/1.1 200 OK\r\n\
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

    #[test]
    fn path_decides_size_of_the_body() {
        let answers = Answers::new();
        let body_bytes = |path: &[u8]| {
            let text = String::from_utf8(answers.to_path(path).to_vec()).unwrap();
            text.split_once("\r\n\r\n").unwrap().1.len()
        };
        assert_eq!(body_bytes(b"/"), 128);
        assert_eq!(body_bytes(b"/r0001/item"), 128);
        assert_eq!(body_bytes(b"/10k"), 10_240);
        assert_eq!(body_bytes(b"/1m"), 1_048_576);
    }
}
