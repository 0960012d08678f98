//! As much of WebSocket (RFC 6455) as it takes to close one between two of its frames, and to know whether it was closed
//! in order.

/// A close frame of a server with status 1001, "going away" (RFC 6455 §5.5.1, §7.4.1).
pub(crate) const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// The opcode of a close frame (RFC 6455 §5.2).
const CLOSE: u8 = 8;

/// Follows one direction's frames (RFC 6455 §5.2), looking at nothing but their lengths and for the one that closes.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// What was seen of a frame's head, which has 14 bytes at the most.
    head: [u8; 14],
    seen: usize,
    /// What is left of the payload.
    left: u64,
    /// A close frame has begun.
    is_closed: bool,
}

impl Frames {
    /// Whether no frame has begun that has not ended.
    pub(crate) fn is_between(&self) -> bool {
        self.seen == 0 && self.left == 0
    }

    /// Whether this side has said that it closes (RFC 6455 §5.5.1).
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Takes `data` up.
    pub(crate) fn follow(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            data = &data[self.step(data)..];
        }
    }

    /// How many bytes of `data` there are until no frame has begun; all, if that is not within it.
    pub(crate) fn until_between(&self, data: &[u8]) -> usize {
        let mut ahead = Self { ..*self };
        let mut taken = 0;
        while taken < data.len() && !ahead.is_between() {
            taken += ahead.step(&data[taken..]);
        }
        taken
    }

    /// Takes up the next byte of a head, or what is there of a payload. How much that was.
    fn step(&mut self, data: &[u8]) -> usize {
        if self.left > 0 {
            let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
            self.left -= taken as u64;
            return taken;
        }
        self.head[self.seen] = data[0];
        self.seen += 1;
        if self.seen >= 2 && self.seen == self.head_length() {
            self.left = self.payload_length();
            self.seen = 0;
            self.is_closed |= self.head[0] & 0x0f == CLOSE;
        }
        1
    }

    fn head_length(&self) -> usize {
        let masked = usize::from(self.head[1] >> 7) * 4;
        let extended = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extended + masked
    }

    fn payload_length(&self) -> u64 {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        match self.head[1] & 0x7f {
            126 => number(&self.head[2..4]),
            127 => number(&self.head[2..10]),
            short => u64::from(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match payload {
            0..126 => frame.push(mask | payload as u8),
            126..65536 => {
                frame.push(mask | 126);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + payload + if masked { 4 } else { 0 }, 0xff);
        frame
    }

    #[test]
    fn it_knows_where_frames_end_however_they_are_cut() {
        for masked in [false, true] {
            let frames = [0, 1, 125, 126, 65_535, 65_536].map(|length| frame(length, masked));
            let mut ends: Vec<usize> = vec![0];
            ends.extend(frames.iter().scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            }));
            let all = frames.concat();
            for piece in [1, 2, 3, 7, 1000, all.len()] {
                let mut follower = Frames::default();
                let mut at = 0;
                for data in all.chunks(piece) {
                    assert_eq!(follower.is_between(), ends.contains(&at), "{piece}: {at}");
                    if !follower.is_between() {
                        let end = ends.iter().find(|end| **end >= at).unwrap();
                        assert_eq!(follower.until_between(data), (end - at).min(data.len()));
                    }
                    follower.follow(data);
                    at += data.len();
                }
                assert!(follower.is_between());
            }
        }
    }

    #[test]
    fn a_side_has_closed_once_a_close_frame_has_come_however_it_is_cut() {
        let close = [0x88, 0x82, 1, 2, 3, 4, 5, 6];
        for frames in [frame(200, true), frame(0, false)] {
            let mut follower = Frames::default();
            // A payload that looks like such a frame is none.
            follower.follow(&[0x82, 2, 0x88, 0]);
            frames.chunks(3).for_each(|data| follower.follow(data));
            assert!(!follower.is_closed());
            close.chunks(1).for_each(|data| follower.follow(data));
            assert!(follower.is_closed());
        }
    }
}
