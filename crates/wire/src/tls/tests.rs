//! Certificates from real files, and handshakes with a real client.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SignatureAlgorithm,
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, NamedGroup, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::der_parser::ber::BerObjectContent;
use x509_parser::der_parser::parse_der;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;

mod ordered;

/// A directory with certificates, and the authority that issues them.
struct Desk {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
    root: rcgen::Certificate,
}

impl Desk {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the root");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Self { directory: tempfile::tempdir().unwrap(), issuer, root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Issues a certificate for `names` and writes it to `stem.pem` and `stem.key`.
    fn issue(&self, stem: &str, names: &[&str]) -> Files {
        self.issue_with(stem, names, &PKCS_ECDSA_P256_SHA256, |_| {})
    }

    fn issue_with(
        &self,
        stem: &str,
        names: &[&str],
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Files {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Files {
            cert: self.write(&format!("{stem}.pem"), leaf.pem() + &self.root.pem()),
            key: self.write(&format!("{stem}.key"), key.serialize_pem()),
        }
    }

    fn load(&self, files: &Files) -> Result<Certificate, TlsError> {
        Certificate::load(files, SystemTime::now())
    }

    fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

fn load(files: &[Files]) -> Arc<Certificates> {
    Arc::new(Certificates::load(files, SystemTime::now()).unwrap())
}

/// Writes PEM (RFC 7468); rcgen writes only PKCS#8 by itself.
fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (index, chunk) in der.chunks(3).enumerate() {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { DIGITS[value as usize].into() } else { '=' });
        }
        if index % 16 == 15 {
            text.push('\n');
        }
    }
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", text.trim_end())
}

/// The key inside of a PKCS#8 file: SEC1 for an EC key, PKCS#1 for an RSA key.
fn inner_key(files: &Files) -> Vec<u8> {
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_file(&files.key).unwrap();
    let (_, pkcs8) = parse_der(key.secret_pkcs8_der()).unwrap();
    match &pkcs8.as_sequence().unwrap()[2].content {
        BerObjectContent::OctetString(inner) => inner.to_vec(),
        other => panic!("no key but {other:?}"),
    }
}

/// What a client learns in a handshake.
#[derive(Debug)]
struct Learned {
    leaf: CertificateDer<'static>,
    version: &'static str,
    cipher: &'static str,
    server_name: Option<String>,
    alpn: Option<Alpn>,
    resumed: bool,
}

/// A handshake, and one byte each way so that tickets arrive.
async fn shake(
    server: &Arc<rustls::ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> io::Result<Learned> {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let acceptor = TlsAcceptor::from(server.clone());
    let connector = TlsConnector::from(client.clone());
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let serve = async {
        let mut stream = acceptor.accept(far).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await?;
        let session = Session::new(stream.get_ref().1);
        Ok::<_, io::Error>((
            session.version(),
            session.cipher(),
            session.server_name().map(str::to_owned),
            session.alpn(),
            session.is_resumed(),
        ))
    };
    let connect = async {
        let mut stream = connector.connect(name, near).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        assert_eq!(stream.read_u8().await?, 7);
        let certificates = stream.get_ref().1.peer_certificates().unwrap();
        Ok::<_, io::Error>(certificates[0].clone().into_owned())
    };
    let (served, connected) = tokio::join!(serve, connect);
    let (leaf, (version, cipher, server_name, alpn, resumed)) = (connected?, served?);
    Ok(Learned { leaf, version, cipher, server_name, alpn, resumed })
}

fn leaf(files: &Files) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(&files.cert).unwrap()
}

#[tokio::test]
async fn both_versions_are_spoken_and_told() {
    let desk = Desk::new();
    let files = desk.issue("a", &["a.example"]);
    let alpn = [Alpn::Http2, Alpn::Http1];
    let server = server_config(load(&[files]), &alpn, &Resumption::new().unwrap(), None);
    for (version, name, prefix) in
        [(&TLS12, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_"), (&TLS13, "TLSv1.3", "TLS_AES_")]
    {
        let mut client = desk.client(&[version]);
        client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let learned = shake(&server, &Arc::new(client), "A.Example").await.unwrap();
        assert_eq!(learned.version, name);
        assert!(learned.cipher.starts_with(prefix), "{learned:?}");
        assert_eq!(learned.server_name.as_deref(), Some("a.example"));
        assert_eq!(learned.alpn, Some(Alpn::Http2), "our order counts");
        assert!(!learned.resumed);
    }
}

#[tokio::test]
async fn a_client_that_puts_post_quantum_key_exchange_first_gets_it() {
    let desk = Desk::new();
    let files = desk.issue("a", &["a.example"]);
    let server = server_config(load(&[files]), &[Alpn::Http1], &Resumption::new().unwrap(), None);
    let mut provider = default_provider();
    provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
    let mut roots = RootCertStore::empty();
    roots.add(desk.root.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (near, far) = tokio::io::duplex(16 * 1024);
    let name = ServerName::try_from("a.example").unwrap();
    let accept = TlsAcceptor::from(server).accept(far);
    let connect = TlsConnector::from(Arc::new(client)).connect(name, near);
    let (accepted, connected) = tokio::join!(accept, connect);
    let (_server, client) = (accepted.unwrap(), connected.unwrap());
    let group = client.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn client_without_a_common_protocol_is_refused_and_one_without_any_is_not() {
    let desk = Desk::new();
    let server = server_config(
        load(&[desk.issue("a", &["a.example"])]),
        &[Alpn::Http1],
        &Resumption::new().unwrap(),
        None,
    );
    let mut client = desk.client(&[&TLS13]);
    let learned = shake(&server, &Arc::new(client.clone()), "a.example").await.unwrap();
    assert_eq!(learned.alpn, None);
    client.alpn_protocols = vec![b"h2".to_vec()];
    shake(&server, &Arc::new(client), "a.example").await.unwrap_err();
}

#[tokio::test]
async fn certificate_is_chosen_by_name() {
    let desk = Desk::new();
    let first = desk.issue("first", &["first.example"]);
    let exact = desk.issue("exact", &["www.Shop.example", "shop.example"]);
    let wildcard = desk.issue("wildcard", &["*.shop.example"]);
    let certificates = load(&[first.clone(), wildcard.clone(), exact.clone()]);
    let schemes = [SignatureScheme::ECDSA_NISTP256_SHA256];
    let chosen = |name| certificates.choose(name, &schemes).unwrap().files().clone();
    for (name, files) in [
        (Some("first.example"), &first),
        (Some("shop.example"), &exact),
        (Some("www.shop.example"), &exact),
        (Some("WWW.SHOP.example"), &exact),
        (Some("www.shop.example."), &exact),
        (Some("api.shop.example"), &wildcard),
        // A wildcard is one label, and not the sign itself.
        (Some("a.api.shop.example"), &first),
        (Some("other.example"), &first),
        (Some("example"), &first),
        (Some(""), &first),
        (None, &first),
    ] {
        assert_eq!(&chosen(name), files, "{name:?}");
    }

    let server = server_config(certificates, &[], &Resumption::new().unwrap(), None);
    let client = Arc::new(desk.client(&[&TLS13, &TLS12]));
    let learned = shake(&server, &client, "api.Shop.example").await.unwrap();
    assert_eq!(learned.leaf, leaf(&wildcard));
}

#[tokio::test]
async fn of_two_certificates_for_a_name_the_client_gets_one_it_can_verify() {
    let desk = Desk::new();
    let modern = desk.issue_with("ed", &["a.example"], &PKCS_ED25519, |_| {});
    let common = desk.issue("ec", &["a.example"]);
    let certificates = load(&[modern.clone(), common.clone()]);
    let chosen = |name, scheme| certificates.choose(name, &[scheme]).unwrap().files().clone();
    for name in [Some("a.example"), None] {
        assert_eq!(chosen(name, SignatureScheme::ED25519), modern);
        assert_eq!(chosen(name, SignatureScheme::ECDSA_NISTP256_SHA256), common);
        assert_eq!(chosen(name, SignatureScheme::RSA_PSS_SHA256), modern);
    }
}

#[tokio::test]
async fn sessions_survive_a_reload_that_shares_the_resumption() {
    let desk = Desk::new();
    let resumption = Resumption::new().unwrap();
    for version in [&TLS12, &TLS13] {
        let old = load(&[desk.issue("old", &["a.example"])]);
        let old = server_config(old, &[Alpn::Http1], &resumption, None);
        let client = Arc::new(desk.client(&[version]));
        assert!(!shake(&old, &client, "a.example").await.unwrap().resumed);

        let new = load(&[desk.issue("new", &["a.example"])]);
        let new = server_config(new, &[Alpn::Http1], &resumption, None);
        assert!(shake(&new, &client, "a.example").await.unwrap().resumed, "{version:?}");

        let strange = load(&[desk.issue("strange", &["a.example"])]);
        let strange = server_config(strange, &[Alpn::Http1], &Resumption::new().unwrap(), None);
        assert!(!shake(&strange, &client, "a.example").await.unwrap().resumed, "{version:?}");
    }
}

#[test]
fn keys_are_read_in_each_of_their_forms() {
    let desk = Desk::new();
    let ec = desk.issue("ec", &["a.example"]);
    let rsa = desk.issue_with("rsa", &["a.example"], &PKCS_RSA_SHA256, |_| {});
    for (files, label) in [(&ec, "EC PRIVATE KEY"), (&rsa, "RSA PRIVATE KEY")] {
        desk.load(files).unwrap();
        // `openssl ecparam -genkey` writes this before the key.
        let parameters = pem("EC PARAMETERS", &[6, 8, 42, 134, 72, 206, 61, 3, 1, 7]);
        let key = desk.write("inner.key", parameters + &pem(label, &inner_key(files)));
        desk.load(&Files { key, ..files.clone() }).unwrap();
    }
}

#[test]
fn certificate_tells_its_names_and_its_end() {
    let desk = Desk::new();
    let files = desk.issue_with("a", &["A.example", "*.b.example"], &PKCS_ED25519, |params| {
        params.not_after = rcgen::date_time_ymd(2040, 1, 2);
    });
    let certificate = desk.load(&files).unwrap();
    assert_eq!(certificate.names().collect::<Vec<_>>(), ["a.example", "*.b.example"]);
    assert_eq!(certificate.warnings(), []);
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(2_209_075_200);
    assert_eq!(certificate.expires(), end);
}

#[test]
fn what_expires_soon_is_said_so_and_only_then() {
    let desk = Desk::new();
    let of = |stem: &str, begin, end| {
        desk.issue_with(stem, &["a.example"], &PKCS_ECDSA_P256_SHA256, |params| {
            (params.not_before, params.not_after) = (begin, end);
        })
    };
    let date = rcgen::date_time_ymd;
    let day = |year, month, day| SystemTime::from(date(year, month, day));
    let long = of("long", date(2030, 1, 1), date(2030, 4, 1));
    let short = of("short", date(2030, 1, 1), date(2030, 1, 9));
    let said = |files: &Files, now: SystemTime| {
        let certificate = Certificate::load(files, now).unwrap();
        certificate.warnings().first().map(ToString::to_string)
    };
    assert_eq!(said(&long, day(2030, 3, 10)), None);
    let soon = said(&long, day(2030, 3, 25)).unwrap();
    assert!(soon.ends_with("long.pem expires in 7 days"), "{soon}");
    assert_eq!(said(&short, day(2030, 1, 6)), None);
    let soon = said(&short, day(2030, 1, 8)).unwrap();
    assert!(soon.ends_with("short.pem expires in 1 day"), "{soon}");
}

#[test]
fn a_key_that_others_may_use_is_told() {
    let desk = Desk::new();
    let files = desk.issue("a", &["a.example"]);
    for (mode, word) in [
        (0o600, None),
        (0o440, None),
        (0o604, Some("read")),
        (0o660, Some("written")),
        (0o666, Some("written")),
    ] {
        fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
        let certificate = desk.load(&files).unwrap();
        let told: Vec<_> = certificate.warnings().iter().map(ToString::to_string).collect();
        let key = files.key.display();
        let expected = word.map(|word| {
            format!(
                "the key in {key} can be {word} by others (mode {mode:04o}): `chmod o-rwx,g-w` it"
            )
        });
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{mode:o}");
    }
}

#[test]
fn what_is_doubtful_is_served_with_a_warning() {
    let desk = Desk::new();
    let files = desk.issue_with("a", &[], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 2, 1);
    });
    let other = desk.issue("other", &["a.example"]);
    let mut chain = fs::read_to_string(&files.cert).unwrap();
    chain.insert_str(chain.find("-----END").unwrap() + 26, &{
        let text = fs::read_to_string(&other.cert).unwrap();
        format!("\n{}", &text[..text.find("-----END").unwrap() + 25])
    });
    let cert = desk.write("mixed.pem", chain);
    let files = Files { cert: cert.clone(), ..files };

    let at = |year, month, day| SystemTime::from(rcgen::date_time_ymd(year, month, day));
    let messages = |now| {
        let certificate = Certificate::load(&files, now).unwrap();
        let messages = certificate.warnings().iter().map(ToString::to_string);
        messages.collect::<Vec<_>>().join("\n").replace(&*cert.to_string_lossy(), "mixed.pem")
    };
    let always = "the certificate in mixed.pem names no host (its common name does not count)\n\
         certificate 1 in mixed.pem was not issued by the one after it: each certificate's \
         issuer must follow it";
    assert_eq!(messages(at(2030, 1, 10)), always);
    let early = "certificate 1 in mixed.pem is not valid before 31 days from now\n";
    assert_eq!(messages(at(2029, 12, 1)), format!("{early}{always}"));
    let late = "certificate 1 in mixed.pem expired 1 day ago\n";
    assert_eq!(messages(at(2030, 2, 2)), format!("{late}{always}"));
}

/// What a person is told: the error, its causes and the hint.
fn told(desk: &Desk, files: &Files) -> String {
    let error = desk.load(files).map(drop).unwrap_err();
    let (mut text, hint) = (error.to_string(), error.hint());
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    let directory = format!("{}/", desk.directory.path().display());
    format!("{text}\n{hint}").replace(&directory, "")
}

#[test]
fn files_that_are_not_what_they_should_be_are_named_with_the_cure() {
    let desk = Desk::new();
    let good = desk.issue("good", &["a.example"]);
    let cert = |name: &str| Files { cert: desk.path(name), ..good.clone() };
    let key = |name: &str| Files { key: desk.path(name), ..good.clone() };

    desk.write("empty.pem", "");
    desk.write("der.pem", desk.root.der());
    desk.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    desk.write("garbage.pem", pem("CERTIFICATE", b"garbage"));
    desk.write("request.pem", pem("CERTIFICATE REQUEST", b"whatever"));
    desk.write("locked.key", pem("ENCRYPTED PRIVATE KEY", b"whatever"));
    desk.write(
        "old.key",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
         AAAA\n-----END RSA PRIVATE KEY-----\n",
    );
    desk.write("garbage.key", pem("PRIVATE KEY", b"garbage"));

    let cases = [
        (
            cert("missing.pem"),
            "missing.pem cannot be read: No such file or directory (os error 2)\n\
             check the path; a relative one begins at the directory that plimsoll was started in",
        ),
        (
            cert("empty.pem"),
            "empty.pem is not a PEM file\n\
             a PEM file has lines like -----BEGIN CERTIFICATE-----",
        ),
        (
            cert("der.pem"),
            "der.pem is not a PEM file\n\
             if it is DER, convert it: openssl x509 -inform der -in der.pem -out der.pem.pem \
             (for a key, pkey in place of x509)",
        ),
        (
            cert("broken.pem"),
            "broken.pem has a broken PEM section: base64 decode error: InvalidCharacter(33)\n\
             copy the file again; each section needs its BEGIN line, base64 and its END line",
        ),
        (
            cert("garbage.pem"),
            "certificate 1 in garbage.pem is malformed: nom error: Eof\n\
             copy the file again, or ask its issuer for a new one",
        ),
        (
            cert("good.key"),
            "good.key holds no certificate, but a private key\n\
             name the certificate's file here, with the intermediate certificates after it; \
             perhaps cert and key are swapped",
        ),
        (
            cert("request.pem"),
            "request.pem holds no certificate, but a certificate request, which its issuer turns \
             into a certificate\n\
             name the certificate's file here, with the intermediate certificates after it; \
             perhaps cert and key are swapped",
        ),
        (
            key("good.pem"),
            "good.pem holds no private key, but a certificate\n\
             name the private key's file here: PKCS#8, PKCS#1 or SEC1; perhaps cert and key are \
             swapped",
        ),
        (
            key("locked.key"),
            "the private key in locked.key is encrypted\n\
             write it without its passphrase, readable for plimsoll alone: openssl pkey -in \
             locked.key -out locked.key.clear",
        ),
        (
            key("old.key"),
            "the private key in old.key is encrypted\n\
             write it without its passphrase, readable for plimsoll alone: openssl pkey -in \
             old.key -out old.key.clear",
        ),
        (
            key("garbage.key"),
            "the private key in garbage.key cannot be used: unexpected error: failed to parse \
             private key as RSA, ECDSA, or EdDSA\n\
             make a new one, for example: openssl genpkey -algorithm EC -pkeyopt \
             ec_paramgen_curve:P-256",
        ),
    ];
    for (files, expected) in cases {
        assert_eq!(told(&desk, &files), expected);
    }
}

#[test]
fn key_of_another_certificate_is_refused() {
    let desk = Desk::new();
    let good = desk.issue("good", &["a.example"]);
    let other = desk.issue("other", &["a.example"]);
    let mixed = Files { cert: good.cert.clone(), key: other.key };
    assert_eq!(
        told(&desk, &mixed),
        "the private key in other.key does not belong to the certificate in good.pem\n\
         take the key that the certificate was requested with; after a renewal both files must \
         change"
    );

    let leaf = fs::read_to_string(&good.cert).unwrap().replace(&desk.root.pem(), "");
    let turned = Files { cert: desk.write("turned.pem", desk.root.pem() + &leaf), key: good.key };
    assert_eq!(
        told(&desk, &turned),
        "the private key in good.key belongs to certificate 2 in turned.pem, and not to its \
         first\n\
         put the server's own certificate first: move certificate 2 to the top, then each \
         certificate's issuer after it"
    );
}

#[test]
fn all_errors_come_at_once() {
    let desk = Desk::new();
    let missing = |name: &str| Files { cert: desk.path(name), key: desk.path(name) };
    let files = [missing("a"), desk.issue("good", &["a.example"]), missing("b")];
    let errors = Certificates::load(&files, SystemTime::now()).unwrap_err();
    let read = |error: &TlsError| match error {
        TlsError::Read { file, .. } => file.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(errors.iter().map(read).collect::<Vec<_>>(), [desk.path("a"), desk.path("b")]);
}

#[test]
fn keys_are_not_printed() {
    let desk = Desk::new();
    let files = desk.issue("a", &["a.example"]);
    let certificates = load(std::slice::from_ref(&files));
    let config = server_config(certificates.clone(), &[], &Resumption::new().unwrap(), None);
    let key = inner_key(&files);
    // The secret of a P-256 key, as Rust prints bytes, and in hexadecimal.
    let secret = &key[7..39];
    let list = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let hexadecimal: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in [format!("{certificates:?}"), format!("{config:?}")] {
        assert!(text.contains("a.example"));
        assert!(!text.contains(&list) && !text.contains(&hexadecimal));
    }
    assert!(Path::new(&files.key).exists());
}

#[test]
fn people_are_told_who_issued_a_certificate_and_for_what_kind_of_key() {
    let desk = Desk::new();
    for (algorithm, kind) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "ECDSA P-256"),
        (&rcgen::PKCS_ECDSA_P384_SHA384, "ECDSA P-384"),
        (&PKCS_ED25519, "Ed25519"),
    ] {
        let certificate = desk.load(&desk.issue_with("a", &["a.example"], algorithm, |_| {}));
        assert_eq!(certificate.unwrap().public_key(), kind);
    }
    let issued = desk.load(&desk.issue("a", &["a.example"])).unwrap();
    assert_eq!(issued.issuer(), "the root");
    assert!(issued.begins() < issued.expires());
}

#[test]
fn a_subject_is_written_as_rfc_4514_has_it_and_in_visible_ascii() {
    let desk = Desk::new();
    let subject = |parts: &[(DnType, &str)]| {
        let files = desk.issue_with("client", &[], &PKCS_ECDSA_P256_SHA256, |params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            for (kind, value) in parts {
                params.distinguished_name.push(kind.clone(), *value);
            }
        });
        let whole = leaf(&files);
        distinguished::text(X509Certificate::from_der(&whole).unwrap().1.subject())
    };
    use DnType::{CommonName, CountryName, CustomDnType, OrganizationName, OrganizationalUnitName};
    let parts = [(CountryName, "KR"), (OrganizationName, "Shop, Inc."), (CommonName, "ci")];
    assert_eq!(subject(&parts), "CN=ci,O=Shop\\, Inc.,C=KR", "the last is written first");
    assert_eq!(subject(&[]), "");
    for (value, text) in [
        ("a+b\"c\\d;e<f>g", "CN=a\\+b\\\"c\\\\d\\;e\\<f\\>g"),
        (" both ", "CN=\\ both\\ "),
        ("#1", "CN=\\#1"),
        ("*", "CN=\\2A"),
        ("a\r\nx-admin: 1", "CN=a\\0D\\0Ax-admin: 1"),
        ("홍", "CN=\\ED\\99\\8D"),
        ("x,O=Shop", "CN=x\\,O=Shop"),
    ] {
        assert_eq!(subject(&[(CommonName, value)]), text);
    }
    let of_its_own = CustomDnType(vec![1, 2, 3, 4]);
    assert_eq!(subject(&[(of_its_own, "x")]), "1.2.3.4=#0c0178", "what has no name is bytes");
    let unit = subject(&[(OrganizationalUnitName, "ci"), (OrganizationalUnitName, "build")]);
    assert!(unit == "OU=build" || unit == "OU=build,OU=ci", "{unit}");
}
