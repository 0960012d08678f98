//! A client that sends HTTP/2 frame by frame, whether they are allowed or not.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::DEADLINE;

/// Kinds of frames (RFC 9113 §6).
pub mod kind {
    #![allow(missing_docs, reason = "they are named as in the RFC")]
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const CONTINUATION: u8 = 0x9;
}

/// The flag that ends a stream.
pub const END_STREAM: u8 = 0x1;
/// The flag that ends a head.
pub const END_HEADERS: u8 = 0x4;

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// The stream it belongs to, 0 for the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of a GOAWAY or RST_STREAM.
    pub fn reason(&self) -> Option<u32> {
        let code = match self.kind {
            kind::GOAWAY => self.payload.get(4..8)?,
            kind::RST_STREAM => self.payload.get(..4)?,
            _ => return None,
        };
        Some(u32::from_be_bytes(code.try_into().ok()?))
    }
}

/// One connection, whose preface and settings were sent.
pub struct FrameClient {
    stream: TcpStream,
}

impl FrameClient {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(address: SocketAddr) -> Self {
        Self::connect_after(address, b"")
    }

    /// The same, after something that comes before HTTP.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect_after(address: SocketAddr, before: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket takes a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a socket takes a timeout");
        stream.write_all(before).expect("the connection is open");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the connection is open");
        let mut client = Self { stream };
        client.send(kind::SETTINGS, 0, 0, &[]);
        client
    }

    /// Sends a frame. Says whether the other side still takes any.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.stream.write_all(&frame(kind, flags, stream, payload)).is_ok()
    }

    /// Sends a head of these fields, pseudo ones among them, none of them compressed.
    pub fn send_head(&mut self, flags: u8, stream: u32, fields: &[(&str, &str)]) -> bool {
        self.send(kind::HEADERS, flags | END_HEADERS, stream, &block(fields))
    }

    /// The next frame, unless the connection ends before it.
    ///
    /// # Errors
    /// When it does.
    pub fn next_frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// The next frame that is of use to a test: one of this kind.
    ///
    /// # Errors
    /// When the connection ends before it.
    pub fn next_of(&mut self, kind: u8) -> io::Result<Frame> {
        loop {
            let frame = self.next_frame()?;
            if frame.kind == kind {
                return Ok(frame);
            }
        }
    }
}

/// A frame as it is written.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame's length has 24 bits");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Fields as HPACK writes them without any table (RFC 7541 §6.2.2).
///
/// # Panics
/// When a name or value has 127 bytes or more.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "its length would need another form");
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}
