//! How rustls is set for connections from clients.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
};
use rustls::version::{TLS12, TLS13};

use super::clients::ClientTrust;
use super::names::Certificates;

/// A protocol that a client may ask for in its handshake (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// None: a CA looks at the certificate of the handshake and leaves (RFC 8737).
    Proof,
}

impl Alpn {
    /// Its name on the wire.
    pub fn id(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
            Self::Proof => b"acme-tls/1",
        }
    }

    pub(super) fn from_id(id: &[u8]) -> Option<Self> {
        [Self::Http1, Self::Http2, Self::Proof].into_iter().find(|alpn| alpn.id() == id)
    }
}

/// Sessions that a client without tickets may take up again: TLS 1.2 with session ids. Each is
/// a few hundred bytes.
const SESSIONS: usize = 4096;

/// What lets clients take up sessions again, with half a handshake and no signature.
///
/// One is made for the life of the process and given to every configuration, so that a reload
/// costs no client a full handshake. Tickets are sealed with keys that change every six hours,
/// are kept nowhere else and end with the process. rustls binds a session to the name that the
/// client asked for, so that it cannot be taken up under another; until its ticket ends it can
/// be taken up after its certificate was replaced.
#[derive(Clone, Debug)]
pub struct Resumption {
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
}

impl Resumption {
    /// Draws the first ticket key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new() -> Result<Self, rustls::Error> {
        Ok(Self { tickets: Ticketer::new()?, sessions: ServerSessionMemoryCache::new(SESSIONS) })
    }
}

/// TLS 1.2 and 1.3 with `certificates`, for clients that speak one of `alpn`, best first, and that
/// `clients` believes, where they are asked for certificates.
///
/// A client that names protocols, but none of these, is refused (RFC 7301 §3.2); one that names
/// none is let in. Where certificates are asked for no session is taken up again, from here or from
/// anywhere else: rustls would believe what was believed when it began, whatever was revoked since.
pub fn server_config(
    certificates: Arc<Certificates>,
    alpn: &[Alpn],
    resumption: &Resumption,
    clients: Option<&ClientTrust>,
) -> Arc<rustls::ServerConfig> {
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("aws-lc-rs has cipher suites for both versions");
    let mut config = match clients {
        None => builder.with_no_client_auth().with_cert_resolver(certificates),
        Some(clients) => {
            let verifier = clients.verifier.clone();
            builder.with_client_cert_verifier(verifier).with_cert_resolver(certificates)
        }
    };
    config.alpn_protocols = alpn.iter().map(|alpn| alpn.id().to_vec()).collect();
    match clients {
        None => {
            config.ticketer = resumption.tickets.clone();
            config.session_storage = resumption.sessions.clone();
        }
        Some(_) => {
            // Without a ticketer no ticket is sealed or opened.
            config.send_tls13_tickets = 0;
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
    }
    // Early data can be replayed (RFC 8446 §8), and a proxy does not know which requests may be.
    config.max_early_data_size = 0;
    // Before a client's Finished it may be a replay, and is owed nothing.
    config.send_half_rtt_data = false;
    // All suites are strong; a phone without AES in hardware does better with its own order.
    config.ignore_client_order = false;
    Arc::new(config)
}
