//! Finds the frame heads in a stream of HTTP/2 bytes that a server sends, however it is cut (RFC 9113
//! §4.1).
//!
//! Payloads are stepped over; nothing is copied but a head that a cut goes through.

/// A frame's head is this many bytes.
pub(super) const HEAD_BYTES: usize = 9;
/// The client's preface, which goes before its first frame (RFC 9113 §3.4).
pub(super) const PREFACE_BYTES: u32 = 24;

/// Frame types (RFC 9113 §6).
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0x0;
    pub(in super::super) const HEADERS: u8 = 0x1;
    pub(in super::super) const PRIORITY: u8 = 0x2;
    pub(in super::super) const RST_STREAM: u8 = 0x3;
    pub(in super::super) const SETTINGS: u8 = 0x4;
    pub(in super::super) const PING: u8 = 0x6;
    pub(in super::super) const WINDOW_UPDATE: u8 = 0x8;
    pub(in super::super) const CONTINUATION: u8 = 0x9;
}

/// Of DATA and HEADERS: the last frame of its stream.
pub(super) const END_STREAM: u8 = 0x1;
/// Of HEADERS and CONTINUATION: the last frame of its block.
pub(super) const END_HEADERS: u8 = 0x4;

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Of the payload, in bytes.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    pub(super) fn ends_stream(self) -> bool {
        self.flags & END_STREAM != 0
    }

    /// As it stands on the wire.
    pub(super) fn write(self) -> [u8; HEAD_BYTES] {
        let [_, l1, l2, l3] = self.length.to_be_bytes();
        let [s1, s2, s3, s4] = self.stream.to_be_bytes();
        [l1, l2, l3, self.kind, self.flags, s1, s2, s3, s4]
    }

    #[inline]
    pub(super) fn parse(bytes: [u8; HEAD_BYTES]) -> Self {
        let [l1, l2, l3, kind, flags, stream @ ..] = bytes;
        Self {
            length: u32::from_be_bytes([0, l1, l2, l3]),
            kind,
            flags,
            // The first bit is reserved.
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        }
    }
}

/// Where a stream of frames stands.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Bytes up to the next head.
    skip: u32,
    /// The part of a head that came before a cut.
    partial: [u8; HEAD_BYTES],
    partial_bytes: usize,
}

impl Frames {
    /// Shows `each` the heads that end in `bytes`, which follow those of the call before, and what
    /// came of the payload with each.
    #[inline]
    pub(super) fn scan(&mut self, mut bytes: &[u8], mut each: impl FnMut(Head, &[u8])) {
        loop {
            let skipped = bytes.len().min(self.skip as usize);
            self.skip -= skipped as u32;
            bytes = &bytes[skipped..];
            let Some(head) = self.next_head(&mut bytes) else { return };
            self.skip = head.length;
            each(head, &bytes[..bytes.len().min(head.length as usize)]);
        }
    }

    #[inline]
    fn next_head(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        if self.partial_bytes == 0
            && let Some((head, rest)) = bytes.split_first_chunk()
        {
            *bytes = rest;
            return Some(Head::parse(*head));
        }
        let taken = bytes.len().min(HEAD_BYTES - self.partial_bytes);
        let (head, rest) = bytes.split_at(taken);
        self.partial[self.partial_bytes..][..taken].copy_from_slice(head);
        self.partial_bytes += taken;
        *bytes = rest;
        if self.partial_bytes < HEAD_BYTES {
            return None;
        }
        self.partial_bytes = 0;
        Some(Head::parse(self.partial))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heads(frames: &mut Frames, bytes: &[u8]) -> Vec<Head> {
        let mut heads = Vec::new();
        frames.scan(bytes, |head, _| heads.push(head));
        heads
    }

    fn encoded(head: Head) -> Vec<u8> {
        let mut bytes = head.write().to_vec();
        bytes.resize(HEAD_BYTES + head.length as usize, 0xff);
        bytes
    }

    proptest! {
        #[test]
        fn heads_are_the_same_however_the_bytes_are_cut(
            frames in prop::collection::vec(
                (0..40u32, any::<u8>(), any::<u8>(), 0..0x8000_0000u32), 0..20,
            ),
            cuts in prop::collection::vec(1..30usize, 1..40),
        ) {
            let sent: Vec<Head> = frames
                .into_iter()
                .map(|(length, kind, flags, stream)| Head { length, kind, flags, stream })
                .collect();
            let mut bytes = Vec::new();
            sent.iter().for_each(|head| bytes.extend(encoded(*head)));

            let mut scanned = Frames::default();
            let mut seen = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at(rest.len().min(*cut));
                seen.extend(heads(&mut scanned, piece));
                rest = after;
            }
            prop_assert_eq!(seen, sent);
        }
    }

    #[test]
    fn reserved_bit_is_no_part_of_the_stream() {
        let bytes = [0, 0, 0, kind::PING, 0x1, 0x80, 0, 0, 7];
        let [head] = heads(&mut Frames::default(), &bytes)[..] else { panic!("one head") };
        assert_eq!((head.stream, head.kind, head.ends_stream()), (7, kind::PING, true));
    }
}
