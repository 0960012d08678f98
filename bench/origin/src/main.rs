//! The servers behind the proxies in a benchmark: two ports, one thread, as little work as can be,
//! since they share a core with the load generator. It must never be measured itself, and does
//! nothing that a benchmark does not ask for. The harness (`bench/run.py`) starts and stops it.
//!
//! It prints its two ports on one line and then serves until it is stopped. With `PORT` in its
//! environment it serves there alone, so that it can be deployed.

mod answer;
mod connection;
mod request;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::answer::Answers;
use crate::connection::{Connection, Fate};

/// Two, so that a proxy has something to balance.
const LISTENERS: usize = 2;
/// A proxy with a thousand clients connects a thousand times at once. What the usual 128 would not
/// hold is tried again only after a second, as long as a whole measurement may be.
const BACKLOG: i32 = 4096;
/// Holds a large body's usual piece.
const SCRATCH_BYTES: usize = 256 << 10;

/// The event loop's state.
struct Origin {
    poll: Poll,
    listeners: Vec<TcpListener>,
    connections: HashMap<Token, Connection>,
    next_token: usize,
    answers: Answers,
    scratch: Vec<u8>,
}

impl Origin {
    fn bind() -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listeners = Vec::with_capacity(LISTENERS);
        let ports = match std::env::var("PORT").ok().and_then(|port| port.parse().ok()) {
            Some(port) => vec![port],
            None => vec![0; LISTENERS],
        };
        for (index, port) in ports.into_iter().enumerate() {
            let mut listener = listen(port)?;
            poll.registry().register(&mut listener, Token(index), Interest::READABLE)?;
            listeners.push(listener);
        }
        Ok(Self {
            poll,
            listeners,
            connections: HashMap::new(),
            next_token: LISTENERS,
            answers: Answers::new(),
            scratch: vec![0; SCRATCH_BYTES],
        })
    }

    fn announce(&self) -> io::Result<()> {
        let mut ports = Vec::with_capacity(LISTENERS);
        for listener in &self.listeners {
            ports.push(listener.local_addr()?.port().to_string());
        }
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", ports.join(" "))?;
        stdout.flush()
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    Token(index) if index < LISTENERS => self.accept(index)?,
                    token => self.advance(token, event.is_read_closed()),
                }
            }
        }
    }

    fn accept(&mut self, index: usize) -> io::Result<()> {
        loop {
            match self.listeners[index].accept() {
                Ok((stream, _)) => self.welcome(stream)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let token = Token(self.next_token);
        self.next_token += 1;
        let mut connection = Connection::new(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(connection.stream(), token, interest)?;
        self.connections.insert(token, connection);
        Ok(())
    }

    fn advance(&mut self, token: Token, ended: bool) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if connection.advance(ended, &mut self.scratch, &self.answers) == Fate::Closed {
            self.connections.remove(&token);
        }
    }
}

/// At a free port, where that is 0.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn main() -> io::Result<()> {
    let mut origin = Origin::bind()?;
    origin.announce()?;
    origin.serve()
}
