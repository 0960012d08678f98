//! The least that any proxy does: passes bytes on from each client to an origin and back, and reads
//! no HTTP. What it takes is the kernel's part, which no proxy that receives and sends twice for each
//! request can go below. It stands for nothing that anyone should run.
//!
//! `bench-relay LISTEN ORIGIN...` gives each connection an origin, one after the other.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

const LISTENER: Token = Token(0);
const BACKLOG: i32 = 4096;
const SCRATCH_BYTES: usize = 256 << 10;

/// One direction's source, and what its sink has not taken.
struct Side {
    stream: TcpStream,
    other: Token,
    unsent: Vec<u8>,
}

struct Relay {
    poll: Poll,
    listener: TcpListener,
    origins: Vec<SocketAddr>,
    sides: HashMap<Token, Side>,
    next_token: usize,
    scratch: Vec<u8>,
}

impl Relay {
    fn bind(address: SocketAddr, origins: Vec<SocketAddr>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (sides, scratch) = (HashMap::new(), vec![0; SCRATCH_BYTES]);
        Ok(Self { poll, listener, origins, sides, next_token: 1, scratch })
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    token => self.advance(token),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((client, _)) => {
                    let origin =
                        TcpStream::connect(self.origins[self.next_token / 2 % self.origins.len()])?;
                    let (one, other) = (Token(self.next_token), Token(self.next_token + 1));
                    self.next_token += 2;
                    self.join(one, client, other)?;
                    self.join(other, origin, one)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn join(&mut self, token: Token, mut stream: TcpStream, other: Token) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, token, interest)?;
        self.sides.insert(token, Side { stream, other, unsent: Vec::new() });
        Ok(())
    }

    /// Passes on what there is in both directions of the pair that `token` belongs to.
    fn advance(&mut self, token: Token) {
        let Some(other) = self.sides.get(&token).map(|side| side.other) else { return };
        let passed =
            self.pass(token, other).and_then(|()| match self.sides[&token].unsent.is_empty() {
                true => Ok(()),
                false => self.pass(other, token),
            });
        if passed.is_err() {
            self.sides.remove(&token);
            self.sides.remove(&other);
        }
    }

    fn pass(&mut self, from: Token, to: Token) -> io::Result<()> {
        let [Some(source), Some(sink)] = self.sides.get_disjoint_mut([&from, &to]) else {
            return Err(ErrorKind::NotConnected.into());
        };
        loop {
            while !sink.unsent.is_empty() {
                match sink.stream.write(&sink.unsent) {
                    Ok(n) => drop(sink.unsent.drain(..n)),
                    Err(error) if waits(&error) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            let n = match source.stream.read(&mut self.scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if waits(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
            let taken = match sink.stream.write(&self.scratch[..n]) {
                Ok(taken) => taken,
                Err(error) if waits(&error) => 0,
                Err(error) => return Err(error),
            };
            sink.unsent.extend_from_slice(&self.scratch[taken..n]);
            // Less than there was room for: the socket is empty, and what comes is a new event.
            if n < self.scratch.len() && sink.unsent.is_empty() {
                return Ok(());
            }
        }
    }
}

/// An origin's connection may not be open yet.
fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addresses: Result<Vec<SocketAddr>, _> =
        std::env::args().skip(1).map(|address| address.parse()).collect();
    let addresses = addresses?;
    let [listen, origins @ ..] = &addresses[..] else {
        return Err("no address to listen on".into());
    };
    Relay::bind(*listen, origins.to_vec())?.serve()?;
    Ok(())
}
