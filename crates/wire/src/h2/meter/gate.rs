//! Lets a client's bytes pass to `h2`, but for what `h2` would end the connection for and RFC 9113
//! wants one stream to be reset for: that is replaced by what `h2` answers so.
//!
//! Nothing is copied of bytes that come in whole frames. A frame that has to be seen whole and was
//! cut, or a header block that goes on, is held back until the rest has come: at the most six frames.

use tokio::io::ReadBuf;

use super::frames::{END_HEADERS, END_STREAM, HEAD_BYTES, Head, PREFACE_BYTES, kind};
use super::ledger::Flood;
use crate::h2::hpack::{Judge, Section, UNREADABLE, Verdict};

/// Of HEADERS and PRIORITY: what `h2` allows in one frame.
const FRAME_BYTES_MAX: u32 = 16_384;
/// CONTINUATION frames after which `h2` ends the connection.
const CONTINUATIONS_MAX: usize = 5;
/// How many times the limit of a head its fields may have before `h2` ends the connection. Between
/// the two it answers 431 by itself.
const LIST_ABUSE: usize = 4;

/// Flags of HEADERS.
const PADDED: u8 = 0x8;
const PRIORITIZED: u8 = 0x20;
/// A stream's dependency and weight (RFC 7540 §6.3).
const PRIORITY_BYTES: usize = 5;

/// What is to become of the bytes at the front.
enum Step {
    /// So many pass.
    Passes(usize),
    /// In the place of so many comes something else.
    Replaced(usize, Vec<u8>),
    /// More have to come first.
    Incomplete,
}

/// Between a client and `h2`.
#[derive(Debug)]
pub(super) struct Gate {
    /// Bytes of a payload, or of the preface, that pass unseen.
    skip: usize,
    /// What waits for its rest.
    held: Vec<u8>,
    /// How many of the frames in `held` were booked already.
    booked: usize,
    /// What was let pass or put in a place, and was not read yet.
    out: Vec<u8>,
    read: usize,
    judge: Judge,
    list_bytes_max: usize,
    /// The connection will be ended by `h2`: everything passes.
    is_lost: bool,
    /// The newest stream that has begun. Those of a client's grow (RFC 9113 §5.1.1), so that a block on one
    /// that is not newer is no head.
    newest: u32,
    /// Streams whose target has a fragment, until they are asked for.
    fragments: Vec<u32>,
}

/// The streams that are remembered for their target: more than can be open.
const FRAGMENTS_MAX: usize = 1024;

impl Gate {
    /// For a client whose next bytes are its preface, and whose heads may have so many bytes.
    pub(super) fn new(header_bytes: u32) -> Self {
        Self {
            skip: PREFACE_BYTES as usize,
            held: Vec::new(),
            booked: 0,
            out: Vec::new(),
            read: 0,
            judge: Judge::default(),
            list_bytes_max: (header_bytes as usize).saturating_mul(LIST_ABUSE),
            is_lost: false,
            newest: 0,
            fragments: Vec::new(),
        }
    }

    /// Whether the target of this stream, which was just opened, has a fragment.
    pub(super) fn take_fragment(&mut self, stream: u32) -> bool {
        if self.fragments.is_empty() {
            return false;
        }
        let before = self.fragments.len();
        self.fragments.retain(|it| *it != stream);
        self.fragments.len() < before
    }

    /// Hands on what passed before and did not find room. False when there is nothing.
    pub(super) fn hand_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.out.is_empty() {
            return false;
        }
        let rest = &self.out[self.read..];
        let n = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..n]);
        self.read += n;
        if self.read == self.out.len() {
            (self.out, self.read) = (Vec::new(), 0);
        }
        true
    }

    /// Takes `bytes`, which follow those of the call before: how many of them pass as they are, from
    /// the front. What becomes of the rest is handed on later. `book` is shown each frame once.
    ///
    /// # Errors
    /// The first that `book` returns.
    pub(super) fn pass(
        &mut self,
        bytes: &[u8],
        mut book: impl FnMut(Head) -> Result<(), Flood>,
    ) -> Result<usize, Flood> {
        if !self.held.is_empty() {
            self.held.extend_from_slice(bytes);
            self.pass_held(&mut book)?;
            return Ok(0);
        }
        let mut at = 0;
        while at < bytes.len() {
            match self.step(&bytes[at..], &mut book)? {
                Step::Passes(n) => at += n,
                Step::Incomplete => {
                    self.held.extend_from_slice(&bytes[at..]);
                    break;
                }
                Step::Replaced(n, other) => {
                    self.out.extend_from_slice(&other);
                    self.held.extend_from_slice(&bytes[at + n..]);
                    self.pass_held(&mut book)?;
                    break;
                }
            }
        }
        Ok(at)
    }

    #[cold]
    fn pass_held(&mut self, book: &mut impl FnMut(Head) -> Result<(), Flood>) -> Result<(), Flood> {
        let mut held = std::mem::take(&mut self.held);
        let mut at = 0;
        while at < held.len() {
            match self.step(&held[at..], book)? {
                Step::Passes(n) => {
                    self.out.extend_from_slice(&held[at..at + n]);
                    at += n;
                }
                Step::Replaced(n, other) => {
                    self.out.extend_from_slice(&other);
                    at += n;
                }
                Step::Incomplete => break,
            }
        }
        held.drain(..at);
        held.shrink_to_fit();
        self.held = held;
        Ok(())
    }

    #[inline]
    fn step(
        &mut self,
        bytes: &[u8],
        book: &mut impl FnMut(Head) -> Result<(), Flood>,
    ) -> Result<Step, Flood> {
        if self.skip > 0 {
            let n = bytes.len().min(self.skip);
            self.skip -= n;
            return Ok(Step::Passes(n));
        }
        let Some((head, rest)) = bytes.split_first_chunk() else { return Ok(Step::Incomplete) };
        let head = Head::parse(*head);
        if self.booked == 0 {
            book(head)?;
            self.booked = 1;
        }
        let step = match head.kind {
            _ if self.is_lost => self.let_pass(head),
            kind::HEADERS => return self.block(head, bytes, book),
            kind::WINDOW_UPDATE if head.stream != 0 && head.length == 4 => match rest.get(..4) {
                None => return Ok(Step::Incomplete),
                Some(payload) if is_zero(payload) => Step::Replaced(HEAD_BYTES + 4, reset(head)),
                Some(_) => Step::Passes(HEAD_BYTES + 4),
            },
            kind::PRIORITY if head.stream != 0 && is_odd_priority(head) => {
                let whole = HEAD_BYTES + head.length as usize;
                match bytes.len() >= whole {
                    true => Step::Replaced(whole, reset(head)),
                    false => return Ok(Step::Incomplete),
                }
            }
            _ => self.let_pass(head),
        };
        self.booked = 0;
        Ok(step)
    }

    fn let_pass(&mut self, head: Head) -> Step {
        self.skip = head.length as usize;
        Step::Passes(HEAD_BYTES)
    }

    /// From now on `h2` has the word: it ends the connection for what follows.
    fn lose(&mut self, head: Head) -> Step {
        self.is_lost = true;
        self.booked = 0;
        self.let_pass(head)
    }

    /// A HEADERS frame with those that continue it.
    fn block(
        &mut self,
        head: Head,
        bytes: &[u8],
        book: &mut impl FnMut(Head) -> Result<(), Flood>,
    ) -> Result<Step, Flood> {
        let (mut at, mut frames, mut last) = (0, 0, head);
        loop {
            frames += 1;
            if last.length > FRAME_BYTES_MAX || frames > CONTINUATIONS_MAX + 1 {
                return Ok(self.lose(head));
            }
            at += HEAD_BYTES + last.length as usize;
            if bytes.len() < at {
                return Ok(Step::Incomplete);
            }
            if last.flags & END_HEADERS != 0 {
                break;
            }
            let Some(next) = bytes[at..].first_chunk() else { return Ok(Step::Incomplete) };
            last = Head::parse(*next);
            if last.kind != kind::CONTINUATION || last.stream != head.stream {
                return Ok(self.lose(head));
            }
            if self.booked == frames {
                book(last)?;
                self.booked += 1;
            }
        }
        self.booked = 0;
        Ok(self.judge(head, &bytes[..at]))
    }

    fn judge(&mut self, head: Head, frames: &[u8]) -> Step {
        let (first, rest) = frames.split_at(HEAD_BYTES + head.length as usize);
        let Some(Fragmented { fragment, depends_on }) = fragment_of(head, &first[HEAD_BYTES..])
        else {
            return self.lose(head);
        };
        let joined;
        let block = match rest.is_empty() {
            true => fragment,
            false => {
                joined = join(fragment, rest);
                &joined
            }
        };
        let depends_on_itself = depends_on == Some(head.stream);
        let section = if head.stream > self.newest { Section::Head } else { Section::Trailers };
        self.newest = self.newest.max(head.stream);
        match self.judge.judge(block, section, self.list_bytes_max) {
            Err(_) => {
                self.is_lost = true;
                Step::Replaced(frames.len(), headers(head, &UNREADABLE))
            }
            Ok(Verdict::Malformed) => {
                Step::Replaced(frames.len(), headers(head, &self.judge.stand_in(block)))
            }
            // For this `h2` resets the stream without a look at the block, and loses its way.
            Ok(_) if depends_on_itself => {
                Step::Replaced(frames.len(), headers(head, &self.judge.stand_in(block)))
            }
            Ok(Verdict::Fragment) => {
                if self.fragments.len() < FRAGMENTS_MAX {
                    self.fragments.push(head.stream);
                }
                Step::Passes(frames.len())
            }
            Ok(Verdict::Good) => Step::Passes(frames.len()),
        }
    }
}

/// A part of a header block, as HEADERS carry it.
struct Fragmented<'a> {
    fragment: &'a [u8],
    /// The stream that this one depends on.
    depends_on: Option<u32>,
}

/// RFC 9113 §6.2. `None` where padding and payload do not fit together.
fn fragment_of(head: Head, mut payload: &[u8]) -> Option<Fragmented<'_>> {
    let mut padding = 0;
    if head.flags & PADDED != 0 {
        let (length, rest) = payload.split_first()?;
        (padding, payload) = (usize::from(*length), rest);
    }
    let mut depends_on = None;
    if head.flags & PRIORITIZED != 0 {
        let (priority, rest) = payload.split_first_chunk::<PRIORITY_BYTES>()?;
        let [a, b, c, d, _] = *priority;
        depends_on = Some(u32::from_be_bytes([a, b, c, d]) & STREAM_BITS);
        payload = rest;
    }
    let fragment = payload.get(..payload.len().checked_sub(padding)?)?;
    Some(Fragmented { fragment, depends_on })
}

const STREAM_BITS: u32 = 0x7fff_ffff;

/// A block whose rest is in these CONTINUATION frames, all of them whole.
fn join(fragment: &[u8], mut frames: &[u8]) -> Vec<u8> {
    let mut block = fragment.to_vec();
    while let Some((head, rest)) = frames.split_first_chunk() {
        let length = Head::parse(*head).length as usize;
        block.extend_from_slice(&rest[..length]);
        frames = &rest[length..];
    }
    block
}

fn is_zero(increment: &[u8]) -> bool {
    matches!(increment, [0 | 0x80, 0, 0, 0])
}

/// PRIORITY is five bytes long; another length is its stream's fault (RFC 9113 §6.3), as long as it
/// is a frame at all.
fn is_odd_priority(head: Head) -> bool {
    head.length as usize != PRIORITY_BYTES && head.length <= FRAME_BYTES_MAX
}

/// What makes `h2` reset the stream of `head` with PROTOCOL_ERROR: a priority that depends on itself.
fn reset(head: Head) -> Vec<u8> {
    let head = Head { length: PRIORITY_BYTES as u32, kind: kind::PRIORITY, flags: 0, ..head };
    let mut frame = head.write().to_vec();
    frame.extend(head.stream.to_be_bytes());
    frame.push(0);
    frame
}

/// The HEADERS frame of `head` with a block of ours.
fn headers(head: Head, block: &[u8]) -> Vec<u8> {
    let flags = END_HEADERS | head.flags & END_STREAM;
    let mut frames = Vec::with_capacity(block.len() + HEAD_BYTES);
    let mut pieces = block.chunks(FRAME_BYTES_MAX as usize).peekable();
    let mut kind = kind::HEADERS;
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { flags } else { flags & !END_HEADERS };
        let length = piece.len() as u32;
        frames.extend(Head { length, kind, flags, ..head }.write());
        frames.extend_from_slice(piece);
        kind = kind::CONTINUATION;
    }
    frames
}

#[cfg(test)]
mod tests;
