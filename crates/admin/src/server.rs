//! Accepts on the socket and on TCP, and serves the API there until it is stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::{Claim, Guard};

/// Connections that are served at once, for each listener; more wait.
const CONNECTIONS_MAX: usize = 256;

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
    address: Option<SocketAddr>,
    /// Held so that the socket goes when the server does.
    _claim: Option<Claim>,
}

/// Serves `router` on the socket of `claim`.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(claim: Claim, router: Router) -> Result<Server, BindError> {
    let listener = claim.listener().map_err(BindError::Socket)?;
    Ok(Server::of(listener, router, None, Some(claim)))
}

/// Serves `router` on TCP at `address`, behind `guard`.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve_tcp(
    address: SocketAddr,
    guard: Guard,
    router: Router,
) -> Result<Server, BindError> {
    let fault = |source| BindError::Tcp { address, source };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let bound = listener.local_addr().map_err(fault)?;
    Ok(Server::of(listener, guard.before(router), Some(bound), None))
}

impl Server {
    fn of(
        listener: impl Listener,
        router: Router,
        address: Option<SocketAddr>,
        claim: Option<Claim>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, router, stopped));
        Self { stop, task: Some(task), address, _claim: claim }
    }

    /// Where it listens on TCP.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
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

async fn accept<L: Listener>(mut listener: L, router: Router, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await.0)
        };
        let (place, io) = tokio::select! {
            next = next => next,
            _ = stopped.changed() => break,
        };
        let connection = converse(io, router.clone(), stopped.clone());
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // Dropping the set cuts off what takes longer.
    let _ = tokio::time::timeout(STOP_TIMEOUT, all).await;
}

async fn converse<Io>(io: Io, router: Router, mut stopped: watch::Receiver<bool>)
where
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let service = TowerToHyperService::new(router);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection broke");
    }
}
