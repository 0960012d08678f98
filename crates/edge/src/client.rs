//! The client's side of one exchange, over HTTP/1 or over a stream of HTTP/2.

use std::task::{Context, Poll};

use wire::body::{Error, Sink, Source};
use wire::h1::Framing;
use wire::h1::conn::Ended;
use wire::traffic::Traffic;

use crate::fields::FieldSink;

/// The head of a response, without its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusLine<'a> {
    /// The status.
    pub(crate) status: u16,
    /// The reason phrase; where it is empty the standard one is written.
    pub(crate) reason: &'a [u8],
}

impl StatusLine<'_> {
    /// The standard phrase for `status`.
    pub(crate) fn standard(status: u16) -> Self {
        Self { status, reason: b"" }
    }
}

/// One client that waits for one response.
pub(crate) trait Client: Source + Sink {
    /// What its heads are written in.
    type Fields: FieldSink;

    /// Sends a head of a response that goes on: 1xx.
    fn inform(
        &mut self,
        line: StatusLine<'_>,
        fields: impl FnOnce(&mut Self::Fields),
    ) -> Result<(), Error>;

    /// Begins the response. The fields that frame it, and those that speak of the connection, are
    /// the client's own to write.
    fn begin(
        &mut self,
        line: StatusLine<'_>,
        framing: Framing,
        fields: impl FnOnce(&mut Self::Fields),
    ) -> Result<(), Error>;

    /// Whether fields can follow a body that is framed like this.
    fn carries_trailers(&self, framing: Framing) -> bool;

    /// The response is `101`: writes its head, and from now on the bytes mean nothing.
    fn switch(
        &mut self,
        line: StatusLine<'_>,
        protocol: &[u8],
        fields: impl FnOnce(&mut Self::Fields),
    ) -> Result<(), Error>;

    /// Ready when the client has gone or sends no more, as long as nothing is to be read of its request.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Ended>;

    /// Ready when the client has gone, as long as nothing is to be read of its request. One that only
    /// sends no more has not: it may well wait for its response.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_ended(cx) {
            Poll::Ready(Ended::Broken) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Ready when the client has gone, or sends no more and so has probably gone: for what others
    /// wait for, as a place in a queue.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ended(cx).map(drop)
    }

    /// Ends our half of a connection that switched.
    fn poll_close_half(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// The connection ends with this response: what follows on it could not be trusted.
    fn end_after_response(&mut self);

    /// Breaks off a response of which no more is to come, so that the client cannot take it for
    /// whole: ready once what was taken of it has been sent on.
    fn poll_break_off(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Breaks the response off at once: what is still on its way to the client is lost.
    fn abort(&mut self);

    /// Bytes received from and sent to the client for this exchange.
    fn take_traffic(&mut self) -> Traffic;
}
