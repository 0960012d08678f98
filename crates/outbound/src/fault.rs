//! Why a server gave no response, in words for the one that has to mend it. No word holds a header, a body or a query.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::CertificateError;

use crate::exchange::HEAD_BYTES_MAX;
use crate::standing::Standing;
use crate::url::BadUrl;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The name has no address.
    #[error("{name} cannot be resolved")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another server named an address that is nearer than it is itself.
    #[error("{address} is {standing}: what {named_by} names may not lead there")]
    TooNear {
        /// The address.
        address: SocketAddr,
        /// How near it is.
        standing: Standing,
        /// How near the one is that named it.
        named_by: Standing,
    },
    /// Nothing takes the connection.
    #[error("cannot connect to {address}: {}", cause(.why))]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// Why.
        why: io::Error,
    },
    /// It took longer than all of it may.
    #[error("{stage} within {} s", .within.as_secs_f32())]
    TooSlow {
        /// What was not over.
        stage: Stage,
        /// How long it could have taken, with all that was before.
        within: Duration,
    },
    /// The system has no authorities to check a certificate with.
    #[error(
        "the system has no certificates of authorities ({0}): install `ca-certificates`, or give `ca`"
    )]
    NoAuthorities(String),
    /// The server's certificate is not believed.
    #[error("the certificate of {host} is not trusted: {why}")]
    Certificate {
        /// The server.
        host: String,
        /// Why.
        why: CertificateFault,
    },
    /// TLS failed otherwise.
    #[error("no TLS with {host}")]
    Tls {
        /// The server.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// What came is no response of HTTP/1.1, or not the whole of one.
    #[error("{host} gave no whole response of HTTP/1.1")]
    Broken {
        /// The server.
        host: String,
        /// Why.
        source: hyper::Error,
    },
    /// The response's head is larger than is read.
    #[error("the response has more than {} KiB of header fields", HEAD_BYTES_MAX >> 10)]
    HeadTooLarge,
    /// The response's body is larger than is read.
    #[error("the response has more than {0} bytes")]
    TooLarge(usize),
    /// It was redirected too often.
    #[error("more than {0} redirects")]
    Redirects(usize),
    /// A redirect from TLS to none.
    #[error("a redirect from https:// to http:// is not followed")]
    Downgrade,
    /// A redirect that leads nowhere.
    #[error("a redirect that cannot be followed")]
    Location(#[source] BadUrl),
}

/// What the system says, without its number.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to the host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "no route to the network".to_owned(),
        _ => error.to_string(),
    }
}

/// What a request takes time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its name is looked up.
    Name,
    /// It is connected to.
    Connect,
    /// TLS begins.
    Tls,
    /// The head of the response is waited for.
    Response,
    /// Its body is.
    Body,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "its name was not resolved",
            Self::Connect => "no connection",
            Self::Tls => "no TLS",
            Self::Response => "no response",
            Self::Body => "no whole response",
        })
    }
}

/// Why a certificate is not believed.
#[derive(Clone, Debug, PartialEq)]
pub enum CertificateFault {
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYet,
    /// None of the authorities has issued it.
    Issuer,
    /// It is for others: these.
    Name(Vec<String>),
    /// What else rustls finds.
    Other(CertificateError),
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("it has expired"),
            Self::NotYet => f.write_str("it is not valid yet: compare the clocks"),
            Self::Issuer => f.write_str(
                "no authority that is trusted here has issued it: give its authority as `ca`, or have the server send its whole chain",
            ),
            Self::Name(names) if names.is_empty() => f.write_str("it is for no name at all"),
            Self::Name(names) => write!(f, "it is for {}", names.join(", ")),
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// The name itself of `DnsName("a")` or `IpAddress(::1)`, as webpki writes them.
fn presented_name(written: &str) -> &str {
    let within = written.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    within.unwrap_or(written).trim_matches('"')
}

impl From<CertificateError> for CertificateFault {
    fn from(error: CertificateError) -> Self {
        use CertificateError as E;
        match error {
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotYet,
            // One with the name of a trusted authority, signed by another key: it has not issued it.
            E::UnknownIssuer | E::BadSignature => Self::Issuer,
            E::NotValidForName => Self::Name(Vec::new()),
            E::NotValidForNameContext { presented, .. } => {
                Self::Name(presented.iter().map(|it| presented_name(it).to_owned()).collect())
            }
            error => Self::Other(error),
        }
    }
}
