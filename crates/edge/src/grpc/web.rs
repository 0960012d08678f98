//! The status of a grpc-web call, which stands in the last frame of the response's body: found while the
//! body is passed on, as it is. Nothing of a message is kept.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>

use telemetry::GrpcStatus;
use wire::head::ResponseHead;

use crate::grpc::{self, Dialect};

/// Before each frame: what it is, and its length.
const PREFIX_BYTES: usize = 5;
/// The frame holds the trailers, as lines of text.
const TRAILERS: u8 = 0x80;
const COMPRESSED: u8 = 0x01;
/// Of the trailers so much is looked at. A status stands at their beginning or is short with the rest.
const TRAILERS_BYTES_MAX: usize = 4 * 1024;
/// As many bytes of base64 are read at once as fill [`DECODED_BYTES`] at the most.
const ENCODED_BYTES: usize = DECODED_BYTES / 3 * 4;
const DECODED_BYTES: usize = 768;

/// Where a body of frames stands.
pub(crate) struct Frames {
    /// Where it is written in base64.
    text: Option<Base64>,
    prefix: [u8; PREFIX_BYTES],
    /// How much of the prefix is there.
    known: usize,
    /// What is still to come of the frame.
    left: u32,
    trailers: Vec<u8>,
    status: Option<GrpcStatus>,
}

impl Frames {
    /// The body of this response, if it is one of grpc-web that can be read here.
    pub(crate) fn of(head: &ResponseHead) -> Option<Self> {
        let field = |name: &'static [u8]| head.fields.named(name).next();
        let media = field(b"content-type")?;
        let is_plain =
            field(b"content-encoding").is_none_or(|it| it.eq_ignore_ascii_case(b"identity"));
        if Dialect::of(media) != Some(Dialect::Web) || !is_plain {
            return None;
        }
        const TEXT: &[u8] = b"application/grpc-web-text";
        let is_text = media.get(..TEXT.len()).is_some_and(|it| it.eq_ignore_ascii_case(TEXT));
        Some(Self::new(is_text.then(Base64::default)))
    }

    fn new(text: Option<Base64>) -> Self {
        let prefix = [0; PREFIX_BYTES];
        Self { text, prefix, known: 0, left: 0, trailers: Vec::new(), status: None }
    }

    /// More of the body.
    pub(crate) fn follow(&mut self, data: &[u8]) {
        let Some(mut text) = self.text.take() else { return self.read(data) };
        for part in data.chunks(ENCODED_BYTES) {
            let mut decoded = [0; DECODED_BYTES + 3];
            let length = text.decode(part, &mut decoded);
            self.read(&decoded[..length]);
        }
        self.text = Some(text);
    }

    /// The status, once the body has ended. One that ends without is unknown to its client.
    pub(crate) fn status(&self) -> GrpcStatus {
        self.status.unwrap_or(GrpcStatus::Unknown)
    }

    fn read(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.known < PREFIX_BYTES {
                self.prefix[self.known] = data[0];
                (self.known, data) = (self.known + 1, &data[1..]);
                if self.known == PREFIX_BYTES {
                    let [_, length @ ..] = self.prefix;
                    self.left = u32::from_be_bytes(length);
                    self.end_if_whole();
                }
                continue;
            }
            let length = data.len().min(self.left as usize);
            let (part, rest) = data.split_at(length);
            if self.prefix[0] & TRAILERS != 0 {
                let room = TRAILERS_BYTES_MAX - self.trailers.len();
                self.trailers.extend_from_slice(&part[..length.min(room)]);
            }
            (self.left, data) = (self.left - length as u32, rest);
            self.end_if_whole();
        }
    }

    fn end_if_whole(&mut self) {
        if self.left > 0 {
            return;
        }
        self.known = 0;
        if self.prefix[0] & TRAILERS != 0 && self.prefix[0] & COMPRESSED == 0 {
            self.status = status_among(&self.trailers).or(self.status);
        }
        self.trailers.clear();
    }
}

/// The value of `grpc-status` among lines of `name: value`.
fn status_among(lines: &[u8]) -> Option<GrpcStatus> {
    lines.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        name.eq_ignore_ascii_case(grpc::STATUS).then(|| grpc::read_status(value))
    })
}

/// Base64 as it comes, of which each part may be padded at its end.
#[derive(Default)]
struct Base64 {
    bits: u32,
    count: u32,
}

impl Base64 {
    /// Decodes `text`, and says how many bytes of `out` that filled.
    fn decode(&mut self, text: &[u8], out: &mut [u8]) -> usize {
        let mut length = 0;
        for byte in text {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                // What is left belongs to no byte.
                b'=' => {
                    self.count = 0;
                    continue;
                }
                _ => continue,
            };
            self.bits = self.bits << 6 | u32::from(value);
            self.count += 6;
            if self.count >= 8 {
                self.count -= 8;
                out[length] = (self.bits >> self.count) as u8;
                length += 1;
            }
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
        [&[kind][..], &(data.len() as u32).to_be_bytes(), data].concat()
    }

    fn binary() -> Option<Base64> {
        None
    }

    fn text() -> Option<Base64> {
        Some(Base64::default())
    }

    /// What is read of a body that comes in pieces of each size.
    fn status(body: &[u8], text: fn() -> Option<Base64>) -> GrpcStatus {
        let read = |size| {
            let mut frames = Frames::new(text());
            body.chunks(size).for_each(|piece| frames.follow(piece));
            frames.status()
        };
        let all = read(body.len().max(1));
        assert!((1..9).all(|size| read(size) == all));
        all
    }

    #[test]
    fn the_status_stands_in_the_last_frame() {
        let message = frame(0, b"grpc-status:0\r\n");
        let empty = frame(0, b"");
        let trailers = frame(TRAILERS, b"grpc-message:no\r\nGrpc-Status: 13 \r\n");
        let body = [message, empty, trailers].concat();
        assert_eq!(status(&body, binary), GrpcStatus::Internal);
        assert_eq!(status(&frame(TRAILERS, b"grpc-status:0"), binary), GrpcStatus::Ok);
    }

    #[test]
    fn what_tells_no_status_is_unknown() {
        for body in [
            Vec::new(),
            frame(0, b"grpc-status:0\r\n"),
            frame(TRAILERS, b"grpc-message:no\r\n"),
            frame(TRAILERS, b"grpc-status:x\r\n"),
            frame(TRAILERS | COMPRESSED, b"grpc-status:0\r\n"),
            vec![TRAILERS, 0xff, 0xff, 0xff, 0xff, b'g'],
        ] {
            assert_eq!(status(&body, binary), GrpcStatus::Unknown, "{body:?}");
        }
    }

    #[test]
    fn trailers_are_looked_at_no_further_than_they_may_be_long() {
        let long = [&b"grpc-status:5\r\n"[..], &vec![b'x'; 3 * TRAILERS_BYTES_MAX]].concat();
        let mut frames = Frames::new(None);
        let body = frame(TRAILERS, &long);
        frames.follow(&body[..body.len() - 1]);
        assert_eq!(frames.trailers.len(), TRAILERS_BYTES_MAX);
        frames.follow(&body[body.len() - 1..]);
        assert_eq!(frames.status(), GrpcStatus::NotFound);
    }

    #[test]
    fn text_is_base_64_whose_parts_are_padded() {
        // A message of one byte, then `grpc-status:14`, each encoded by itself.
        let body = b"AAAAAAFh\ngAAAAA5ncnBjLXN0YXR1czoxNA==";
        assert_eq!(status(body, text), GrpcStatus::Unavailable);
        let message = b"AAAAAAJhYg==gAAAAA5ncnBjLXN0YXR1czoxNA==";
        assert_eq!(status(message, text), GrpcStatus::Unavailable);
    }
}
