//! TLS with instances: how it is spoken with those of a service, the handshake, and why one failed.
//!
//! Each worker takes up its own sessions with an instance, so that no handshake waits for another thread's.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::sync::Arc;

use model::{Host, UpstreamProtocol};
use outbound::CertificateFault;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, Error};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wire::socket::Socket;
use wire::stream::{SEALED_BYTES_MAX, Stream};
use wire::system::{is_shortage, words};
use wire::tls::{Alpn, for_one_server};

/// How TLS is spoken with the instances of a service.
#[derive(Clone, Debug)]
pub struct ServiceTlsPlan {
    /// The handshake: whose certificates are believed, what is shown, which protocol is spoken.
    pub config: Arc<ClientConfig>,
    /// The host that all are asked for; `None` for each one's own.
    pub server_name: Option<String>,
}

impl ServiceTlsPlan {
    /// How it is spoken with the instance at `host`.
    pub fn toward(&self, host: &Host) -> InstanceTls {
        let host = match (&self.server_name, host) {
            (Some(name), _) | (None, Host::Name(name)) => Host::Name(name.clone()),
            (None, Host::Address(address)) => Host::Address(*address),
        };
        InstanceTls { config: self.config.clone(), host }
    }
}

/// How TLS is spoken with one instance. Two are the same only where one was made of the other, or both of the same.
#[derive(Clone)]
pub struct InstanceTls {
    config: Arc<ClientConfig>,
    /// What its certificate has to be for.
    host: Host,
}

impl PartialEq for InstanceTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.host == other.host
    }
}

impl Eq for InstanceTls {}

impl fmt::Debug for InstanceTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceTls").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Why there is no TLS with an instance.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HandshakeFault {
    /// Its certificate is not believed.
    #[error("its certificate is not trusted for {host}: {why}")]
    Certificate {
        /// What it would have to be for.
        host: String,
        /// Why.
        why: CertificateFault,
    },
    /// It does not take part.
    #[error("it refuses TLS with us: {0}")]
    Refused(&'static str),
    /// It speaks another protocol of HTTP.
    #[error(
        "it does not agree on {0} in the TLS handshake (ALPN): change the service's `protocol`"
    )]
    Protocol(&'static str),
    /// What it says is no TLS.
    #[error("it does not speak TLS")]
    NoTls,
    /// It breaks off.
    #[error("it closes the connection in the TLS handshake")]
    Closed,
    /// The host is none that can be asked for.
    #[error("{0} is no host that TLS can ask for: set `server_name`")]
    Host(String),
    /// What else rustls finds.
    #[error("no TLS: {0}")]
    Other(String),
}

/// Why a connection to an instance was not opened.
#[derive(Debug)]
pub(crate) enum Unconnected {
    /// The system says so, or HTTP/2 did not begin.
    Io(io::Error),
    /// There is no TLS.
    Tls(HandshakeFault),
}

impl From<io::Error> for Unconnected {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => f.write_str(&words(error)),
            Self::Tls(fault) => fault.fmt(f),
        }
    }
}

impl InstanceTls {
    /// Begins TLS over `socket`, for `protocol`.
    pub(crate) async fn begin(
        &self,
        socket: Socket,
        protocol: UpstreamProtocol,
    ) -> Result<Stream, Unconnected> {
        let shown = || match &self.host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let name = match &self.host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| Unconnected::Tls(HandshakeFault::Host(shown())))?,
        };
        let begun = TlsConnector::from(self.config.clone()).connect(name, socket).await;
        let mut stream = begun.map_err(|error| unconnected(error, shown(), protocol))?;
        check_protocol(&stream, protocol).map_err(Unconnected::Tls)?;
        stream.get_mut().1.set_buffer_limit(Some(SEALED_BYTES_MAX));
        Ok(Stream::TlsToServer(Box::new(stream)))
    }
}

/// HTTP/2 is spoken over TLS only where that was agreed on (RFC 9113 §3.2). Where nothing was, it is HTTP/1.1.
fn check_protocol(
    stream: &TlsStream<Socket>,
    protocol: UpstreamProtocol,
) -> Result<(), HandshakeFault> {
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(Alpn::Http2.id());
    match (protocol, is_h2) {
        (UpstreamProtocol::H2, false) => Err(HandshakeFault::Protocol(noun(protocol))),
        _ => Ok(()),
    }
}

fn noun(protocol: UpstreamProtocol) -> &'static str {
    match protocol {
        UpstreamProtocol::H1 => "HTTP/1.1",
        UpstreamProtocol::H2 => "HTTP/2",
    }
}

fn unconnected(error: io::Error, host: String, protocol: UpstreamProtocol) -> Unconnected {
    if is_shortage(&error) {
        return Unconnected::Io(error);
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    Unconnected::Tls(match inner {
        Some(Error::InvalidCertificate(why)) => {
            HandshakeFault::Certificate { host, why: why.clone().into() }
        }
        Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            HandshakeFault::Protocol(noun(protocol))
        }
        Some(Error::AlertReceived(alert)) => HandshakeFault::Refused(refusal(*alert)),
        Some(Error::InvalidMessage(_)) => HandshakeFault::NoTls,
        Some(error) => HandshakeFault::Other(error.to_string()),
        None => HandshakeFault::Closed,
    })
}

/// What an alert says (RFC 8446 §6.2), to the one who has to mend it.
fn refusal(alert: AlertDescription) -> &'static str {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => "it wants a certificate of ours: set `client`",
        A::UnknownCA => "it does not know the authority of our certificate",
        A::CertificateExpired => "our certificate has expired",
        A::CertificateRevoked => "our certificate was revoked",
        A::BadCertificate | A::UnsupportedCertificate | A::CertificateUnknown => {
            "it does not accept our certificate, or wants one"
        }
        A::AccessDenied => "our certificate is not allowed in",
        A::UnrecognisedName => "it knows no such host: set `server_name`",
        A::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3",
        A::HandshakeFailure | A::InsufficientSecurity => {
            "it has no cipher suite in common with us, or wants a certificate of ours"
        }
        _ => "it breaks the handshake off",
    }
}

/// What an instance that had agreed to TLS says of our certificate: with TLS 1.3 it does so only after we have gone on.
pub(crate) fn late_refusal(error: &io::Error) -> Option<HandshakeFault> {
    use AlertDescription as A;
    let inner = error.get_ref()?.downcast_ref::<Error>()?;
    match inner {
        Error::AlertReceived(
            alert @ (A::CertificateRequired
            | A::UnknownCA
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateUnknown
            | A::AccessDenied),
        ) => Some(HandshakeFault::Refused(refusal(*alert))),
        _ => None,
    }
}

/// The sessions of one worker with one instance.
#[derive(Default)]
pub(crate) struct Sessions(RefCell<Option<Known>>);

struct Known {
    /// What it was made of.
    of: Arc<ServiceTlsPlan>,
    tls: InstanceTls,
}

impl Sessions {
    /// How TLS is spoken with the instance at `host`, as `plan` says. As long as that is the same, sessions are taken up again.
    pub(crate) fn toward(&self, plan: &Arc<ServiceTlsPlan>, host: &Host) -> InstanceTls {
        let mut known = self.0.borrow_mut();
        if let Some(known) = known.as_ref().filter(|known| Arc::ptr_eq(&known.of, plan)) {
            return known.tls.clone();
        }
        let mut tls = plan.toward(host);
        tls.config = for_one_server(&tls.config);
        *known = Some(Known { of: plan.clone(), tls: tls.clone() });
        tls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_handshake_fails_with_is_told_in_words() {
        let told = |error: Error| {
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            unconnected(error, "api.internal".to_owned(), UpstreamProtocol::H2).to_string()
        };
        use rustls::{CertificateError, InvalidMessage};
        for (error, words) in [
            (
                Error::InvalidCertificate(CertificateError::Expired),
                "its certificate is not trusted for api.internal: it has expired",
            ),
            (
                Error::AlertReceived(AlertDescription::NoApplicationProtocol),
                "it does not agree on HTTP/2 in the TLS handshake (ALPN): change the service's `protocol`",
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                "it refuses TLS with us: it wants a certificate of ours: set `client`",
            ),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), "it does not speak TLS"),
        ] {
            assert_eq!(told(error), words);
        }
        let gone = io::ErrorKind::UnexpectedEof.into();
        let gone = unconnected(gone, String::new(), UpstreamProtocol::H1);
        assert_eq!(gone.to_string(), "it closes the connection in the TLS handshake");
        assert!(late_refusal(&io::ErrorKind::ConnectionReset.into()).is_none());
    }

    #[test]
    fn each_instance_is_asked_for_its_own_name_unless_all_have_one() {
        let roots = wire::tls::Authorities::of(rustls::RootCertStore::empty());
        let config = wire::tls::client_config(&roots, None, Alpn::Http1);
        let plan = |server_name: Option<&str>| ServiceTlsPlan {
            config: config.clone(),
            server_name: server_name.map(str::to_owned),
        };
        let (name, address) =
            (Host::Name("a.internal".to_owned()), Host::Address([10, 0, 0, 1].into()));
        assert_eq!(plan(None).toward(&name).host, name);
        assert_eq!(plan(None).toward(&address).host, address);
        let both = Host::Name("both.internal".to_owned());
        assert_eq!(plan(Some("both.internal")).toward(&name).host, both);
        assert_eq!(plan(Some("both.internal")).toward(&address).host, both);
    }
}
