//! A client of HTTP/1 that sends exactly the bytes it is given and reads answers strictly.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::DEADLINE;

/// An answer, read by its framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The head as it came, its empty line included.
    pub head: String,
    /// The body, without framing.
    pub body: Vec<u8>,
    /// The fields after a chunked body, as they came.
    pub trailers: String,
}

impl Response {
    /// The first value of the field `name`, in lower case.
    pub fn field<'a>(&'a self, name: &str) -> Option<&'a str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection.
pub struct RawClient {
    stream: Stream,
    inbox: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn as_io(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream,
        }
    }
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

impl RawClient {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(address: SocketAddr) -> Self {
        Self { stream: Stream::Plain(open(address)), inbox: Vec::new() }
    }

    /// Connects with TLS, asking for the server of this name. The handshake is done by what is
    /// sent first.
    ///
    /// # Panics
    /// When nobody listens there, or it is no name.
    pub fn connect_tls(address: SocketAddr, config: ClientConfig, name: &str) -> Self {
        Self::connect_tls_after(address, b"", config, name)
    }

    /// The same, after something that comes before TLS.
    ///
    /// # Panics
    /// When nobody listens there, or it is no name.
    pub fn connect_tls_after(
        address: SocketAddr,
        before: &[u8],
        config: ClientConfig,
        name: &str,
    ) -> Self {
        let mut socket = open(address);
        socket.write_all(before).expect("the connection is open");
        let name = name.to_owned().try_into().expect("it is a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("it can begin");
        let stream = StreamOwned::new(connection, socket);
        Self { stream: Stream::Tls(Box::new(stream)), inbox: Vec::new() }
    }

    /// The TLS connection.
    ///
    /// # Panics
    /// When it is none.
    pub fn tls(&self) -> &ClientConnection {
        match &self.stream {
            Stream::Tls(stream) => &stream.conn,
            Stream::Plain(_) => panic!("a connection on clear text"),
        }
    }

    /// Sends these bytes.
    ///
    /// # Panics
    /// When the connection is broken.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.as_io().write_all(bytes.as_ref()).expect("the connection is open");
        self
    }

    /// Sends these bytes, unless the other side has closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.as_io().write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a `GET` and reads its answer.
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n")).answer()
    }

    /// Leaves with a reset, as a client that crashes does.
    ///
    /// # Panics
    /// When the socket does not take that.
    pub fn reset(self) {
        let socket = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        };
        let socket = socket2::SockRef::from(socket);
        socket.set_linger(Some(std::time::Duration::ZERO)).expect("a socket takes it");
    }

    /// Ends our half of the connection.
    pub fn end(&mut self) -> &mut Self {
        let socket = match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush().expect("the connection is open");
                &mut stream.sock
            }
        };
        socket.shutdown(Shutdown::Write).expect("the connection is open");
        self
    }

    /// Reads an answer to anything but `HEAD`.
    ///
    /// # Panics
    /// When there is none, or it is not strictly as RFC 9112 has it.
    pub fn answer(&mut self) -> Response {
        self.try_answer().expect("an answer comes")
    }

    /// Reads what has come by now, at least a byte; nothing when the other side has closed.
    ///
    /// # Errors
    /// When the connection is reset.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.inbox.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.inbox))
    }

    /// Reads a head alone, as `HEAD` and 1xx have it.
    pub fn head(&mut self) -> Response {
        self.read_head().expect("a head comes")
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// When the connection ends before the answer does.
    pub fn try_answer(&mut self) -> io::Result<Response> {
        let mut answer = self.read_head()?;
        if answer.status < 200 || matches!(answer.status, 204 | 304) {
            return Ok(answer);
        }
        let length = answer.field("content-length").map(|text| text.parse().expect("a number"));
        match (length, answer.field("transfer-encoding")) {
            (Some(length), None) => answer.body = self.take(length)?,
            (None, Some("chunked")) => self.read_chunks(&mut answer)?,
            (None, None) => answer.body = self.read_to_end()?,
            framing => panic!("framed twice: {framing:?}"),
        }
        Ok(answer)
    }

    /// Whether the other side has closed, with nothing left to read.
    pub fn is_closed(&mut self) -> bool {
        self.inbox.is_empty() && matches!(self.fill(), Ok(0) | Err(_))
    }

    /// Reads what comes until the other side closes.
    ///
    /// # Errors
    /// When the connection is reset.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.inbox))
    }

    /// Reads exactly `length` bytes.
    ///
    /// # Errors
    /// When the connection ends before.
    pub fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.inbox.len() < length {
            self.fill_more()?;
        }
        Ok(self.inbox.drain(..length).collect())
    }

    fn read_head(&mut self) -> io::Result<Response> {
        let end = loop {
            match self.inbox.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.fill_more()?,
            }
        };
        let head: Vec<u8> = self.inbox.drain(..end).collect();
        let head = String::from_utf8(head).expect("a head is text");
        assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "bare CR or LF: {head:?}");
        let status = head.strip_prefix("HTTP/1.1 ").expect("a status line");
        let status = status[..3].parse().expect("three digits");
        Ok(Response { status, head, body: Vec::new(), trailers: String::new() })
    }

    fn read_chunks(&mut self, answer: &mut Response) -> io::Result<()> {
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).expect("a chunk's size");
            if size == 0 {
                break;
            }
            answer.body.extend(self.take(size)?);
            assert_eq!(self.take(2)?, b"\r\n", "a chunk ends with CRLF");
        }
        loop {
            match self.line()? {
                line if line.is_empty() => return Ok(()),
                line => answer.trailers.push_str(&(line + "\n")),
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            match self.inbox.windows(2).position(|window| window == b"\r\n") {
                Some(end) => {
                    let line = self.inbox.drain(..end + 2).take(end).collect();
                    return Ok(String::from_utf8(line).expect("a line is text"));
                }
                None => self.fill_more()?,
            }
        }
    }

    fn fill_more(&mut self) -> io::Result<()> {
        match self.fill()? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 64 * 1024];
        let n = self.stream.as_io().read(&mut bytes)?;
        self.inbox.extend_from_slice(&bytes[..n]);
        Ok(n)
    }
}

fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket takes a timeout");
    stream.set_nodelay(true).expect("a socket takes nodelay");
    stream
}
