//! Accepts on the socket and on TCP, there with TLS where that is wanted, and serves the API there until it is stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use http::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use model::Scheme;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::doorway::Doorway;
use crate::guard::Caller;
use crate::seats::Seats;
use crate::{Guard, SocketClaim};

/// How long a client may take for a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests that are under way may take once the server is stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the API could not be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The socket could not be used.
    #[error("cannot serve the admin API on its socket")]
    Socket(#[source] io::Error),
    /// The address could not be bound.
    #[error("cannot listen on {address} (`admin.bind`)")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// The API being served. Dropping it ends it at once.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
    bound: Option<Bound>,
}

/// Where it listens on TCP.
#[derive(Clone, Copy, Debug)]
struct Bound {
    address: SocketAddr,
    scheme: Scheme,
}

/// Serves `router` on the socket of `claim`, which goes when the server does.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(claim: SocketClaim, router: Router) -> Result<Server, BindError> {
    let doorway = Doorway::new(claim).map_err(BindError::Socket)?;
    Ok(Server::of(doorway, router, None, None))
}

/// How TLS is spoken, and each time that this changes; `None` while no client can be shown a certificate.
pub type TlsConfigs = watch::Receiver<Option<Arc<ServerConfig>>>;

/// Where clients on TCP come in.
#[derive(Clone, Debug)]
pub struct TcpDoor {
    /// The address.
    pub address: SocketAddr,
    /// Who may ask.
    pub guard: Guard,
    /// How TLS is spoken; in the clear where it is not.
    pub tls: Option<TlsConfigs>,
}

/// Serves `router` on TCP, where `door` is.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve_tcp(door: TcpDoor, router: Router) -> Result<Server, BindError> {
    let TcpDoor { address, guard, tls } = door;
    let fault = |source| BindError::Tcp { address, source };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let bound = listener.local_addr().map_err(fault)?;
    let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
    Ok(Server::of(listener, guard.before(router), tls, Some(Bound { address: bound, scheme })))
}

impl Server {
    fn of<L: Listener<Addr: Origin>>(
        listener: L,
        router: Router,
        tls: Option<TlsConfigs>,
        bound: Option<Bound>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, Room { router, tls, stopped }));
        Self { stop, task: Some(task), bound }
    }

    /// Where it listens on TCP.
    pub fn address(&self) -> Option<SocketAddr> {
        self.bound.map(|it| it.address)
    }

    /// The same, as clients ask it.
    pub fn url(&self) -> Option<String> {
        self.bound.map(|Bound { address, scheme }| format!("{}://{address}", scheme.as_str()))
    }

    /// Accepts nothing more, and gives what is under way a second.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take() {
            // A task that panicked has ended, too.
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Where a connection comes from.
pub(crate) trait Origin: Send + 'static {
    /// What its requests are known by.
    fn caller(&self) -> Caller;
}

impl Origin for SocketAddr {
    fn caller(&self) -> Caller {
        Caller { address: Some(self.ip().to_canonical()), ..Caller::default() }
    }
}

/// What each connection is given.
#[derive(Clone)]
struct Room {
    router: Router,
    tls: Option<TlsConfigs>,
    stopped: watch::Receiver<bool>,
}

async fn accept<L: Listener<Addr: Origin>>(mut listener: L, room: Room) {
    let mut stopped = room.stopped.clone();
    let mut seats = Seats::default();
    loop {
        tokio::select! {
            (io, address) = listener.accept(), if seats.has_room() => {
                let caller = address.caller();
                let connection = welcome(io, room.clone(), caller.clone());
                seats.take(caller, connection);
            }
            () = seats.one_is_free(), if seats.is_taken() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    // What takes longer is cut off.
    let _ = tokio::time::timeout(STOP_TIMEOUT, seats.all_are_free()).await;
}

/// Speaks TLS first, where that is spoken. Nobody else waits for a handshake.
async fn welcome<Io>(io: Io, room: Room, caller: Caller)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(tls) = room.tls.clone() else { return converse(io, room, caller).await };
    let config = tls.borrow().clone();
    let Some(config) = config else { return };
    let handshake = TlsAcceptor::from(config).accept(io);
    match tokio::time::timeout(HEAD_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => converse(stream, room, caller).await,
        Ok(Err(error)) => tracing::debug!(%error, "admin connection failed: no TLS"),
        Err(_) => tracing::debug!("admin connection failed: no TLS in time"),
    }
}

async fn converse<Io>(io: Io, room: Room, caller: Caller)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Room { router, mut stopped, .. } = room;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<_>| {
        request.extensions_mut().insert(caller.clone());
        hyper::service::Service::call(&router, request)
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection failed");
    }
}
