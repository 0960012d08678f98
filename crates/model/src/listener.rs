//! What is wanted at an address where clients arrive: `[listeners.NAME]`.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::id::ListenerName;

/// An address, or several, where clients arrive, and how they are treated there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name.
    pub name: ListenerName,
    /// Where it listens; never empty, no address twice among all listeners (but port 0, which is
    /// any free one).
    pub bind: Vec<SocketAddr>,
    /// Which protocols are spoken; never empty.
    pub protocols: Vec<Protocol>,
    /// Certificates from files. The first is shown to clients whose name fits none.
    pub certificates: Vec<TlsCertificate>,
    /// Hosts whose certificates are ordered of a CA, each once and in order; `None` where none are. A client that asks for one of them gets no other
    /// host's certificate.
    pub ordered: Option<Vec<String>>,
    /// The one of them whose certificate clients get that name no host, where none is from a file.
    pub nameless: Option<String>,
    /// Whether clients are asked for certificates of their own. Only with TLS.
    pub client_auth: Option<ClientAuth>,
    /// Every request is redirected to `https` at this port. Only for clear text.
    pub redirect_https: Option<NonZeroU16>,
    /// Peers whose `X-Forwarded-*` is believed; judged by the socket's address.
    pub trusted_proxies: Vec<IpNet>,
    /// Who begins a connection with a PROXY protocol header, version 1 or 2.
    pub proxy_protocol: ProxyProtocol,
    /// What one client may ask for at the most.
    pub limits: ListenerLimits,
    /// How long a client may take.
    pub timeouts: ListenerTimeouts,
}

impl Listener {
    /// Whether clients speak TLS here.
    pub fn is_tls(&self) -> bool {
        !self.certificates.is_empty() || self.ordered.is_some()
    }

    /// Whether `protocol` is spoken here.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }
}

/// Who begins a connection with a header of the PROXY protocol, and so says who its client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Nobody.
    #[default]
    Off,
    /// Everybody must, and everybody is believed.
    FromAnyone,
    /// Peers in these networks must; all others speak for themselves.
    From(Vec<IpNet>),
}

/// An HTTP version spoken with clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    H1,
    /// HTTP/2: by ALPN over TLS, by prior knowledge on clear text.
    H2,
}

/// A certificate chain and its key, both PEM files that are read again on each reload and when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsCertificate {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// How clients are asked for certificates; PEM files that are read again on each reload and when they change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientAuth {
    /// The authorities whose certificates are believed.
    pub ca: PathBuf,
    /// What each of them has revoked.
    pub crl: Option<PathBuf>,
    /// Whether a client needs one.
    pub demand: ClientDemand,
}

/// Whether a client needs a certificate. One that is shown is always checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientDemand {
    /// Without one its handshake fails.
    Required,
    /// It may come without.
    Optional,
}

/// What one client may ask for at the most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// The request line and all headers together, in bytes.
    pub header_bytes: usize,
    /// How many header fields.
    pub headers: usize,
    /// A request's body.
    pub body: BodyLimit,
    /// Open connections at once, over all workers.
    pub connections: usize,
    /// Of these, what one client may have: one address, of IPv6 one /64. Not for peers in
    /// `trusted_proxies`, which stand for many clients.
    pub connections_per_client: usize,
}

/// How large a request's body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLimit {
    /// This many bytes at the most.
    Bytes(u64),
    /// As large as the client likes.
    Unlimited,
}

impl BodyLimit {
    /// Whether a body of `bytes` bytes is small enough.
    pub fn allows(self, bytes: u64) -> bool {
        match self {
            Self::Bytes(limit) => bytes <= limit,
            Self::Unlimited => true,
        }
    }
}

/// How long a client may take. Those for bodies look at progress, never at the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTimeouts {
    /// From a request's first byte to the end of its head, the TLS handshake likewise.
    pub header: Duration,
    /// Without progress of a request's body. The stream of a gRPC call may be silent for the service's
    /// `tunnel_idle`.
    pub body_idle: Duration,
    /// So many bytes of it are progress; each is where its length is not known beforehand.
    pub body_progress: u64,
    /// Between two requests on a connection.
    pub idle: Duration,
    /// Without progress of an answer that the client should read.
    pub write_idle: Duration,
}
