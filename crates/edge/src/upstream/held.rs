//! A request's body that is held before anything of it is forwarded: read whole, or as far as it is worth holding, and then sent on as
//! if it had just come.

use std::fmt;
use std::task::{Context, Poll, ready};

use telemetry::Ending;
use wire::account::{Account, Charge};
use wire::body::Source;
use wire::h1::Framing;
use wire::head::Fields;

use crate::exchange::reading;
use crate::upstream::relay::REPLAY_BYTES_MAX;

/// What is held of a body at the most: as much as is kept of one that may have to be sent again.
pub(crate) const HELD_BYTES_MAX: usize = REPLAY_BYTES_MAX;

/// A request's body before anything of it is sent.
#[derive(Debug)]
pub(crate) struct RequestBody {
    pub(crate) framing: Framing,
    /// Nothing was read where there is none.
    pub(crate) held: Option<Box<Held>>,
}

impl RequestBody {
    /// One of which nothing was read.
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, held: None }
    }
}

/// What was read of a body, none of which was sent.
pub(crate) struct Held {
    pub(super) bytes: Vec<u8>,
    /// Where it came whole.
    pub(super) trailers: Option<Fields>,
    pub(super) is_whole: bool,
    /// What `bytes` are counted as.
    pub(super) charge: Charge,
}

/// How reading it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it is held.
    Whole,
    /// There is more than may be held: what was read is, and the rest is still to be read.
    Part,
}

impl fmt::Debug for Held {
    /// A body is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_whole, charge, .. } = self;
        f.debug_struct("Held").field("is_whole", is_whole).field("charge", charge).finish()
    }
}

impl Held {
    /// A body of which nothing was read. It is held on `account`.
    pub(crate) fn nothing(account: &Account) -> Self {
        Self { bytes: Vec::new(), trailers: None, is_whole: false, charge: account.hold(0) }
    }

    /// What was read.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes what may not pass out of the fields that came after the body.
    pub(super) fn sift_trailers(&mut self, sift: impl FnOnce(&mut Fields)) {
        if let Some(trailers) = &mut self.trailers {
            sift(trailers);
        }
    }

    /// Reads on, until the body's end or until it is longer than `most` bytes.
    ///
    /// # Errors
    /// How the exchange ends, where the client breaks off or there is no memory for what it sends.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl Source,
        most: usize,
    ) -> Poll<Result<Extent, Ending>> {
        loop {
            if self.is_whole || client.is_over() {
                self.is_whole = true;
                return Poll::Ready(Ok(Extent::Whole));
            }
            // One more tells whether that is all.
            client.expect_room(most.saturating_sub(self.bytes.len()) + 1);
            let failed = |error| reading::request_failed(&error);
            if !ready!(client.poll_fill(cx)).map_err(failed)? {
                self.trailers = client.take_trailers().map_err(failed)?;
                self.is_whole = true;
                return Poll::Ready(Ok(Extent::Whole));
            }
            let data = client.data();
            if data.len() > most.saturating_sub(self.bytes.len()) {
                return Poll::Ready(Ok(Extent::Part));
            }
            if !self.charge.grow(data.len()) {
                return Poll::Ready(Err(Ending::Overloaded));
            }
            self.bytes.extend_from_slice(data);
            let read = data.len();
            client.consume(read);
        }
    }
}

#[cfg(test)]
mod tests;
