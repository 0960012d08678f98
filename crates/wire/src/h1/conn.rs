//! One HTTP/1 connection, to a client or to a server: heads and bodies on a stream.
//!
//! A connection owns buffers only while they hold bytes. It never decides anything: what a fault
//! means and how long to wait is for its owner.

mod bodies;
mod heads;
pub mod splice;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::chunked::Decoder;
use super::framing::Framing;
use super::lenient::Reading;
use super::scan::Scan;
use crate::account::Account;
use crate::body::{Error, Sink};
use crate::buffer::{BULK_BYTES, Buffer, HEAD_BYTES, Pool};
use crate::stream::{Rewound, Stream};
use crate::traffic::Traffic;

/// The first line of HTTP/2, as it looks to one who reads HTTP/1 (RFC 9113 §3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The body that is being received.
enum Incoming {
    Done,
    Length(u64),
    Chunked(Box<Decoder>),
    Close,
}

/// The body that is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outgoing {
    Done,
    Length(u64),
    /// How much of the open chunk is yet to be sent.
    Chunked(usize),
    Close,
}

/// Of the buffer that is read into.
#[derive(Clone, Copy)]
enum Size {
    /// For a head: at least so many bytes.
    Head(usize),
    /// For a body of which so much can be passed on at once.
    Body(usize),
}

/// What a connection's first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A request of HTTP/1, or what should be one.
    H1,
    /// HTTP/2 by prior knowledge.
    H2,
    /// The peer closed.
    Closed,
}

/// How a peer ended its side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It sends no more, and may still read.
    Half,
    /// The connection is broken.
    Broken,
}

/// One HTTP/1 connection.
pub struct Conn {
    stream: Stream,
    pool: Pool,
    inbox: Option<Buffer>,
    scan: Scan,
    incoming: Incoming,
    outbox: Vec<u8>,
    outbox_sent: usize,
    outgoing: Outgoing,
    received: u64,
    sent: u64,
    is_cut: bool,
    reading: Reading,
    has_violated: bool,
    /// Whether the peer was seen to send no more.
    has_ended: bool,
    /// How much of the body that is received next can be passed on at once.
    room: usize,
    /// Whether the peer did not take at once what was sent last.
    is_slow: bool,
}

impl Conn {
    /// A connection of which nothing was read yet.
    pub fn new(stream: Stream, pool: Pool) -> Self {
        Self {
            stream,
            pool,
            inbox: None,
            scan: Scan::default(),
            incoming: Incoming::Done,
            outbox: Vec::new(),
            outbox_sent: 0,
            outgoing: Outgoing::Done,
            received: 0,
            sent: 0,
            is_cut: false,
            reading: Reading::Strict,
            has_violated: false,
            has_ended: false,
            room: usize::MAX,
            is_slow: false,
        }
    }

    /// The stream below.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether what came was not what its stream is read as, so that nothing more can be read of it.
    pub fn has_failed(&mut self) -> bool {
        self.stream.has_failed()
    }

    /// What its larger buffers are counted in.
    pub fn account(&self) -> &Account {
        self.pool.account()
    }

    /// Bytes received and sent since the last call, heads and framing included. What waits for the
    /// next message is counted with that.
    pub fn take_traffic(&mut self) -> Traffic {
        let waits = self.inbox.as_ref().map_or(0, |inbox| inbox.data().len() as u64);
        let received = self.received.saturating_sub(waits);
        self.received -= received;
        Traffic { received, sent: std::mem::take(&mut self.sent) }
    }

    /// Bytes received so far, since the last [`Conn::take_traffic`].
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Waits for the first bytes of a connection that may speak HTTP/2 by prior knowledge.
    pub fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Result<Opening, Error>> {
        loop {
            if let Some(inbox) = &self.inbox {
                let data = inbox.data();
                let known = data.len().min(H2_PREFACE.len());
                if data[..known] != H2_PREFACE[..known] {
                    return Poll::Ready(Ok(Opening::H1));
                }
                if data.len() >= H2_PREFACE.len() {
                    return Poll::Ready(Ok(Opening::H2));
                }
            }
            if ready!(self.poll_receive(cx, Size::Head(HEAD_BYTES)))? == 0 {
                let opening = if self.inbox.is_some() { Opening::H1 } else { Opening::Closed };
                return Poll::Ready(Ok(opening));
            }
        }
    }

    /// Waits for the next request's first byte, without holding a buffer. False when the peer
    /// closed instead.
    pub fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        if self.has_unread() {
            return Poll::Ready(Ok(true));
        }
        Poll::Ready(Ok(ready!(self.poll_receive(cx, Size::Head(HEAD_BYTES)))? > 0))
    }

    /// The same, where the socket has just been seen to be readable.
    pub fn poll_begun_now(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        Poll::Ready(Ok(ready!(self.poll_receive_now(cx, Size::Head(HEAD_BYTES)))? > 0))
    }

    /// Says how the body that is received next is framed.
    pub fn expect_body(&mut self, framing: Framing) {
        self.incoming = match framing {
            Framing::None | Framing::Length(0) => Incoming::Done,
            Framing::Length(length) => Incoming::Length(length),
            Framing::Chunked => Incoming::Chunked(Box::new(Decoder::new(self.reading))),
            Framing::Close => Incoming::Close,
        };
    }

    /// How the body that is received next is framed.
    pub fn framing(&self) -> Framing {
        match self.incoming {
            Incoming::Done => Framing::None,
            Incoming::Length(length) => Framing::Length(length),
            Incoming::Chunked(_) => Framing::Chunked,
            Incoming::Close => Framing::Close,
        }
    }

    /// Breaks off at once: the peer sees a reset, and what is still on its way to it is lost.
    pub fn cut(&mut self) {
        self.is_cut = true;
        // A socket that cannot be told is one whose peer is gone already.
        let _ = self.stream.socket().tokio().set_zero_linger();
    }

    /// Breaks off a message of which no more is to come: what was taken of it is sent on. Where its
    /// framing tells that the rest is missing, the connection may then end as any other does. Where
    /// only the end of the connection ends the message, that end is one that nobody takes for peace:
    /// no `close_notify` over TLS, and on clear text a reset, once what was sent has been delivered.
    pub fn poll_break_off(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_flush(cx))?;
        if self.outgoing == Outgoing::Close {
            if let Stream::Plain(socket) = &self.stream {
                ready!(socket.poll_delivered(cx))?;
                self.cut();
            }
            self.is_cut = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether it was broken off in a way that its end must not look peaceful.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Begins a message: the caller appends its head to what is returned and sends the body by
    /// [`Sink`], framed as `framing` says.
    pub fn begin(&mut self, framing: Framing) -> &mut Vec<u8> {
        self.outgoing = match framing {
            Framing::None | Framing::Length(0) => Outgoing::Done,
            Framing::Length(length) => Outgoing::Length(length),
            Framing::Chunked => Outgoing::Chunked(0),
            Framing::Close => Outgoing::Close,
        };
        if self.outbox.capacity() == 0 {
            self.outbox = self.pool.text();
        }
        &mut self.outbox
    }

    /// Whether the peer's message was read to its end.
    pub fn is_received(&self) -> bool {
        matches!(self.incoming, Incoming::Done)
    }

    /// Whether our message was taken to its end (not that it was flushed).
    pub fn is_sent(&self) -> bool {
        self.outgoing == Outgoing::Done && self.outbox.len() == self.outbox_sent
    }

    /// Whether bytes wait that belong to no message yet.
    pub fn has_unread(&self) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| !inbox.is_empty())
    }

    /// Whether bytes wait that are not the beginning of a message that begins with `start`.
    pub fn begins_unlike(&self, start: &[u8]) -> bool {
        let Some(inbox) = &self.inbox else { return false };
        let known = inbox.data().len().min(start.len());
        inbox.data()[..known] != start[..known]
    }

    /// Whether another exchange may follow: both messages are whole, and nothing unasked waits.
    pub fn is_clean(&self) -> bool {
        self.is_received() && self.is_sent() && !self.has_unread()
    }

    /// Waits until the peer ends its side, as long as it sends nothing further. What it sends is kept
    /// for the next message, and from then on an end is no longer noticed.
    pub fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if self.has_ended {
            return Poll::Ready(Ended::Half);
        }
        loop {
            if self.has_unread() {
                return Poll::Pending;
            }
            match ready!(self.poll_receive(cx, Size::Head(HEAD_BYTES))) {
                Ok(0) => break,
                // TLS that ends without `close_notify`: nothing is missing of what was read whole.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(_) => return Poll::Ready(Ended::Broken),
                Ok(_) => {}
            }
        }
        self.has_ended = true;
        Poll::Ready(Ended::Half)
    }

    /// Whether nothing came over a connection that is not in use: neither its end nor bytes that nobody asked for.
    /// What came is lost. What TLS itself has to say, such as a ticket, is taken in and is nothing.
    pub fn is_quiet(&mut self) -> bool {
        if self.has_unread() {
            return false;
        }
        match &mut self.stream {
            Stream::Plain(socket) => socket
                .tokio()
                .try_read(&mut [0])
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock),
            // Nobody is to be woken: its next user waits anew.
            stream => {
                stream.poll_receive(&mut Context::from_waker(Waker::noop()), &mut [0]).is_pending()
            }
        }
    }

    /// Whether nothing but the socket has to be kept until the next request.
    pub fn is_bare(&self) -> bool {
        matches!(self.stream, Stream::Plain(_)) && self.is_clean()
    }

    /// The stream, which is all there is of a connection that [`Conn::is_bare`].
    pub fn into_stream(self) -> Stream {
        self.stream
    }

    /// Gives the stream back for another protocol, with what was read beyond the last message.
    pub fn into_rewound(mut self) -> Rewound {
        let prefix = self.inbox.take().map(|inbox| Bytes::copy_from_slice(inbox.data()));
        Rewound::new(prefix.unwrap_or_default(), self.stream)
    }

    /// From now on the bytes mean nothing: what comes is passed on until the peer closes.
    pub fn become_tunnel(&mut self) {
        self.incoming = Incoming::Close;
        self.outgoing = Outgoing::Close;
    }

    /// Ends our side of the stream, as far as its kind can.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_drain(cx, &[]))?;
        Poll::Ready(Ok(ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?))
    }

    /// Throws away what has come, as bytes below TLS: nothing of it will be understood any more. Tells
    /// how much that was; 0 when the peer has ended its side.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        self.inbox = None;
        let mut space = self.pool.buffer(BULK_BYTES);
        Poll::Ready(Ok(ready!(self.stream.socket().poll_discard(cx, space.space()))?))
    }

    /// Reads once into the inbox; 0 at the end of the stream. `size` is that of the buffer that
    /// is taken if there is none.
    fn poll_receive(&mut self, cx: &mut Context<'_>, size: Size) -> Poll<io::Result<usize>> {
        if !self.has_unread()
            && let Stream::Plain(socket) = &self.stream
        {
            self.inbox = None;
            // Nothing has come more often than not, and then no buffer is needed. A head ends the wait of an
            // exchange, and cannot keep others from their turns; a body could.
            if matches!(size, Size::Body(_)) || !socket.may_be_readable() {
                ready!(socket.poll_readable(cx))?;
            }
        }
        self.poll_receive_now(cx, size)
    }

    /// The same, where something is likely to have come.
    #[inline]
    fn poll_receive_now(&mut self, cx: &mut Context<'_>, size: Size) -> Poll<io::Result<usize>> {
        let inbox = match &mut self.inbox {
            Some(inbox) if !inbox.is_empty() => inbox,
            empty => empty.insert(match size {
                Size::Head(bytes) => self.pool.buffer(bytes),
                Size::Body(room) => self.pool.body_buffer(room),
            }),
        };
        if inbox.space().is_empty() {
            inbox.reserve(HEAD_BYTES);
        }
        let polled = self.stream.poll_receive(cx, inbox.space());
        if let Poll::Ready(Ok(n)) = &polled {
            inbox.commit(*n);
            self.received += *n as u64;
        }
        if inbox.is_empty() {
            self.inbox = None;
        }
        polled
    }

    /// Writes the outbox and then from the front of `tail`. Ready when some of `tail` was taken,
    /// or, if it is empty, when the outbox is.
    fn poll_drain(&mut self, cx: &mut Context<'_>, tail: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let held = &self.outbox[self.outbox_sent..];
            let stream = Pin::new(&mut self.stream);
            let written = match (held.is_empty(), tail.is_empty()) {
                (true, true) => {
                    self.clear_outbox();
                    return Poll::Ready(Ok(0));
                }
                (true, false) => ready!(stream.poll_write(cx, tail))?,
                (false, true) => ready!(stream.poll_write(cx, held))?,
                (false, false) => {
                    let parts = [IoSlice::new(held), IoSlice::new(tail)];
                    ready!(stream.poll_write_vectored(cx, &parts))?
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written as u64;
            let of_held = written.min(held.len());
            self.outbox_sent += of_held;
            if written > of_held {
                self.outbox.clear();
                self.outbox_sent = 0;
                return Poll::Ready(Ok(written - of_held));
            }
        }
    }

    fn clear_outbox(&mut self) {
        self.outbox_sent = 0;
        self.outbox.clear();
        if self.outgoing == Outgoing::Done && self.outbox.capacity() > 0 {
            self.pool.give_text(std::mem::take(&mut self.outbox));
        }
    }
}
