//! A server of HTTP/1.1 that answers each request with the steps that a test gives it, and keeps a
//! journal of what it was asked.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::DEADLINE;

/// A request as an origin read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// The head as it came, its empty line included.
    pub head: String,
    /// The body, without framing.
    pub body: Vec<u8>,
    /// The fields after a chunked body, a line each.
    pub trailers: String,
    /// Which of the origin's connections it came by, from 0.
    pub connection: usize,
}

impl Request {
    /// Every value of the field `name`, in lower case.
    pub fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let named = fields.filter(move |(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim())
    }

    /// The only value of the field `name`, in lower case.
    ///
    /// # Panics
    /// When there are several.
    pub fn field<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let values: Vec<&str> = self.fields(name).collect();
        assert!(values.len() <= 1, "{name}: {values:?}");
        values.first().copied()
    }

    /// Asserts that each of these fields, named in lower case, is there once, with this value.
    ///
    /// # Panics
    /// When one is not.
    #[track_caller]
    pub fn has(&self, wanted: &[(&str, &str)]) {
        for (name, value) in wanted {
            assert_eq!(self.field(name), Some(*value), "{name} in {}", self.head);
        }
    }
}

/// What an origin does to answer.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends that many bytes of any kind, as fast as they are taken.
    Pour(usize),
    /// Waits this long.
    Wait(Duration),
    /// Sends back what comes until the client ends its half, then goes on.
    Echo,
    /// Ends its half of the connection, and goes on.
    EndHalf,
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
}

impl Step {
    /// Sends `text`.
    pub fn send(text: impl Into<Vec<u8>>) -> Self {
        Self::Send(text.into())
    }

    /// Sends a whole answer with this status and body.
    pub fn answer(status: u16, body: &str) -> Self {
        let length = body.len();
        Self::send(format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}"))
    }
}

type Script = dyn Fn(&Request) -> Vec<Step> + Send + Sync;

/// A running origin. Ends when dropped.
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    journal: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    poured: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

impl Origin {
    /// Answers every request as `script` says. Whether a body is read is for the script's head to
    /// know: one that begins with `/unread` is not.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub fn start(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        Self::on(listener, script)
    }

    /// The same at an address where another one was.
    ///
    /// # Panics
    /// When that does not become free.
    pub fn at(
        address: SocketAddr,
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let mut listener = None;
        crate::eventually("its predecessor has left", || {
            listener = TcpListener::bind(address).ok();
            listener.is_some()
        });
        Self::on(listener.expect("it was bound"), script)
    }

    /// The same over IPv6.
    ///
    /// # Panics
    /// When loopback has no free port, or no IPv6.
    pub fn on_ipv6(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("[::1]:0").expect("loopback has a free port"), script)
    }

    fn on(
        listener: TcpListener,
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            script: Box::new(script),
            journal: Mutex::default(),
            connections: AtomicUsize::new(0),
            poured: AtomicUsize::new(0),
            open: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let for_thread = shared.clone();
        std::thread::spawn(move || accept(&listener, &for_thread));
        Self { address, shared }
    }

    /// One that answers everything with 200 and `name`.
    pub fn polite(name: &'static str) -> Self {
        Self::start(move |_| vec![Step::answer(200, name)])
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked so far.
    pub fn journal(&self) -> Vec<Request> {
        lock(&self.shared.journal).clone()
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many bytes it has poured out ([`Step::Pour`]) and got rid of.
    pub fn poured(&self) -> usize {
        self.shared.poured.load(Ordering::SeqCst)
    }

    /// Closes every connection that is open, and accepts on.
    pub fn close_connections(&self) {
        for stream in lock(&self.shared.open).drain(..) {
            // One that is closed already needs no closing.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.close_connections();
        // Wakes the accepting thread, so that it sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

/// An address at which a connection is neither taken nor refused, as long as this is there.
pub struct FullQueue {
    address: SocketAddr,
    _listener: Socket,
    _fillers: Vec<TcpStream>,
}

impl Default for FullQueue {
    fn default() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&anywhere.into()).expect("loopback has a free port");
        listener.listen(0).expect("it listens");
        let address = listener.local_addr().expect("it is bound").as_socket().expect("over IP");
        // They fill its queue, so that the kernel drops what comes next.
        let wait = Duration::from_millis(100);
        let fillers = (0..4).map_while(|_| TcpStream::connect_timeout(&address, wait).ok());
        Self { address, _fillers: fillers.collect(), _listener: listener }
    }
}

impl FullQueue {
    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// An address at which nobody listens.
pub fn refusing_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        lock(&shared.open).extend(stream.try_clone());
        let shared = shared.clone();
        // A client that goes away ends its connection, and nothing else.
        std::thread::spawn(move || drop(serve(stream, number, &shared)));
    }
}

fn serve(mut stream: TcpStream, number: usize, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE * 6))?;
    let mut inbox = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut inbox, number)? {
        lock(&shared.journal).push(request.clone());
        for step in (shared.script)(&request) {
            match step {
                Step::Send(bytes) => stream.write_all(&bytes)?,
                Step::Pour(bytes) => pour(&mut stream, bytes, &shared.poured)?,
                Step::EndHalf => stream.shutdown(Shutdown::Write)?,
                Step::Wait(time) => std::thread::sleep(time),
                Step::Echo => echo(&mut stream, &mut inbox)?,
                Step::Close => return stream.shutdown(Shutdown::Both),
                Step::Reset => return reset(&stream, shared),
            }
        }
    }
    Ok(())
}

/// Closes so that the other side sees a reset rather than an end, once `stream` is dropped.
fn reset(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let peer = stream.peer_addr()?;
    lock(&shared.open).retain(|other| other.peer_addr().ok() != Some(peer));
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

fn pour(stream: &mut TcpStream, bytes: usize, poured: &AtomicUsize) -> io::Result<()> {
    let piece = [b'x'; 16 * 1024];
    let mut left = bytes;
    while left > 0 {
        let n = stream.write(&piece[..left.min(piece.len())])?;
        poured.fetch_add(n, Ordering::SeqCst);
        left -= n;
    }
    Ok(())
}

fn echo(stream: &mut TcpStream, inbox: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(inbox)?;
    inbox.clear();
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes)? {
            0 => return Ok(()),
            n => stream.write_all(&bytes[..n])?,
        }
    }
}

fn read_request(
    stream: &mut TcpStream,
    inbox: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(end) = inbox.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if fill(stream, inbox)? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&inbox[..end]).into_owned();
    inbox.drain(..end);
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let (body, trailers) = (Vec::new(), String::new());
    let mut request = Request { method, target, head, body, trailers, connection };
    if !request.target.starts_with("/unread") {
        read_body(stream, inbox, &mut request)?;
    }
    Ok(Some(request))
}

fn read_body(stream: &mut TcpStream, inbox: &mut Vec<u8>, request: &mut Request) -> io::Result<()> {
    if request.fields("transfer-encoding").any(|coding| coding == "chunked") {
        return read_chunks(stream, inbox, request);
    }
    let length = request.fields("content-length").next().and_then(|text| text.parse().ok());
    request.body = take(stream, inbox, length.unwrap_or(0))?;
    Ok(())
}

fn read_chunks(
    stream: &mut TcpStream,
    inbox: &mut Vec<u8>,
    request: &mut Request,
) -> io::Result<()> {
    loop {
        let line = take_line(stream, inbox)?;
        let size = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
        if size == 0 {
            loop {
                match take_line(stream, inbox)? {
                    line if line.is_empty() => return Ok(()),
                    line => request.trailers += &(line + "\n"),
                }
            }
        }
        request.body.extend(take(stream, inbox, size)?);
        take(stream, inbox, 2)?;
    }
}

fn take_line(stream: &mut TcpStream, inbox: &mut Vec<u8>) -> io::Result<String> {
    loop {
        if let Some(end) = inbox.windows(2).position(|window| window == b"\r\n") {
            let line = inbox.drain(..end + 2).take(end).collect();
            return String::from_utf8(line).map_err(io::Error::other);
        }
        if fill(stream, inbox)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn take(stream: &mut TcpStream, inbox: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    while inbox.len() < length {
        if fill(stream, inbox)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(inbox.drain(..length).collect())
}

fn fill(stream: &mut TcpStream, inbox: &mut Vec<u8>) -> io::Result<usize> {
    let mut bytes = [0; 16 * 1024];
    let n = stream.read(&mut bytes)?;
    inbox.extend_from_slice(&bytes[..n]);
    Ok(n)
}
