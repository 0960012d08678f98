//! What was agreed on with a client.

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion, ServerConnection};

use super::server::Alpn;

/// What an accepted connection's handshake agreed on.
#[derive(Clone, Copy)]
pub struct Session<'a>(&'a ServerConnection);

impl<'a> Session<'a> {
    /// The session of `connection`, whose handshake is done.
    pub fn new(connection: &'a ServerConnection) -> Self {
        Self(connection)
    }

    /// The version by OpenSSL's name, as logs have it: `TLSv1.3`.
    pub fn version(self) -> &'static str {
        match self.0.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "unknown",
        }
    }

    /// The cipher suite by IANA's name.
    pub fn cipher(self) -> &'static str {
        match self.0.negotiated_cipher_suite().map(|suite| suite.suite()) {
            // rustls names these after itself.
            Some(CipherSuite::TLS13_AES_128_GCM_SHA256) => "TLS_AES_128_GCM_SHA256",
            Some(CipherSuite::TLS13_AES_256_GCM_SHA384) => "TLS_AES_256_GCM_SHA384",
            Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256) => "TLS_CHACHA20_POLY1305_SHA256",
            suite => suite.and_then(|suite| suite.as_str()).unwrap_or("unknown"),
        }
    }

    /// The host that the client asked for, in lower case.
    pub fn server_name(self) -> Option<&'a str> {
        self.0.server_name()
    }

    /// The protocol that the client asked for; `None` when it named none.
    pub fn alpn(self) -> Option<Alpn> {
        self.0.alpn_protocol().and_then(Alpn::from_id)
    }

    /// The certificates that the client has shown, its own first, where it was asked for them: those were verified.
    pub fn client_chain(self) -> Option<&'a [CertificateDer<'static>]> {
        self.0.peer_certificates().filter(|chain| !chain.is_empty())
    }

    /// Whether an earlier session was taken up again.
    pub fn is_resumed(self) -> bool {
        self.0.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("version", &self.version())
            .field("cipher", &self.cipher())
            .field("server_name", &self.server_name())
            .field("alpn", &self.alpn())
            .field("resumed", &self.is_resumed())
            .finish()
    }
}
