//! The certificates of every listener that speaks TLS, read anew for each configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use model::{Intent, Listener, ListenerName, Protocol, TlsCertificate};
use rustls::ServerConfig;
use telemetry::{Event, event};
use wire::tls::{Alpn, Certificate, Certificates, Files, Resumption, TlsError, server_config};

/// How TLS is spoken at each listener that does.
pub(crate) type Tls = BTreeMap<ListenerName, Arc<ServerConfig>>;

/// Certificates that cannot be used: all of them at once.
#[derive(Debug)]
pub struct BadCertificates(pub Vec<(ListenerName, TlsError)>);

impl fmt::Display for BadCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (listener, error)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "listener `{listener}`: {}", crate::chain::chain(error))?;
            write!(f, "\n  help: {}", error.hint())?;
        }
        Ok(())
    }
}

impl std::error::Error for BadCertificates {}

/// What was read: how TLS is spoken, and what is to be told of the certificates once they are used.
pub(crate) struct Loaded {
    pub(crate) tls: Tls,
    pub(crate) told: Vec<Event>,
}

/// Reads and checks the certificates of `intent`, and says what is doubtful about them.
///
/// # Errors
/// With everything that is wrong at once.
pub(crate) fn load(intent: &Intent, resumption: &Resumption) -> Result<Loaded, BadCertificates> {
    let now = SystemTime::now();
    let (mut tls, mut told, mut errors) = (Tls::new(), Vec::new(), Vec::new());
    for (name, listener) in intent.listeners.iter().filter(|(_, listener)| listener.is_tls()) {
        let files: Vec<Files> = listener.certificates.iter().map(files).collect();
        match Certificates::load(&files, now) {
            Ok(certificates) => {
                told.extend(tell(name, &certificates));
                let config =
                    server_config(Arc::new(certificates), &protocols(listener), resumption);
                tls.insert(name.clone(), config);
            }
            Err(found) => errors.extend(found.into_iter().map(|error| (name.clone(), error))),
        }
    }
    if errors.is_empty() { Ok(Loaded { tls, told }) } else { Err(BadCertificates(errors)) }
}

fn files(certificate: &TlsCertificate) -> Files {
    Files { cert: certificate.cert.clone(), key: certificate.key.clone() }
}

/// What clients may ask for, best first.
fn protocols(listener: &Listener) -> Vec<Alpn> {
    let both = [(Protocol::H2, Alpn::Http2), (Protocol::H1, Alpn::Http1)];
    let spoken = both.into_iter().filter(|(protocol, _)| listener.speaks(*protocol));
    spoken.map(|(_, alpn)| alpn).collect()
}

fn tell(listener: &ListenerName, certificates: &Certificates) -> Vec<Event> {
    let expires = certificates.iter().map(Certificate::expires).min();
    let count = certificates.iter().count();
    let read = event::CertificatesRead { listener: listener.clone(), certificates: count, expires };
    let warnings = certificates.iter().flat_map(|certificate| certificate.warnings());
    let warnings = warnings.map(|warning| {
        event::CertificateWarning { listener: listener.clone(), why: warning.to_string() }.into()
    });
    std::iter::once(read.into()).chain(warnings).collect()
}
