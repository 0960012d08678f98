//! One HTTP/2 stream as a body's source and sink, to a client or to a server.

use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;

use super::ahead::Body;
use super::head;
use super::meter::SEND_BYTES;
use super::outbox::{Outbox, Payload};
use crate::body::{Error, Sink, Source};
use crate::buffer::{FIRST_BYTES, Pool};
use crate::h1::Conn;
use crate::h1::Framing;
use crate::head::Fields;
use crate::traffic::Traffic;

/// A frame's head, and the payload that each peer takes (RFC 9113 §4).
const FRAME_HEAD_BYTES: u64 = 9;
const FRAME_BYTES: usize = 16_384;
/// A status line with its code alone.
const STATUS_BYTES: u64 = "HTTP/2 200\r\n".len() as u64;

/// The bytes of these fields as HTTP/1 writes them.
pub fn fields_bytes(fields: &HeaderMap) -> u64 {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + b": \r\n".len()
    };
    fields.iter().map(line).sum::<usize>() as u64
}

/// What a client's stream is responded to by: informational heads first, then one final head.
pub struct Responder {
    respond: SendResponse<Payload>,
}

impl Responder {
    /// The responder of the stream that `respond` belongs to.
    pub fn new(respond: SendResponse<Payload>) -> Self {
        Self { respond }
    }

    /// Sends a 1xx head.
    ///
    /// # Errors
    /// When the stream or its connection is gone.
    pub fn inform(&mut self, status: u16, fields: HeaderMap) -> Result<(), Error> {
        let mut head = http::Response::new(());
        *head.status_mut() = head::status(status)?;
        *head.headers_mut() = fields;
        Ok(self.respond.send_informational(head)?)
    }

    /// Waits until the client gave the stream up.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.respond.poll_reset(cx).map(drop)
    }

    /// Gives the stream up.
    pub fn reset(&mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }
}

/// One HTTP/2 stream: the body that comes in and the one that goes out.
pub struct Stream {
    incoming: Option<RecvStream>,
    chunk: Bytes,
    trailers: Option<HeaderMap>,
    outgoing: Option<SendStream<Payload>>,
    /// Of the outgoing body, where its length was announced.
    left: Option<u64>,
    announced: Option<u64>,
    /// The incoming body, as long as its peer may send it ahead.
    ahead: Option<Body>,
    /// Where what is sent waits until it was written.
    outbox: Outbox,
    pool: Pool,
    received: u64,
    sent: u64,
    /// Whether the outgoing half was sent to its end.
    is_sent: bool,
}

impl Stream {
    /// A client's stream, whose response is yet to come, on the connection of `outbox`. What it sends
    /// `ahead` is counted.
    pub fn from_client(
        incoming: RecvStream,
        ahead: Option<Body>,
        outbox: Outbox,
        pool: Pool,
    ) -> Self {
        let mut stream = Self::to_server(None, None, outbox, pool);
        stream.receive(incoming, None);
        stream.ahead = ahead;
        stream
    }

    /// A stream to a server, whose response is yet to come.
    pub fn to_server(
        outgoing: Option<SendStream<Payload>>,
        left: Option<u64>,
        outbox: Outbox,
        pool: Pool,
    ) -> Self {
        Self {
            incoming: None,
            chunk: Bytes::new(),
            trailers: None,
            outgoing,
            left,
            announced: None,
            ahead: None,
            outbox,
            pool,
            received: 0,
            sent: 0,
            is_sent: false,
        }
    }

    /// Sends the final head of a response whose body is framed as `framing` says.
    ///
    /// # Errors
    /// When the stream or its connection is gone.
    pub fn respond(
        &mut self,
        responder: &mut Responder,
        status: u16,
        fields: HeaderMap,
        framing: Framing,
    ) -> Result<(), Error> {
        let mut head = http::Response::new(());
        *head.status_mut() = head::status(status)?;
        *head.headers_mut() = fields;
        self.sent += STATUS_BYTES + fields_bytes(head.headers());
        let outgoing = responder.respond.send_response(head, framing.is_empty())?;
        self.is_sent = framing.is_empty();
        self.outgoing = (!framing.is_empty()).then_some(outgoing);
        self.left = match framing {
            Framing::Length(length) => Some(length),
            _ => None,
        };
        Ok(())
    }

    /// The response of a server has begun: its body comes from `incoming`.
    pub fn receive(&mut self, incoming: RecvStream, announced: Option<u64>) {
        self.incoming = (!incoming.is_end_stream()).then_some(incoming);
        self.announced = announced;
    }

    /// No body belongs to the head that was received, whatever follows it. An end that is there already is
    /// taken, so that a server that sends it apart sees no reset for it; else the incoming half is given up.
    pub fn receive_nothing(&mut self) {
        if let Some(incoming) = &mut self.incoming {
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(Ok(chunk))) = incoming.poll_data(&mut cx) {
                if !chunk.is_empty() {
                    break;
                }
            }
        }
        self.has_received();
    }

    /// Counts a head of so many bytes as received.
    pub fn received_head(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// Counts a head of so many bytes as sent.
    pub fn sent_head(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Bytes received and sent, framing included. Heads are counted as HTTP/1 would write them: how
    /// much of one was compressed depends on those before it.
    pub fn traffic(&self) -> Traffic {
        Traffic { received: self.received, sent: self.sent }
    }

    /// Whether the final head of a response was sent.
    pub fn has_responded(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Whether the outgoing half was taken to its end.
    pub fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// Whether the incoming body was read to its end.
    pub fn is_received(&self) -> bool {
        self.incoming.is_none() && self.chunk.is_empty()
    }

    /// Gives the outgoing half up, so that the peer sees that the body is not whole.
    pub fn reset(&mut self, reason: Reason) {
        if let Some(mut outgoing) = self.outgoing.take() {
            outgoing.send_reset(reason);
        }
    }

    /// Waits until what was taken of the outgoing half has been written, as far as that can be seen:
    /// by there being room for as much as may wait. A client whose window is smaller than that shows
    /// nothing; its owner must not wait for ever. Ready with progress, too; true at the end.
    pub fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let Some(outgoing) = &mut self.outgoing else { return Poll::Ready(Ok(true)) };
        outgoing.reserve_capacity(SEND_BYTES);
        if outgoing.capacity() >= SEND_BYTES {
            return Poll::Ready(Ok(true));
        }
        match ready!(outgoing.poll_capacity(cx)) {
            Some(room) => Poll::Ready(Ok(room? >= SEND_BYTES)),
            None => Poll::Ready(Err(h2::Error::from(Reason::CANCEL).into())),
        }
    }

    /// Gives the outgoing half up, so that the peer sees that the body is not whole. Unlike a reset
    /// this lets a head go out that has not been written yet.
    pub fn break_off(&mut self) {
        self.outgoing = None;
    }

    /// Waits until the peer gave the outgoing half up.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.outgoing {
            Some(outgoing) => outgoing.poll_reset(cx).map(drop),
            None => Poll::Pending,
        }
    }

    /// Nothing of the incoming body follows.
    fn has_received(&mut self) {
        (self.incoming, self.ahead) = (None, None);
    }

    fn poll_capacity(
        outgoing: &mut SendStream<Payload>,
        cx: &mut Context<'_>,
        wanted: usize,
    ) -> Poll<Result<usize, Error>> {
        outgoing.reserve_capacity(wanted);
        loop {
            match outgoing.capacity() {
                0 => match ready!(outgoing.poll_capacity(cx)) {
                    Some(granted) => drop(granted?),
                    None => return Poll::Ready(Err(h2::Error::from(Reason::CANCEL).into())),
                },
                capacity => return Poll::Ready(Ok(capacity.min(wanted))),
            }
        }
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(incoming) = &mut self.incoming {
            self.trailers = ready!(incoming.poll_trailers(cx))?;
            self.received += self.trailers.as_ref().map_or(0, fields_bytes);
            self.has_received();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // What is thrown away unread is held no more, and is seen to go.
        let (Some(incoming), Some(ahead)) = (&mut self.incoming, &mut self.ahead) else { return };
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(chunk))) = incoming.poll_data(&mut cx) {
            ahead.took(chunk.len());
        }
    }
}

impl Source for Stream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        loop {
            if !self.chunk.is_empty() {
                return Poll::Ready(Ok(true));
            }
            let Some(incoming) = &mut self.incoming else { return Poll::Ready(Ok(false)) };
            match ready!(incoming.poll_data(cx)) {
                Some(chunk) => {
                    self.chunk = chunk?;
                    if let Some(ahead) = &mut self.ahead {
                        ahead.took(self.chunk.len());
                    }
                    self.received += self.chunk.len() as u64 + FRAME_HEAD_BYTES;
                    if let Some(left) = &mut self.announced {
                        *left = left.saturating_sub(self.chunk.len() as u64);
                    }
                    if incoming.is_end_stream() {
                        // Nothing can follow, and no window is owed for a stream that has ended.
                        let _ = incoming.flow_control().release_capacity(self.chunk.len());
                        self.has_received();
                    }
                }
                None => ready!(self.poll_trailers(cx))?,
            }
        }
    }

    fn data(&self) -> &[u8] {
        &self.chunk
    }

    fn consume(&mut self, n: usize) {
        self.chunk.advance(n);
        if let Some(incoming) = &mut self.incoming {
            // Fails only for a stream that is gone, and then nothing is owed.
            let _ = incoming.flow_control().release_capacity(n);
        }
    }

    fn take_trailers(&mut self) -> Result<Option<Fields>, Error> {
        Ok(self.trailers.take().map(|map| head::trailers(&map, &self.pool)))
    }

    fn remaining(&self) -> Option<u64> {
        match (&self.incoming, self.announced) {
            (None, _) => Some(self.chunk.len() as u64),
            (Some(_), announced) => announced.map(|left| left + self.chunk.len() as u64),
        }
    }

    fn source_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}

impl Sink for Stream {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        let Some(outgoing) = &mut self.outgoing else {
            return Poll::Ready(Err(h2::Error::from(Reason::STREAM_CLOSED).into()));
        };
        let room = ready!(self.outbox.poll_room(cx));
        let taken = ready!(Self::poll_capacity(outgoing, cx, data.len().min(room)))?;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(taken as u64);
        }
        // The last bytes of an announced length end the stream: one frame fewer.
        let last = self.left == Some(0);
        outgoing.send_data(self.outbox.put(&data[..taken]), last)?;
        self.sent += taken as u64 + taken.div_ceil(FRAME_BYTES) as u64 * FRAME_HEAD_BYTES;
        if last {
            self.outgoing = None;
            self.is_sent = true;
        }
        Poll::Ready(Ok(taken))
    }

    /// As much as the peer's windows have let out so far, and at least what each stream may hold:
    /// that a body ends may have to be read before the window opens for more.
    fn room(&self) -> usize {
        self.outgoing.as_ref().map_or(0, SendStream::capacity).max(FIRST_BYTES)
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &mut self,
        _cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), Error>> {
        let Some(mut outgoing) = self.outgoing.take() else { return Poll::Ready(Ok(())) };
        match trailers.map(head::trailer_map).filter(|map| !map.is_empty()) {
            Some(map) => {
                self.sent += fields_bytes(&map);
                outgoing.send_trailers(map)?;
            }
            None => {
                self.sent += FRAME_HEAD_BYTES;
                outgoing.send_data(Payload::default(), true)?;
            }
        }
        self.is_sent = true;
        Poll::Ready(Ok(()))
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}
