//! One connection of a proxy: requests in, answers out. It never blocks, and does no more system
//! calls than one read and one write for a small exchange. `main.rs` has the event loop.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use mio::net::TcpStream;

use crate::answer::{Answers, receipt};
use crate::request::Head;

/// What a connection is at.
#[derive(Debug)]
enum State {
    /// Between requests, or inside a head.
    Head,
    /// Inside a body.
    Body { received: u64, missing: u64, close: bool },
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It waits for its next event.
    Open,
    /// It is done with, and can be dropped.
    Closed,
}

/// One connection of a proxy.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    state: State,
    /// A head that came in pieces; empty nearly always.
    pending: Vec<u8>,
    /// What the socket has not taken of an answer.
    unsent: Cow<'static, [u8]>,
    sent: usize,
    close_when_sent: bool,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            state: State::Head,
            pending: Vec::new(),
            unsent: Cow::Borrowed(&[]),
            sent: 0,
            close_when_sent: false,
        }
    }

    /// The socket, for the event loop.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Sends and reads what can be sent and read. `ended` says that the peer sends no more, which
    /// an edge-triggered poll says only once.
    pub(crate) fn advance(&mut self, ended: bool, scratch: &mut [u8], answers: &Answers) -> Fate {
        self.try_advance(ended, scratch, answers).unwrap_or(Fate::Closed)
    }

    fn try_advance(
        &mut self,
        ended: bool,
        scratch: &mut [u8],
        answers: &Answers,
    ) -> io::Result<Fate> {
        self.flush()?;
        loop {
            if self.close_when_sent {
                return Ok(if self.unsent.is_empty() { Fate::Closed } else { Fate::Open });
            }
            let count = match self.stream.read(scratch) {
                Ok(0) => return Ok(Fate::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Fate::Open),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.take(&scratch[..count], answers)?;
            // A short read has emptied the socket (epoll(7)): the read that would only say so is saved.
            if count < scratch.len() && !ended {
                let done = self.close_when_sent && self.unsent.is_empty();
                return Ok(if done { Fate::Closed } else { Fate::Open });
            }
        }
    }

    /// Takes bytes of the proxy, which may end one request and begin the next.
    fn take(&mut self, mut bytes: &[u8], answers: &Answers) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Head => self.take_head(bytes, answers)?,
                State::Body { received, missing, close } => {
                    let part = missing.min(bytes.len() as u64);
                    let (received, missing) = (received + part, missing - part);
                    self.state = State::Body { received, missing, close };
                    if missing == 0 {
                        self.state = State::Head;
                        self.close_when_sent = close;
                        self.send(Cow::Owned(receipt(received)))?;
                    }
                    // `part` is at most `bytes.len()`.
                    &bytes[part as usize..]
                }
            };
        }
        Ok(())
    }

    /// Takes a head, or keeps its pieces. What is left of `bytes` comes back.
    fn take_head<'a>(&mut self, bytes: &'a [u8], answers: &Answers) -> io::Result<&'a [u8]> {
        let mut kept = std::mem::take(&mut self.pending);
        let before = kept.len();
        let whole = if before == 0 {
            bytes
        } else {
            kept.extend_from_slice(bytes);
            &kept
        };
        let refused = |refusal| io::Error::new(io::ErrorKind::InvalidData, format!("{refusal:?}"));
        let Some(head) = Head::parse(whole).map_err(refused)? else {
            self.pending = if before == 0 { bytes.to_vec() } else { kept };
            return Ok(&[]);
        };
        match head.body_bytes {
            Some(missing) if missing > 0 => {
                self.state = State::Body { received: 0, missing, close: head.close };
            }
            _ => {
                self.close_when_sent = head.close;
                self.send(Cow::Borrowed(answers.to(&head)))?;
            }
        }
        // The kept pieces held no whole head, so that this one ends inside `bytes`.
        Ok(&bytes[head.head_bytes - before..])
    }

    /// Writes an answer at once, and keeps what the socket does not take.
    fn send(&mut self, answer: Cow<'static, [u8]>) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.to_mut().extend_from_slice(&answer);
            return Ok(());
        }
        self.unsent = answer;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.unsent.len() {
            match self.stream.write(&self.unsent[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent = Cow::Borrowed(&[]);
        self.sent = 0;
        Ok(())
    }
}
