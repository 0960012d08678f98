//! TLS before a server that has none: an origin that speaks HTTPS.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::{HandshakeKind, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Takes TLS off connections, and has them go on to another address. Ends when dropped.
pub struct TlsFront {
    address: SocketAddr,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
    runtime: Option<Runtime>,
}

/// A handshake that came to its end, as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The host that was asked for.
    pub server_name: Option<String>,
    /// Whether an earlier session was taken up again.
    pub is_resumed: bool,
    /// Whether the client showed a certificate.
    pub has_certificate: bool,
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        // Not waited for: a test may drop it within a runtime of its own.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl TlsFront {
    /// One before `to`, at a free port of loopback.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub fn start(tls: Arc<ServerConfig>, to: SocketAddr) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), tls, to)
    }

    /// One at this address.
    ///
    /// # Panics
    /// When it is taken.
    pub fn at(at: SocketAddr, tls: Arc<ServerConfig>, to: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind(at).expect("the address is free");
        listener.set_nonblocking(true).expect("a socket need not block");
        let address = listener.local_addr().expect("it is bound");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let handshakes = Arc::<Mutex<_>>::default();
        let front = Front { acceptor: TlsAcceptor::from(tls), to, handshakes: handshakes.clone() };
        runtime.spawn(accept(listener, front));
        Self { address, handshakes, runtime: Some(runtime) }
    }

    /// The handshakes that came to their end, in their order.
    pub fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What each connection needs.
#[derive(Clone)]
struct Front {
    acceptor: TlsAcceptor,
    to: SocketAddr,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
}

async fn accept(listener: std::net::TcpListener, front: Front) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(carry(front.clone(), stream));
    }
}

async fn carry(front: Front, stream: TcpStream) -> io::Result<()> {
    let mut inner = front.acceptor.accept(stream).await?;
    let session = inner.get_ref().1;
    let handshake = Handshake {
        server_name: session.server_name().map(str::to_owned),
        is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        has_certificate: session.peer_certificates().is_some(),
    };
    front.handshakes.lock().unwrap_or_else(PoisonError::into_inner).push(handshake);
    let mut outer = TcpStream::connect(front.to).await?;
    tokio::io::copy_bidirectional(&mut inner, &mut outer).await?;
    Ok(())
}
