//! One instance as one worker knows it: what is observed of it, and the connections to it that
//! this worker keeps.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use balance::latency::PeakEwma;
use bytes::Bytes;
use h2::client::SendRequest;
use model::UpstreamProtocol;
use tokio::net::TcpStream;
use wire::buffer::Pool;
use wire::socket::Socket;

use crate::lasting::Register;
use crate::live::Live;
use crate::open::Open;
use crate::upstream::{H1, Upstream};

/// Idle connections to one instance that one worker keeps at the most.
const IDLE_MAX: usize = 512;
/// What one stream, and all streams of a connection together, may receive ahead of the client.
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// One instance as one worker knows it.
pub(crate) struct Member {
    pub(crate) live: Arc<Live>,
    /// How long its answers take, as this worker sees it.
    pub(crate) smoothed: Cell<PeakEwma>,
    /// When each claim that is open began, in the time of the worker's wheel.
    open: RefCell<slab::Slab<Duration>>,
    /// Those of them that may last.
    pub(crate) lasting: Rc<Register>,
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Option<SendRequest<Bytes>>>,
    pool: Pool,
}

struct Idle {
    upstream: Box<H1>,
    /// Until when it may be used, in the time of the worker's wheel.
    until: Duration,
}

impl Member {
    pub(crate) fn new(live: Arc<Live>, pool: Pool) -> Self {
        Self {
            live,
            smoothed: Cell::default(),
            open: RefCell::default(),
            lasting: Rc::default(),
            idle: RefCell::default(),
            shared: RefCell::default(),
            pool,
        }
    }

    /// A claim begins; [`Member::left`] wants the key back when it ends.
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

    /// A kept connection that is still open, the one that was used last.
    pub(crate) async fn reuse(
        &self,
        protocol: UpstreamProtocol,
        now: Duration,
    ) -> Option<Upstream> {
        if protocol == UpstreamProtocol::H2 {
            let sender = self.shared.borrow().clone()?;
            return match sender.ready().await {
                Ok(sender) => Some(Upstream::h2(sender, &self.pool)),
                Err(_) => {
                    self.shared.take();
                    None
                }
            };
        }
        loop {
            let Idle { upstream, until } = self.idle.borrow_mut().pop()?;
            if now < until && upstream.conn.is_quiet() {
                return Some(Upstream::H1(upstream));
            }
        }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self, protocol: UpstreamProtocol) -> std::io::Result<Upstream> {
        let socket = open(self.live.address).await?;
        match protocol {
            UpstreamProtocol::H1 => Ok(Upstream::over_h1(socket, &self.pool)),
            UpstreamProtocol::H2 => self.connect_h2(socket).await,
        }
    }

    async fn connect_h2(&self, socket: Socket) -> std::io::Result<Upstream> {
        let (sender, connection) = begin_h2(socket).await?;
        // Ends by itself when the last stream and the last sender are gone, or the peer closes.
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to an instance ended");
            }
        });
        let sender = sender.ready().await.map_err(std::io::Error::other)?;
        *self.shared.borrow_mut() = Some(sender.clone());
        Ok(Upstream::h2(sender, &self.pool))
    }

    /// Keeps the connection of an exchange that came to its end, for requests that come `until` then.
    pub(crate) fn keep(&self, mut upstream: Box<H1>, until: Duration) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_MAX {
            upstream.reused = true;
            idle.push(Idle { upstream, until });
        }
    }

    /// Closes what was idle for too long, or was closed by the instance.
    pub(crate) fn sweep(&self, now: Duration) {
        self.idle.borrow_mut().retain(|idle| now < idle.until && idle.upstream.conn.is_quiet());
    }
}

/// Begins HTTP/2 over `socket`. The connection is to be driven.
pub(crate) async fn begin_h2(
    socket: Socket,
) -> std::io::Result<(SendRequest<Bytes>, h2::client::Connection<Socket, Bytes>)> {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .enable_push(false);
    builder.handshake(socket).await.map_err(std::io::Error::other)
}

/// Opens a connection.
pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(Socket::new(socket))
}
