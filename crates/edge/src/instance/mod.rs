//! One instance as one worker knows it: what is observed of it, and the connections to it that
//! this worker keeps.

pub(crate) mod long_lived;
pub(crate) mod open;
pub(crate) mod tls;
pub(crate) mod trunk;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use balance::latency::PeakEwma;
use h2::client::SendRequest;
use model::{Generation, Scheme, UpstreamProtocol};
use tokio::net::TcpStream;
use wire::account::{Account, Charge};
use wire::buffer::Pool;
use wire::h1::Conn;
use wire::h2::Payload;
use wire::socket::Socket;
use wire::stream::Stream;

use crate::descriptors::Slot;
use crate::instance::long_lived::LongLivedRegistry;
use crate::instance::open::Open;
use crate::instance::tls::{ServiceTlsPlan, Sessions, Unconnected, late_refusal};
use crate::instance::trunk::{LANES_MAX, Lane, Opening, Trunks};
use crate::live::Live;

/// Idle connections to one instance that one worker keeps at the most.
const IDLE_MAX: usize = 512;
/// What one stream may receive ahead of its client.
const H2_STREAM_WINDOW: u32 = 64 * 1024;
/// What all streams of a connection together may: so much that clients who stand still, however many,
/// never close it to the others.
const H2_CONNECTION_WINDOW: u32 = LANES_MAX as u32 * H2_STREAM_WINDOW;

/// What of one stream's body may wait to be written.
const H2_SEND_BYTES: usize = 64 * 1024;

/// One instance as one worker knows it.
pub(crate) struct WorkerInstance {
    pub(crate) live: Arc<Live>,
    /// How long its responses take, as this worker sees it.
    pub(crate) smoothed: Cell<PeakEwma>,
    /// When each claim that is open began, in the time of the worker's wheel.
    open: RefCell<slab::Slab<Duration>>,
    /// Those of them that may last.
    pub(crate) lasting: Rc<LongLivedRegistry>,
    idle: RefCell<Vec<Idle>>,
    /// Connections of HTTP/2, which requests share.
    pub(crate) trunks: Rc<Trunks>,
    /// The generation whose way it is reached by now: connections that were opened by another are not used again.
    way: Cell<Generation>,
    sessions: Sessions,
    pool: Pool,
}

/// How the instances of a service are reached.
#[derive(Clone)]
pub(crate) struct Way {
    /// The generation that changed to it: it tells this way from others.
    pub(crate) since: Generation,
    /// How TLS is spoken with them; `None` for clear text.
    pub(crate) tls: Option<Arc<ServiceTlsPlan>>,
}

impl Way {
    pub(crate) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }
}

/// A connection that is to be opened.
pub(crate) enum NewConnection {
    /// For one attempt alone.
    H1,
    /// For all that ask.
    Shared(Opening),
}

/// A connection that an attempt is made over.
pub(crate) enum Link {
    /// One of HTTP/1, for this attempt alone.
    H1(Box<H1>),
    /// One of HTTP/2 that takes one more stream, and that others use too.
    H2 { sender: SendRequest<Payload>, place: Place, scheme: Scheme, pool: Pool },
}

pub(crate) struct H1 {
    pub(crate) conn: Conn,
    /// Whether an exchange ended on it before.
    pub(crate) reused: bool,
    /// By the way of which generation it was opened.
    way: Generation,
    /// Its descriptor, where it is counted among those of exchanges.
    pub(crate) _slot: Option<Slot>,
}

impl H1 {
    /// A new connection, opened by the way of generation `way`.
    pub(crate) fn new(stream: Stream, way: Generation, slot: Option<Slot>, pool: &Pool) -> Self {
        let conn = Conn::new(stream, pool.clone());
        Self { conn, reused: false, way, _slot: slot }
    }
}

/// What an exchange has of a shared connection.
pub(crate) struct Place {
    pub(crate) _lane: Lane,
    /// What the instance may send ahead of the client.
    pub(crate) _held: Charge,
}

struct Idle {
    upstream: Box<H1>,
    /// Until when it may be used, in the time of the worker's wheel.
    until: Duration,
}

impl WorkerInstance {
    pub(crate) fn new(live: Arc<Live>, pool: Pool) -> Self {
        Self {
            live,
            smoothed: Cell::default(),
            open: RefCell::default(),
            lasting: Rc::default(),
            idle: RefCell::default(),
            trunks: Rc::default(),
            way: Cell::default(),
            sessions: Sessions::default(),
            pool,
        }
    }

    /// A claim begins; [`WorkerInstance::left`] wants the key back when it ends.
    #[inline]
    pub(crate) fn entered(&self, now: Duration) -> u32 {
        self.open.borrow_mut().insert(now) as u32
    }

    /// A claim has ended.
    #[inline]
    pub(crate) fn left(&self, key: u32) {
        self.open.borrow_mut().remove(key as usize);
    }

    /// What is open, if anything is. Looks at all of it.
    pub(crate) fn open(&self, now: Duration) -> Option<Open> {
        let claims = self.open.borrow();
        let oldest = claims.iter().map(|(_, began)| *began).min()?;
        let lasting = self.lasting.count();
        let requests = (claims.len() as u32).saturating_sub(lasting.total());
        Some(Open { oldest: now.saturating_sub(oldest), requests, ..lasting })
    }

    /// A kept connection of HTTP/1 that is still open, the one that was used last.
    pub(crate) fn reuse(&self, now: Duration) -> Option<Box<H1>> {
        loop {
            let Idle { mut upstream, until } = self.idle.borrow_mut().pop()?;
            if now < until && upstream.conn.is_quiet() {
                return Some(upstream);
            }
        }
    }

    /// It is reached by the way of generation `way` from now on: what was opened by another is closed, once it is not in use any more.
    pub(crate) fn reach_by(&self, way: Generation) {
        if self.way.replace(way) != way {
            self.let_go();
            self.trunks.let_go();
        }
    }

    /// Opens a connection of HTTP/1, or a shared one, with a descriptor that was set aside for it.
    pub(crate) async fn connect(
        &self,
        kind: NewConnection,
        way: &Way,
        slot: Slot,
        account: &Account,
    ) -> Result<Link, Unconnected> {
        let protocol = match kind {
            NewConnection::H1 => UpstreamProtocol::H1,
            NewConnection::Shared(_) => UpstreamProtocol::H2,
        };
        let socket = open(self.live.address).await?;
        let stream = match &way.tls {
            None => Stream::Plain(socket),
            Some(plan) => {
                let tls = self.sessions.toward(plan, &self.live.host);
                Box::pin(tls.begin(socket, protocol)).await?
            }
        };
        match kind {
            NewConnection::H1 => {
                Ok(Link::H1(Box::new(H1::new(stream, way.since, Some(slot), &self.pool))))
            }
            NewConnection::Shared(opening) => {
                let (sender, lane) = self.connect_h2(stream, opening, way, slot).await?;
                Ok(self.over(sender, lane, way.scheme(), account))
            }
        }
    }

    /// An attempt over a shared connection that takes one more stream. What the instance may send
    /// ahead of a client that stands still is held for that client.
    pub(crate) fn over(
        &self,
        sender: SendRequest<Payload>,
        lane: Lane,
        scheme: Scheme,
        account: &Account,
    ) -> Link {
        let place = Place { _lane: lane, _held: account.hold(H2_STREAM_WINDOW as usize) };
        Link::H2 { sender, place, scheme, pool: self.pool.clone() }
    }

    async fn connect_h2(
        &self,
        stream: Stream,
        opening: Opening,
        way: &Way,
        slot: Slot,
    ) -> Result<(SendRequest<Payload>, Lane), Unconnected> {
        let (sender, connection) = begin_h2(stream).await?;
        // Ends by itself when the last stream and the last sender are gone, or the peer closes.
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to an instance ended");
            }
            drop(slot);
        });
        let sender = sender.ready().await.map_err(io::Error::other)?;
        // The way may have changed since the request was given this instance.
        match way.since == self.way.get() {
            true => Ok(opening.opened(sender)),
            false => Ok(opening.opened_for_one(sender)),
        }
    }

    /// Keeps the connection of an exchange that came to its end, for requests that come `until` then.
    pub(crate) fn keep(&self, mut upstream: Box<H1>, until: Duration) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_MAX && upstream.way == self.way.get() {
            upstream.reused = true;
            idle.push(Idle { upstream, until });
        }
    }

    /// Closes all that is idle, for their descriptors.
    pub(crate) fn let_go(&self) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        drop(idle);
    }

    /// Closes what was idle for too long, or was closed by the instance.
    pub(crate) fn sweep(&self, now: Duration) {
        self.trunks.sweep();
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|idle| now < idle.until && idle.upstream.conn.is_quiet());
    }
}

/// Begins HTTP/2 over `stream`, as far as that the instance has said how many streams it takes. The
/// connection is to be driven.
pub(crate) async fn begin_h2(
    stream: Stream,
) -> Result<(SendRequest<Payload>, h2::client::Connection<Stream, Payload>), Unconnected> {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buffer_size(H2_SEND_BYTES)
        .initial_max_send_streams(0)
        .enable_push(false);
    let (sender, mut connection) =
        builder.handshake::<_, Payload>(stream).await.map_err(not_begun)?;
    poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
        Poll::Ready(Ok(())) => {
            Poll::Ready(Err(io::Error::from(ErrorKind::ConnectionAborted).into()))
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(not_begun(error))),
        Poll::Pending if sender.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await?;
    Ok((sender, connection))
}

/// HTTP/2 did not begin; over TLS perhaps since the instance does not let us in.
fn not_begun(error: h2::Error) -> Unconnected {
    match error.get_io().and_then(late_refusal) {
        Some(fault) => Unconnected::Tls(fault),
        None => io::Error::other(error).into(),
    }
}

/// Opens a connection.
pub(crate) async fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(Socket::new(socket))
}
