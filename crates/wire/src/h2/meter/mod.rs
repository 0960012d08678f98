//! Sees floods of frames that the `h2` crate bears with, and ends them.
//!
//! A [`Metered`] stream lies below `h2`'s server connection and reads along: the nine bytes of
//! each frame's head, in both directions. What is malformed on one stream alone, and `h2` would end
//! the connection for, it replaces by what `h2` resets the stream for (`gate.rs`). Frames that
//! ask for work and bring none are paid for with credits, which a connection earns by its
//! requests, by the responses it takes and by waiting (`ledger.rs` has the prices). A client that
//! runs out of them is read no more, and the connection's [`Meter`] sends it GOAWAY with
//! ENHANCE_YOUR_CALM. Nothing here knows what a stream carries.
//!
//! # Who bounds what
//!
//! As of `h2` 0.4.20; what it bounds, it answers with GOAWAY(ENHANCE_YOUR_CALM) unless said
//! otherwise.
//!
//! | flood | bounded by | how |
//! | --- | --- | --- |
//! | PING, its ACK | meter | 1 credit. `h2` holds one PONG at a time and reads on only when it is written, so memory is safe without; an ACK nobody asked for it logs, each, which the log leaves out. |
//! | SETTINGS | meter | 10 credits, 1 more for 256 bytes. `h2` walks all streams for each that changes the initial window. |
//! | PRIORITY, PRIORITY_UPDATE, unknown frames | meter | 1 credit, 1 more for 256 bytes of an unknown one. `h2` skips them. |
//! | WINDOW_UPDATE | meter | 1 credit. `h2` bounds only what the windows add up to (FLOW_CONTROL_ERROR). |
//! | windows opened byte by byte (CVE-2019-9511) | meter | DATA of 13 bytes or less earns nothing for the WINDOW_UPDATE that let it out. |
//! | rapid reset (CVE-2023-44487) | meter, `h2` | 2 credits of a budget of their own, 1 earned back by each stream accepted. `h2` counts only streams that were reset before `accept` returned them (`max_pending_accept_reset_streams`). |
//! | resets that we are made to send (CVE-2025-8671), malformed heads among them | meter | as many credits of the same budget, for each that says that the client broke the rules. (`max_local_error_reset_streams` of `h2` is one number for a connection's life, which a connection of many users reaches.) |
//! | HEADERS on a stream that we reset | meter | 1 credit, 1 more for 256 bytes. `h2` decodes and ignores them while it remembers the stream. |
//! | empty DATA | `h2`, meter | 100 over the connection's life, padding counted as empty; not to be set. 1 credit, so that they show by name. |
//! | small DATA | `h2`, meter | `data_frame_budget`: what frames below 256 bytes lack, until they are read. What they hold is counted (`Ahead`), and one for which there is no memory ends the connection. |
//! | CONTINUATION without end (CVE-2024-27316) | `h2`, meter | five in a row, or as many as `max_header_list_size` takes and a quarter; 1 credit each, 16 for one without content, so that five for each stream are a flood as well. |
//! | large heads, HPACK bombs (CVE-2016-6581) | `h2` | above `max_header_list_size` nothing is kept and 431 is sent; four times that ends the connection. |
//! | streams | `h2`, owner | `max_concurrent_streams`, then REFUSED_STREAM; so does the owner when memory is spent. |
//! | streams beyond that | meter | each loses what it had earned, and costs 1 credit of a budget of their own, which nothing earns back but time. Those that the owner refuses cost nothing. |
//! | answers not read (CVE-2019-9517) | `h2`, outbox, owner | `max_send_buffer_size` for each stream, the outbox for all of them; how long, its owner must bound. |
//! | bodies sent ahead | `h2`, owner | the windows (FLOW_CONTROL_ERROR), which the owner charges for each open body (`Ahead`). |
//! | memory of streams that we reset | `h2` | `max_concurrent_reset_streams`, `reset_stream_duration`; the oldest is forgotten. |
//! | frames larger than 16 KiB | `h2` | FRAME_SIZE_ERROR. |
//! | connections without a request | owner | its idle time. |
//!
//! What is earned by work is proportional to it, so a client can make us look at a constant
//! number of control frames for each request or KiB of answer, and at no more.

mod budget;
mod frames;
mod gate;
mod ledger;
mod settings;

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::h2::server::{Connection, SendResponse};
use ::h2::{Reason, RecvStream};
use bytes::Buf;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::ahead::Ahead;
use frames::{Frames, kind};
use gate::Gate;
use ledger::Ledger;

pub use budget::Allowance;
pub use ledger::{Allowances, Flood};
pub use settings::{Limits, SEND_BYTES, server_builder};

/// How long a client may take to read our last frames and to close.
const CLOSE_TIME: Duration = Duration::from_secs(2);
/// What is read and thrown away from a client after our last frame.
const LINGER_BYTES_MAX: usize = 256 * 1024;
const LINGER_BYTES_AT_ONCE: usize = 4 * 1024;

/// What stream and meter of one connection tell each other.
#[derive(Debug)]
struct Shared {
    flood: Cell<Option<Flood>>,
    /// Streams that the owner refused of its own accord, and that no budget has paid for.
    spared: Cell<u32>,
    /// Our side is shut; only the client's end is waited for.
    lingering: Cell<bool>,
    gate: RefCell<Gate>,
}

/// In a request's extensions: its `:path` has a fragment, which a request target cannot have, and
/// which the `http` crate has taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HasFragment;

/// A client's byte stream whose frames are counted.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    outgoing: Frames,
    ledger: Ledger,
    ahead: Ahead,
    shared: Rc<Shared>,
    lingered_bytes: usize,
}

impl<S> Metered<S> {
    /// Counts on `stream`, whose next bytes are the client's preface, and gives the meter that
    /// its connection has to be polled with. `limits` are those that `h2` is given; `ahead` is where
    /// small frames are counted.
    pub fn new(stream: S, limits: Limits, ahead: Ahead) -> (Self, Meter) {
        Self::with_allowances(stream, limits, ahead, Allowances::default())
    }

    /// The same with other allowances.
    pub fn with_allowances(
        stream: S,
        limits: Limits,
        ahead: Ahead,
        allowances: Allowances,
    ) -> (Self, Meter) {
        let shared = Rc::new(Shared {
            flood: Cell::default(),
            spared: Cell::default(),
            lingering: Cell::default(),
            gate: RefCell::new(Gate::new(limits.header_bytes)),
        });
        let metered = Self {
            stream,
            outgoing: Frames::default(),
            ledger: Ledger::new(allowances, Instant::now()),
            ahead,
            shared: shared.clone(),
            lingered_bytes: 0,
        };
        (metered, Meter { shared, phase: Phase::Open })
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    fn count_sent(&mut self, bytes: &[u8]) {
        let Self { outgoing, ledger, shared, .. } = self;
        outgoing.scan(bytes, |head, payload| match ledger.sent(head, payload, Instant::now) {
            Ok(()) => {}
            Err(Flood::Refused) if shared.spared.get() > 0 => {
                shared.spared.set(shared.spared.get() - 1);
            }
            Err(flood) => shared.flood.set(Some(flood)),
        });
    }
}

/// The owner's side of a [`Metered`] stream: accepts requests and ends floods.
#[derive(Debug)]
pub struct Meter {
    shared: Rc<Shared>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// The last frames go out, until a deadline.
    Closing(Pin<Box<Sleep>>),
    Closed,
}

/// A request and the handle for its response, as `h2` gives them.
pub type Accepted<B> = (Request<RecvStream>, SendResponse<B>);

impl Meter {
    /// What the connection was, or is being, ended for.
    pub fn flood(&self) -> Option<Flood> {
        self.shared.flood.get()
    }

    /// To be called for each stream that the owner refuses (REFUSED_STREAM), for want of memory or the like:
    /// it is not its client's fault.
    pub fn spare(&self) {
        self.shared.spared.set(self.shared.spared.get().saturating_add(1));
    }

    /// Accepts the next request: to be called instead of [`Connection::accept`], and until it
    /// returns `None`, after which the connection is to be dropped.
    ///
    /// When the client floods, all its streams fail, it is sent GOAWAY with ENHANCE_YOUR_CALM,
    /// and `None` follows: as soon as it has closed its side, and in two seconds at the latest,
    /// whether or not it reads. The same deadline holds for every other end of a connection once
    /// our last frame is out; until then a connection that shuts down gracefully has all the
    /// time that its owner gives it.
    ///
    /// # Errors
    /// What `h2` finds wrong with the connection.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    pub fn poll_accept<S, B>(
        &mut self,
        connection: &mut Connection<Metered<S>, B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Accepted<B>, ::h2::Error>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        B: Buf,
    {
        if matches!(self.phase, Phase::Open) {
            let mut accepted = pin!(connection.accept()).poll(cx);
            if let Poll::Ready(Some(Ok((request, respond)))) = &mut accepted
                && self.shared.gate.borrow_mut().take_fragment(respond.stream_id().into())
            {
                request.extensions_mut().insert(HasFragment);
            }
            if matches!(accepted, Poll::Ready(None | Some(Err(_)))) {
                self.phase = Phase::Closed;
                return accepted;
            }
            if self.flood().is_some() {
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            } else if !self.shared.lingering.get() {
                return accepted;
            }
            self.phase = Phase::Closing(Box::pin(tokio::time::sleep(CLOSE_TIME)));
        }
        let Phase::Closing(deadline) = &mut self.phase else { return Poll::Ready(None) };
        let end = match connection.poll_closed(cx) {
            Poll::Ready(end) => end.err().map(Err),
            Poll::Pending => {
                ready!(deadline.as_mut().poll(cx));
                None
            }
        };
        self.phase = Phase::Closed;
        Poll::Ready(end)
    }
}

impl<S: AsyncRead + Unpin> Metered<S> {
    /// Reads until the client closes, so that our last frames are not overtaken by the reset
    /// that the kernel sends when a socket with unread bytes is closed.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; LINGER_BYTES_AT_ONCE];
        while self.lingered_bytes < LINGER_BYTES_MAX {
            let mut buf = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.lingered_bytes += buf.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, ledger, ahead, shared, .. } = self.get_mut();
        let mut book = |head: frames::Head| match head.kind {
            kind::DATA if !ahead.received(head.length) => Err(Flood::SmallData),
            _ => ledger.received(head, Instant::now),
        };
        loop {
            if shared.flood.get().is_some() {
                return Poll::Pending;
            }
            let mut gate = shared.gate.borrow_mut();
            if gate.hand_on(buf) {
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(cx, buf))?;
            let read = &buf.filled()[before..];
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match gate.pass(read, &mut book) {
                Ok(passed) => buf.set_filled(before + passed),
                Err(flood) => {
                    // Of what came with it nothing is processed, and GOAWAY will say so.
                    buf.set_filled(before);
                    shared.flood.set(Some(flood));
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, data))?;
        this.count_sent(&data[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, data))?;
        let mut left = written;
        for slice in data {
            let counted = left.min(slice.len());
            this.count_sent(&slice[..counted]);
            left -= counted;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shared.lingering.get() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.shared.lingering.set(true);
        }
        this.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests;
