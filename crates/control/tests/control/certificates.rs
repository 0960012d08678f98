//! Certificates are read anew on each reload and when their files have changed, and a bad one changes nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control::{ListenerStatus, PrepareError, ReloadError, Status};
use telemetry::event::Kind;
use testkit::{Authority, RawClient};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wire::tls::Alpn;

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

/// A service and a listener that shows the certificate in `dir`.
fn secure(dir: &Path, origin: &Origin) -> String {
    format!(
        "[services.api]\ntargets = [\"{}\"]\n[listeners.secure]\nbind = \"127.0.0.1:0\"\n\
         tls = {{ certificates = [{{ cert = {:?}, key = {:?} }}] }}",
        origin.address,
        dir.join("cert.pem"),
        dir.join("key.pem"),
    )
}

/// The same, where clients must show a certificate of the authority in `dir` that it has not revoked.
fn asking(dir: &Path, origin: &Origin) -> String {
    let clients = format!(
        "}}], client_auth = {{ ca = {:?}, crl = {:?} }} }}",
        dir.join("ca.pem"),
        dir.join("ca.crl")
    );
    secure(dir, origin).replace("}] }", &clients)
}

/// Whether a client that shows the certificate in `files` gets a response.
fn is_let_in(authority: &Authority, files: &wire::tls::Files, address: SocketAddr) -> bool {
    let config = authority.client_showing(&[&TLS13], &[Alpn::Http1], files);
    let mut client = RawClient::connect_tls(address, config, "shop.example.com");
    client.try_send("GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n");
    client.try_answer().is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_out_within_seconds_of_being_revoked_and_a_broken_list_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start("one").await;
    let authority = Authority::default();
    let shown = authority.issue(&["shop.example.com"]);
    std::fs::copy(shown.cert, dir.path().join("cert.pem")).unwrap();
    std::fs::copy(shown.key, dir.path().join("key.pem")).unwrap();
    let (ci, gone) = (authority.issue_to("ci", &[]), authority.issue_to("gone", &[]));
    std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
    std::fs::copy(authority.revoke(&[]), dir.path().join("ca.crl")).unwrap();
    let bench = Bench::start(&asking(dir.path(), &origin)).await;
    let address = listener(&bench.handle.status().await.unwrap()).addresses[0];
    let let_in = |files: &wire::tls::Files| {
        tokio::task::block_in_place(|| is_let_in(&authority, files, address))
    };
    assert!(let_in(&ci) && let_in(&gone));

    std::fs::copy(authority.revoke(&[&gone]), dir.path().join("ca.crl")).unwrap();
    let out = async {
        while let_in(&gone) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), out).await.expect("it is out in the end");
    assert!(let_in(&ci));

    std::fs::write(dir.path().join("ca.crl"), "no list").unwrap();
    let is_told = |status: &Status| listener(status).certificate_fault.is_some();
    let status = bench.until("a broken list is told", is_told).await;
    let why = listener(&status).certificate_fault.clone().unwrap();
    assert!(why.contains("ca.crl is not a PEM file"), "{why}");
    assert!(let_in(&ci) && !let_in(&gone), "what was revoked is");
    let error = bench.handle.reload().await.unwrap_err();
    assert!(error.why().contains("ca.crl is not a PEM file"), "{}", error.why());

    std::fs::copy(authority.revoke_until(&[&gone], 2021), dir.path().join("ca.crl")).unwrap();
    bench.until("it is well again", |status| !is_told(status)).await;
    assert!(let_in(&ci) && !let_in(&gone));
}

fn listener(status: &Status) -> &ListenerStatus {
    status.listeners.iter().find(|listener| listener.tls).unwrap()
}

/// Waits until a client that trusts `certificate` alone gets a connection.
async fn until_shown(certificate: &CertificateDer<'static>, address: SocketAddr) {
    let shown = async {
        while !is_shown(certificate, address).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), shown).await.expect("it is shown in the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_up_new_certificates_and_refuses_bad_ones() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start("one").await;
    let first = write_certificate(dir.path());
    let bench = Bench::start(&secure(dir.path(), &origin)).await;
    let address = listener(&bench.handle.status().await.unwrap()).addresses[0];
    assert!(is_shown(&first, address).await);

    let second = write_certificate(dir.path());
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

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_renewed_is_served_by_itself_and_a_broken_pair_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start("one").await;
    let first = write_certificate(dir.path());
    let bench = Bench::start(&secure(dir.path(), &origin)).await;
    let status = bench.handle.status().await.unwrap();
    let address = listener(&status).addresses[0];
    until_shown(&first, address).await;

    let second = write_certificate(dir.path());
    until_shown(&second, address).await;
    assert!(!is_shown(&first, address).await);
    let revision = bench.handle.status().await.unwrap().revision;
    assert_eq!(revision, status.revision, "the configuration is the same");

    std::fs::write(dir.path().join("key.pem"), "no key").unwrap();
    let is_told = |status: &Status| listener(status).certificate_fault.is_some();
    let status = bench.until("a broken pair is told", is_told).await;
    let why = listener(&status).certificate_fault.clone().unwrap();
    assert!(why.contains("key.pem is not a PEM file"), "{why}");
    assert!(is_shown(&second, address).await);
    let page = bench.handle.scrape().await.unwrap();
    assert!(page.contains("plimsoll_feed_stale{feed=\"certificates\"} 1\n"));

    // As certbot does: the names stay, and lead elsewhere.
    let other = tempfile::tempdir().unwrap();
    let third = write_certificate(other.path());
    for file in ["cert.pem", "key.pem"] {
        std::fs::remove_file(dir.path().join(file)).unwrap();
        std::os::unix::fs::symlink(other.path().join(file), dir.path().join(file)).unwrap();
    }
    until_shown(&third, address).await;
    bench.until("it is well again", |status| !is_told(status)).await;
}

/// Writes a certificate of `authority` for the admin API into `dir`.
fn write_admin(dir: &Path, authority: &Authority) {
    let shown = authority.issue(&["127.0.0.1"]);
    std::fs::copy(shown.cert, dir.join("admin.pem")).unwrap();
    std::fs::copy(shown.key, dir.join("admin.key")).unwrap();
}

/// Whether a client that trusts `authority` alone would be shown a certificate that it believes.
async fn is_shown_by_admin(bench: &Bench, authority: &Authority) -> bool {
    let config = bench.handle.admin_tls().borrow().clone().unwrap();
    let (client, server) = tokio::io::duplex(1 << 14);
    let connector = TlsConnector::from(Arc::new(authority.client(&[Alpn::Http1])));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let accept = tokio_rustls::TlsAcceptor::from(config).accept(server);
    let (shown, _) = tokio::join!(connector.connect(name, client), accept);
    shown.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_api_s_certificate_is_read_anew_when_it_changes_and_a_broken_one_changes_nothing()
{
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start("one").await;
    let (old, new, third) = (Authority::default(), Authority::default(), Authority::default());
    write_admin(dir.path(), &old);
    let text = |cert: &str| {
        format!(
            "[services.api]\ntargets = [\"{}\"]\n[admin]\nbind = \"127.0.0.1:0\"\n\
             tls = {{ cert = {:?}, key = {:?} }}\n",
            origin.address,
            dir.path().join(cert),
            dir.path().join("admin.key"),
        )
    };
    let bench = Bench::start(&text("admin.pem")).await;
    assert!(is_shown_by_admin(&bench, &old).await && !is_shown_by_admin(&bench, &new).await);
    let listed = bench.handle.certificates().await.unwrap();
    assert!(listed.iter().any(|it| it.hosts.is_empty() || it.hosts == ["127.0.0.1"]), "{listed:?}");

    let mut shown = bench.handle.admin_tls();
    shown.borrow_and_update();
    write_admin(dir.path(), &new);
    tokio::time::timeout(Duration::from_secs(60), shown.changed()).await.unwrap().unwrap();
    assert!(is_shown_by_admin(&bench, &new).await);
    let events = bench.handle.events().recent();
    let is_told = events.iter().any(|it| it.event.kind() == Kind::AdminCertificateRenewed);
    assert!(is_told, "it is told");

    std::fs::write(dir.path().join("admin.key"), "no key").unwrap();
    let has_fault = |status: &Status| status.admin_certificate_fault.is_some();
    let status = bench.until("a broken key is told", has_fault).await;
    let why = status.admin_certificate_fault.unwrap();
    assert!(why.contains("admin.key is not a PEM file"), "{why}");
    assert!(is_shown_by_admin(&bench, &new).await);
    let error = bench.handle.reload().await.unwrap_err();
    let ReloadError::Prepare(PrepareError::Certificates(bad)) = &error else { panic!("{error:?}") };
    assert!(bad.to_string().starts_with("the admin API: "), "{bad}");

    // A reload may name another one; nothing else of the API is taken up without a restart.
    write_admin(dir.path(), &third);
    std::fs::rename(dir.path().join("admin.pem"), dir.path().join("other.pem")).unwrap();
    bench.write(&text("other.pem"));
    let reloaded = bench.handle.reload().await.unwrap();
    assert!(reloaded.diff.admin_changed && reloaded.diff.needs_restart.is_empty(), "{reloaded:?}");
    assert!(is_shown_by_admin(&bench, &third).await);

    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(dir.path().join("admin.key"), key.serialize_pem()).unwrap();
    std::fs::write(dir.path().join("other.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    bench.handle.reload().await.unwrap();
    let events = bench.handle.events().recent();
    let warned = events.iter().any(|it| it.event.kind() == Kind::AdminCertificateWarning);
    assert!(warned, "one that has expired is warned of");
}
