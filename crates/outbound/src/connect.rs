//! A connection to a server: its name is resolved, its addresses are checked, and the ones that may be asked are tried in their order.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use model::{Host, Scheme, Url};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::client::Client;
use crate::exchange::Deadline;
use crate::fault::{Fault, Stage};
use crate::request::Request;
use crate::standing::Standing;
use crate::trust::Trust;

/// So many addresses of a name are tried.
const TRIED_MAX: usize = 8;

/// Looks names up.
pub trait Names: Send + Sync {
    /// The addresses of `name`, in the order in which they are tried; never empty.
    fn addresses<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>>>;
}

/// What bytes go over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A server that is connected to.
pub(crate) struct Connected {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) standing: Standing,
}

impl Client {
    /// Connects to the server of `url`, which an operator wrote, with TLS where it says so: for those who speak HTTP/1.1 over it
    /// themselves. All of it takes no longer than `within`.
    ///
    /// # Errors
    /// When there is no connection, each by its [`Fault`].
    pub async fn open(
        &self,
        url: &Url,
        trust: &Trust,
        within: Duration,
    ) -> Result<Box<dyn Stream>, Fault> {
        let mut request = Request::get(url.clone(), within, 0);
        request.trust = trust.clone();
        Ok(self.connect(&request, Deadline::after(within)).await?.stream)
    }

    /// Connects to the server of `request`, with TLS where its URL says so.
    pub(crate) async fn connect(
        &self,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Connected, Fault> {
        let url = &request.url;
        let addresses = deadline.of(Stage::Name, self.addresses(url)).await??;
        let addresses = self.far_enough(&addresses, request)?;
        let (stream, address) = connect_any(&addresses, deadline).await?;
        let standing = (self.standing)(address.ip());
        if url.scheme == Scheme::Http {
            return Ok(Connected { stream: Box::new(stream), standing });
        }
        let config = deadline.of(Stage::Tls, self.system.config(&request.trust)).await??;
        let stream = deadline.of(Stage::Tls, speak_tls(stream, config, &url.host)).await??;
        Ok(Connected { stream, standing })
    }

    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, Fault> {
        let found = match &url.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let found = self.names.addresses(name).await;
                found.map_err(|source| Fault::Name { name: name.clone(), source })?
            }
        };
        let port = url.port;
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// Those of `addresses` that `request` may go to.
    ///
    /// # Errors
    /// When there is none.
    fn far_enough(
        &self,
        addresses: &[SocketAddr],
        request: &Request,
    ) -> Result<Vec<SocketAddr>, Fault> {
        let mut far = Vec::new();
        let mut near = None;
        for &address in addresses {
            match (self.standing)(address.ip()) {
                standing if standing <= request.nearest => far.push(address),
                standing => near = Some((address, standing)),
            }
        }
        far.truncate(TRIED_MAX);
        match near {
            Some((address, standing)) if far.is_empty() => {
                Err(Fault::TooNear { address, standing, named_by: request.nearest })
            }
            _ => Ok(far),
        }
    }
}

/// Connects to the first of `addresses` that takes it. None may take more than its part of the time that is left.
async fn connect_any(
    addresses: &[SocketAddr],
    deadline: Deadline,
) -> Result<(TcpStream, SocketAddr), Fault> {
    let mut last = None;
    for (&address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let part = deadline.left() / u32::try_from(left).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + part, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // What is sent is one write: a delay would be for nothing.
                let _ = stream.set_nodelay(true);
                return Ok((stream, address));
            }
            Ok(Err(why)) => last = Some(Fault::Connect { address, why }),
            Err(_) => last = Some(deadline.fault(Stage::Connect)),
        }
    }
    Err(last.unwrap_or_else(|| deadline.fault(Stage::Connect)))
}

async fn speak_tls(
    stream: TcpStream,
    config: Arc<ClientConfig>,
    host: &Host,
) -> Result<Box<dyn Stream>, Fault> {
    let (name, shown) = match host {
        Host::Address(address) => (ServerName::from(*address), address.to_string()),
        Host::Name(name) => {
            let server = ServerName::try_from(name.clone());
            let server = server.map_err(|source| Fault::Tls {
                host: name.clone(),
                source: io::Error::other(source),
            })?;
            (server, name.clone())
        }
    };
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(of_tls(error, shown)),
    }
}

fn of_tls(source: io::Error, host: String) -> Fault {
    let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => {
            Fault::Certificate { host, why: why.clone().into() }
        }
        _ => Fault::Tls { host, source },
    }
}
