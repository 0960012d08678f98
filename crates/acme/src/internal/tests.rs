use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

use super::*;

/// Whether a client that trusts `root` believes `issued` to be `name` at `at`.
fn is_believed(root: &InternalCa, issued: &Issued, name: &str, at: SystemTime) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(own(root.root()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().unwrap();
    let leaf: CertificateDer<'static> = own(&issued.chain).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let at = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    verifier.verify_server_cert(&leaf, &[], &name, &[], at).is_ok()
}

#[test]
fn a_client_with_the_root_believes_what_it_signs_and_for_nothing_else() {
    let now = SystemTime::now();
    let ca = InternalCa::make("web-1", now).unwrap();
    assert!(ca.name().starts_with("Plimsoll internal CA of web-1, 2"), "{}", ca.name());
    let local = ca.issue(LOCALHOST, now).unwrap();
    for name in [LOCALHOST, "127.0.0.1", "::1"] {
        assert!(is_believed(&ca, &local, name, now), "{name}");
    }
    assert!(!is_believed(&ca, &local, "shop.internal", now));
    let wild = ca.issue("*.shop.internal", now).unwrap();
    assert!(is_believed(&ca, &wild, "a.shop.internal", now));
    assert!(!is_believed(&ca, &wild, "shop.internal", now));
    // By a clock that is some minutes slow, and until it ends.
    assert!(is_believed(&ca, &wild, "a.shop.internal", now - DAY / 48));
    assert!(!is_believed(&ca, &wild, "a.shop.internal", now + LIFETIME + DAY));
    let other = InternalCa::make("web-1", now).unwrap();
    assert!(!is_believed(&other, &wild, "a.shop.internal", now));
    assert_ne!(other.directory(), ca.directory());
}

#[test]
fn it_comes_back_from_what_was_written_down_and_signs_on() {
    let now = SystemTime::now();
    let ca = InternalCa::make("web-1", now).unwrap();
    let again = InternalCa::read(&format!("# a word before\n{}", ca.expose())).unwrap();
    assert_eq!((again.name(), again.fingerprint()), (ca.name(), ca.fingerprint()));
    let issued = again.issue("shop.internal", now).unwrap();
    assert!(is_believed(&ca, &issued, "shop.internal", now));
    assert_eq!(issued.held.directory, Some(ca.directory()));
    assert!(is_internal(&ca.directory()) && is_internal(&no_internal_ca()));
    assert!(!is_internal(&DirectoryUrl::new("https://internal/dir")));
}

#[test]
fn an_address_has_a_certificate_too() {
    let now = SystemTime::now();
    let ca = InternalCa::make("web-1", now).unwrap();
    for address in ["10.0.0.5", "fd00::5"] {
        let issued = ca.issue(address, now).unwrap();
        assert!(is_believed(&ca, &issued, address, now), "{address}");
        assert!(!is_believed(&ca, &issued, "10.0.0.6", now), "{address}");
    }
}

#[test]
fn nothing_is_good_for_longer_than_the_root() {
    let begun = SystemTime::now();
    let ca = InternalCa::make("web-1", begun).unwrap();
    let late = begun + ROOT_LIFETIME - DAY;
    assert!(ca.outlasts_a_certificate(begun) && !ca.outlasts_a_certificate(late));
    let issued = ca.issue("shop.internal", late).unwrap();
    assert_eq!(issued.held.not_after, ca.not_after());
}

#[test]
fn what_is_no_authority_is_told() {
    let now = SystemTime::now();
    let (ca, other) = (InternalCa::make("a", now).unwrap(), InternalCa::make("b", now).unwrap());
    let read = |text: &str| InternalCa::read(text).unwrap_err();
    assert!(matches!(read("nonsense"), InternalCaError::NoAuthority));
    assert!(matches!(read(ca.root()), InternalCaError::NoAuthority), "without its key");
    let issued = ca.issue("shop.internal", now).unwrap();
    let leaf = format!("{}{}", issued.key, issued.chain);
    assert!(
        matches!(read(&leaf), InternalCaError::NoAuthority),
        "a certificate that signs nothing"
    );
    let at = ca.expose().find(BEGIN).unwrap();
    let mixed = format!("{}{}", &ca.expose()[..at], other.root());
    assert!(matches!(read(&mixed), InternalCaError::OtherKey));
    ca.issue("n\u{e4}me.internal", now).unwrap_err();
}
