//! Certificates are read anew on each reload, and a bad one changes nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use control::{PrepareError, ReloadError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::bench::{Bench, Origin};

/// Writes a certificate for `shop.example.com` and its key, and returns it.
fn write_certificate(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["shop.example.com".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// Whether a client that trusts `certificate` alone gets a connection.
async fn is_shown(certificate: &CertificateDer<'static>, address: SocketAddr) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("shop.example.com").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_up_new_certificates_and_refuses_bad_ones() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start("one").await;
    let first = write_certificate(dir.path());
    let text = format!(
        "[services.api]\ntargets = [\"{}\"]\n[listeners.secure]\nbind = \"127.0.0.1:0\"\n\
         tls = {{ certificates = [{{ cert = {:?}, key = {:?} }}] }}",
        origin.address,
        dir.path().join("cert.pem"),
        dir.path().join("key.pem"),
    );
    let bench = Bench::start(&text).await;
    let status = bench.handle.status().await.unwrap();
    let secure = status.listeners.iter().find(|listener| listener.tls).unwrap();
    let address = secure.addresses[0];
    assert!(is_shown(&first, address).await);

    let second = write_certificate(dir.path());
    assert!(is_shown(&first, address).await, "nothing changes before the reload");
    bench.handle.reload().await.unwrap();
    assert!(is_shown(&second, address).await);
    assert!(!is_shown(&first, address).await);

    std::fs::write(dir.path().join("key.pem"), "no key").unwrap();
    let error = bench.handle.reload().await.unwrap_err();
    assert!(matches!(error, ReloadError::Prepare(PrepareError::Certificates(_))), "{error:?}");
    assert!(error.why().contains("listener `secure`: "), "{}", error.why());
    assert!(error.why().contains("key.pem is not a PEM file"), "{}", error.why());
    assert!(is_shown(&second, address).await);
}
