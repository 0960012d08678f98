//! What a body is read from and written to, whichever HTTP version carries it.

use std::io;
use std::task::{Context, Poll};

use crate::h1::{Conn, Fault};
use crate::head::Fields;

/// Why a message could not be read or written to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// What was received is not what HTTP/1 allows.
    #[error("the message is malformed")]
    Fault(#[from] Fault),
    /// The HTTP/2 stream, or its connection, ended.
    #[error("the HTTP/2 stream ended")]
    H2(#[from] h2::Error),
}

impl Error {
    /// Whether the peer broke the rules, rather than went away.
    pub fn is_nonsense(&self) -> bool {
        match self {
            Self::Io(_) => false,
            Self::Fault(fault) => *fault != Fault::Truncated,
            Self::H2(error) => error.is_library(),
        }
    }

    /// Whether the peer certainly did nothing with the stream: it refused it, or went away in
    /// peace before it (RFC 9113 §8.7).
    pub fn is_unprocessed(&self) -> bool {
        let Self::H2(error) = self else { return false };
        let reason = error.reason();
        error.is_remote()
            && (error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM)
                || error.is_go_away() && reason == Some(h2::Reason::NO_ERROR))
    }
}

/// What a body is read from.
///
/// The three calls go round: fill, look, consume. Data that was not consumed is there again.
pub trait Source {
    /// Waits for data. True when [`Source::data`] has some, false at the end of the body.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>>;

    /// Says how many bytes can be passed on at once, so that not many more are read. What is held
    /// of a body whose taker stands still is then no more than a small buffer.
    fn expect_room(&mut self, _bytes: usize) {}

    /// The data that is there, without framing.
    fn data(&self) -> &[u8];

    /// Takes `n` bytes off the front of the data.
    fn consume(&mut self, n: usize);

    /// The fields that came after the body, once, after its end.
    ///
    /// # Errors
    /// When they are malformed.
    fn take_trailers(&mut self) -> Result<Option<Fields>, Error>;

    /// How many bytes are still to come, where that is known.
    fn remaining(&self) -> Option<u64>;

    /// Whether the body was read whole and no fields can follow it; false where only the next
    /// [`Source::poll_fill`] tells.
    fn is_over(&self) -> bool {
        false
    }

    /// The connection whose bytes these are, where it has no other body at the same time.
    fn source_conn(&mut self) -> Option<&mut Conn>;
}

/// What a body is written to.
pub trait Sink {
    /// Writes from the front of `data`, which is not empty, and tells how much was taken. Until
    /// all of it is, the call must be repeated with the rest.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>>;

    /// How many bytes could be taken at once, as far as that is known; more may be offered.
    fn room(&self) -> usize {
        usize::MAX
    }

    /// Sends on what was taken but held back to travel with more.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Ends the body, with these fields after it where the version and framing allow.
    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), Error>>;

    /// The connection that takes these bytes, where it has no other body at the same time.
    fn sink_conn(&mut self) -> Option<&mut Conn>;
}
