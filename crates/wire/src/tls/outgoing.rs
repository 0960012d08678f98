//! How rustls is set for connections to servers.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use super::authorities::Authorities;
use super::certificate::Certificate;
use super::server::Alpn;

/// Tickets that are kept of one server: rustls never keeps more of TLS 1.3.
const TICKETS: usize = 8;

/// TLS 1.2 and 1.3 with servers whose certificates `authorities` have issued and that speak `alpn`, to which `own` is shown
/// where they ask for a certificate.
pub fn client_config(
    authorities: &Authorities,
    own: Option<&Certificate>,
    alpn: Alpn,
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("aws-lc-rs has cipher suites for both versions");
    let builder = builder.with_root_certificates(authorities.roots.clone());
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let own = SingleCertAndKey::from(own.key.clone());
            builder.with_client_cert_resolver(Arc::new(own))
        }
    };
    config.alpn_protocols = vec![alpn.id().to_vec()];
    Arc::new(config)
}

/// The same as `config` for one server, whose sessions are taken up again and nobody else's: a ticket is good for one handshake,
/// and tells another server nothing.
pub fn for_one_server(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.resumption = Resumption::in_memory_sessions(TICKETS);
    Arc::new(config)
}
