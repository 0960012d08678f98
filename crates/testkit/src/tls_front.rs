//! TLS before a server that has none: an origin that speaks HTTPS.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Takes TLS off connections, and has them go on to another address. Ends when dropped.
pub struct TlsFront {
    address: SocketAddr,
    runtime: Option<Runtime>,
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
        runtime.spawn(accept(listener, TlsAcceptor::from(tls), to));
        Self { address, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(
    listener: std::net::TcpListener,
    acceptor: TlsAcceptor,
    to: SocketAddr,
) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(carry(acceptor.clone(), stream, to));
    }
}

async fn carry(acceptor: TlsAcceptor, stream: TcpStream, to: SocketAddr) -> io::Result<()> {
    let mut inner = acceptor.accept(stream).await?;
    let mut outer = TcpStream::connect(to).await?;
    tokio::io::copy_bidirectional(&mut inner, &mut outer).await?;
    Ok(())
}
