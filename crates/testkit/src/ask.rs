//! One request over a connection of its own, by either protocol: what a client saw of its answer.

use std::net::SocketAddr;

use crate::{H2Client, RawClient, h2_client};

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2 by prior knowledge.
    H2,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::H1, Self::H2];
}

/// What a client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A whole answer: its status and body.
    Whole(u16, String),
    /// The connection or the stream ended before the answer did, visibly so.
    Cut,
}

impl Seen {
    /// Its status, where it is whole.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Whole(status, _) => Some(*status),
            Self::Cut => None,
        }
    }
}

/// Asks for `path` at `address`.
///
/// # Panics
/// When nobody listens there, or what comes is not strictly as the protocol has it.
pub fn ask(protocol: Protocol, address: SocketAddr, method: &str, path: &str) -> Seen {
    match protocol {
        Protocol::H1 => ask_h1(address, method, path),
        Protocol::H2 => {
            let client = H2Client::connect(address);
            let answer = client.ask(h2_client::request(method, path), b"", None);
            match answer.cut {
                None => Seen::Whole(answer.status, answer.text()),
                Some(_) => Seen::Cut,
            }
        }
    }
}

fn ask_h1(address: SocketAddr, method: &str, path: &str) -> Seen {
    let mut client = RawClient::connect(address);
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: example.com\r\n\r\n"));
    loop {
        let answer = match method {
            "HEAD" => Ok(client.head()),
            _ => client.try_answer(),
        };
        match answer {
            Ok(answer) if answer.status < 200 => {}
            Ok(answer) => return Seen::Whole(answer.status, answer.text()),
            Err(_) => return Seen::Cut,
        }
    }
}
