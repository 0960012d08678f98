//! Bodies, as they come over a connection and as they leave by it, framed as their heads say.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{Conn, Incoming, Outgoing, Size};
use crate::body::{Error, Sink, Source};
use crate::buffer::FIRST_BYTES;
use crate::h1::chunked::{Next, write_size};
use crate::h1::fault::Fault;
use crate::head::Fields;
use crate::trailer::may_trail;

/// Data up to this size is copied behind the head and leaves with it in one plain write.
const COALESCED_BYTES: usize = 4 * 1024;

impl Conn {
    /// Counts `n` bytes of a body of known length as taken.
    pub(super) fn sent_of_body(&mut self, n: usize) {
        if let Outgoing::Length(left) = &mut self.outgoing {
            *left = left.saturating_sub(n as u64);
            if *left == 0 {
                self.outgoing = Outgoing::Done;
            }
        }
    }

    /// Whether `len` more bytes may wait in the outbox for company.
    fn coalesces(&self, len: usize) -> bool {
        let held = self.outbox.len() - self.outbox_sent;
        len <= COALESCED_BYTES && held > 0 && held + len <= 2 * COALESCED_BYTES
    }

    fn poll_send_chunk(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        open: usize,
    ) -> Poll<Result<usize, Error>> {
        if open == 0 {
            write_size(data.len(), &mut self.outbox);
            if data.len() <= COALESCED_BYTES {
                self.outbox.extend_from_slice(data);
                self.outbox.extend_from_slice(b"\r\n");
                if self.outbox.len() - self.outbox_sent > 2 * COALESCED_BYTES {
                    // Taken in any case: what cannot leave now stays in the outbox.
                    if let Poll::Ready(drained) = self.poll_drain(cx, &[]) {
                        drained?;
                    }
                }
                return Poll::Ready(Ok(data.len()));
            }
            self.outgoing = Outgoing::Chunked(data.len());
        }
        let open = if open == 0 { data.len() } else { open };
        let drained = self.poll_drain(cx, &data[..open.min(data.len())]);
        self.is_slow = drained.is_pending();
        let taken = ready!(drained)?;
        self.outgoing = Outgoing::Chunked(open - taken);
        if open == taken {
            self.outbox.extend_from_slice(b"\r\n");
        }
        Poll::Ready(Ok(taken))
    }
}

impl Source for Conn {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        loop {
            let wanted = match &mut self.incoming {
                Incoming::Done => return Poll::Ready(Ok(false)),
                Incoming::Length(left) if *left <= FIRST_BYTES as u64 => FIRST_BYTES,
                Incoming::Length(_) => self.room,
                Incoming::Close => self.room,
                Incoming::Chunked(decoder) => {
                    if let Some(inbox) = &mut self.inbox {
                        match decoder.advance(inbox, &self.pool)? {
                            Next::Data(_) => return Poll::Ready(Ok(true)),
                            Next::End => return Poll::Ready(Ok(false)),
                            Next::More => {}
                        }
                    }
                    self.room
                }
            };
            let is_chunked = matches!(self.incoming, Incoming::Chunked(_));
            if !is_chunked && self.has_unread() {
                return Poll::Ready(Ok(true));
            }
            if ready!(self.poll_receive(cx, Size::Body(wanted)))? == 0 {
                return Poll::Ready(match self.incoming {
                    Incoming::Close => {
                        self.incoming = Incoming::Done;
                        Ok(false)
                    }
                    _ => Err(Fault::Truncated.into()),
                });
            }
        }
    }

    fn data(&self) -> &[u8] {
        let Some(inbox) = &self.inbox else { return &[] };
        let data = inbox.data();
        match &self.incoming {
            Incoming::Done => &[],
            Incoming::Close => data,
            Incoming::Length(left) => &data[..clamp(*left, data.len())],
            Incoming::Chunked(decoder) => &data[..clamp(decoder.data_left(), data.len())],
        }
    }

    fn consume(&mut self, n: usize) {
        if let Some(inbox) = &mut self.inbox {
            inbox.consume(n);
            if inbox.is_empty() {
                self.inbox = None;
            }
        }
        match &mut self.incoming {
            Incoming::Length(left) => {
                *left -= n as u64;
                if *left == 0 {
                    self.incoming = Incoming::Done;
                }
            }
            Incoming::Chunked(decoder) => decoder.used(n),
            Incoming::Done | Incoming::Close => {}
        }
    }

    fn take_trailers(&mut self) -> Result<Option<Fields>, Error> {
        let Incoming::Chunked(decoder) = &mut self.incoming else { return Ok(None) };
        let trailers = decoder.take_trailers(&self.pool)?;
        self.has_violated |= decoder.has_violated();
        self.incoming = Incoming::Done;
        Ok(trailers)
    }

    fn expect_room(&mut self, bytes: usize) {
        self.room = bytes;
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.is_received()
    }

    fn remaining(&self) -> Option<u64> {
        match self.incoming {
            Incoming::Done => Some(0),
            Incoming::Length(left) => Some(left),
            Incoming::Chunked(_) | Incoming::Close => None,
        }
    }

    fn source_conn(&mut self) -> Option<&mut Conn> {
        Some(self)
    }
}

fn clamp(left: u64, len: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(len)
}

impl Sink for Conn {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        let taken = match self.outgoing {
            Outgoing::Chunked(open) => return self.poll_send_chunk(cx, data, open),
            _ if self.coalesces(data.len()) => {
                self.outbox.extend_from_slice(data);
                data.len()
            }
            _ => {
                let drained = self.poll_drain(cx, data);
                self.is_slow = drained.is_pending();
                ready!(drained)?
            }
        };
        self.sent_of_body(taken);
        Poll::Ready(Ok(taken))
    }

    fn room(&self) -> usize {
        if self.is_slow { FIRST_BYTES } else { usize::MAX }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_drain(cx, &[]))?;
        Poll::Ready(Ok(ready!(Pin::new(&mut self.stream).poll_flush(cx))?))
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), Error>> {
        match self.outgoing {
            Outgoing::Chunked(_) => {
                self.outbox.extend_from_slice(b"0\r\n");
                for (name, text, value) in trailers.into_iter().flat_map(Fields::iter) {
                    if may_trail(name, text) {
                        for part in [text, b": ", value, b"\r\n"] {
                            self.outbox.extend_from_slice(part);
                        }
                    }
                }
                self.outbox.extend_from_slice(b"\r\n");
                self.outgoing = Outgoing::Done;
            }
            Outgoing::Close => self.outgoing = Outgoing::Done,
            Outgoing::Length(_) => {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
            }
            Outgoing::Done => {}
        }
        self.poll_flush(cx)
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        Some(self)
    }
}
