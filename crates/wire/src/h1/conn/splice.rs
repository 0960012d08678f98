//! Moves a body from one socket to another without copying it: splice(2), by way of a pipe.
//!
//! It is for the long stretch in the middle of a large body that needs no framing anew. What has
//! been read before, and what is left when too little remains to be worth it, goes the usual way,
//! so that whoever uses this empties the pipe first and then asks again what comes next.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;

use super::{Conn, Incoming, Outgoing};
use crate::body::Error;
use crate::buffer::{Permit, Pool};
use crate::h1::Fault;
use crate::stream::Stream;

/// Less than this is not worth the pipe.
const BYTES_MIN: u64 = 64 * 1024;
/// The size that is asked for. It counts pages, one for each piece of a packet, not bytes.
const PIPE_BYTES: usize = 256 * 1024;
/// What is asked for at once: more than a pipe can hold.
const CALL_BYTES: usize = 1024 * 1024;

/// A pipe with what is on its way from one socket to another.
pub struct Pipe {
    ends: Ends,
    held: usize,
    pool: Pool,
}

/// The two ends of a pipe.
#[derive(Debug)]
pub(crate) struct Ends {
    read: OwnedFd,
    write: OwnedFd,
    /// Its place among those that there may be.
    _permit: Permit,
}

impl Pipe {
    /// An empty pipe, one that was used before if there is one.
    ///
    /// # Errors
    /// When descriptors have run out, or there are as many pipes as may be.
    pub fn take(pool: &Pool) -> io::Result<Self> {
        let ends = match pool.pipe() {
            Some(ends) => ends,
            None => {
                let permit = pool.pipe_permit().ok_or(io::ErrorKind::QuotaExceeded)?;
                let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
                // One user may have so many large pipes and no more. A small one works too.
                let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
                Ends { read, write, _permit: permit }
            }
        };
        Ok(Self { ends, held: 0, pool: pool.clone() })
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Ends its use: it is kept for the next body if it is empty.
    pub fn give_back(self) {
        if self.held == 0 {
            self.pool.give_pipe(self.ends);
        }
    }
}

impl Conn {
    /// Whether enough is left of the body that is received here for it to go to `to` by a pipe,
    /// and both connections allow it.
    pub fn can_splice(&self, to: &Self) -> bool {
        let left = match (&self.incoming, to.outgoing) {
            (Incoming::Length(left), Outgoing::Length(_) | Outgoing::Close) => *left,
            (Incoming::Close, Outgoing::Close) => u64::MAX,
            _ => 0,
        };
        left >= BYTES_MIN
            && self.inbox.is_none()
            && matches!((&self.stream, &to.stream), (Stream::Plain(_), Stream::Plain(_)))
    }

    /// Fills `pipe`, which is empty, with what comes of the body. Ready without anything at the end
    /// of a body that ends with the connection.
    pub fn poll_splice_in(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<Result<(), Error>> {
        let Stream::Plain(plain) = &self.stream else { return Poll::Ready(Ok(())) };
        let socket = plain.tokio();
        let left = match self.incoming {
            Incoming::Length(left) => left,
            _ => u64::MAX,
        };
        let wanted = usize::try_from(left).unwrap_or(CALL_BYTES).min(CALL_BYTES);
        let n = loop {
            ready!(socket.poll_read_ready(cx))?;
            match socket.try_io(Interest::READABLE, || {
                Ok(splice(socket, None, &pipe.ends.write, None, wanted, SpliceFlags::NONBLOCK)?)
            }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => break done?,
            }
        };
        pipe.held = n;
        self.received += n as u64;
        match &mut self.incoming {
            Incoming::Length(_) if n == 0 => return Poll::Ready(Err(Fault::Truncated.into())),
            Incoming::Length(left) if *left == n as u64 => self.incoming = Incoming::Done,
            Incoming::Length(left) => *left -= n as u64,
            _ if n == 0 => self.incoming = Incoming::Done,
            _ => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Sends from the front of what `pipe` holds, after all that was to be sent before it, and
    /// tells how much was taken.
    pub fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<Result<usize, Error>> {
        ready!(self.poll_drain(cx, &[]))?;
        let Stream::Plain(plain) = &self.stream else { return Poll::Ready(Ok(0)) };
        let socket = plain.tokio();
        let n = loop {
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_io(Interest::WRITABLE, || {
                Ok(splice(&pipe.ends.read, None, socket, None, pipe.held, SpliceFlags::NONBLOCK)?)
            }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => break done?,
            }
        };
        pipe.held -= n;
        pipe.pool.moved_by_pipe(n);
        self.sent += n as u64;
        self.sent_of_body(n);
        Poll::Ready(Ok(n))
    }
}
