//! One certificate chain with its private key, read from PEM files and checked.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::Validity;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Error, X509Version};
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use super::fault::{TlsError, Warning};

/// What renews certificates by itself has done so long before: certbot leaves 30 days of 90.
const RENEWED_BEFORE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Where a certificate chain and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// PEM: the server's own certificate, then its issuer's, and so on.
    pub cert: PathBuf,
    /// PEM: the private key, as PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// A certificate chain whose private key is known to belong to it.
#[derive(Clone)]
pub struct Certificate {
    files: Files,
    names: Vec<Box<str>>,
    begins: SystemTime,
    expires: SystemTime,
    issuer: Box<str>,
    public_key: Box<str>,
    warnings: Vec<Warning>,
    pub(super) key: Arc<CertifiedKey>,
}

impl Certificate {
    /// Reads and checks `files`. What is doubtful at the time `now`, but may be served, is told
    /// by [`Certificate::warnings`].
    ///
    /// # Errors
    /// When a file cannot be read, is not what it should be, or the two do not belong together.
    pub fn load(files: &Files, now: SystemTime) -> Result<Self, TlsError> {
        let (cert, key) = (read(&files.cert), read(&files.key));
        let mut loaded = Self::of_pem(files, &cert?, &key?, now)?;
        loaded.warnings.extend(open_key(&files.key));
        Ok(loaded)
    }

    /// Checks what was read, or is to be written, as `files` likewise.
    ///
    /// # Errors
    /// When it is not what it should be, or the two do not belong together.
    pub fn of_pem(
        files: &Files,
        cert: &[u8],
        key: &[u8],
        now: SystemTime,
    ) -> Result<Self, TlsError> {
        let chain = read_chain(&files.cert, cert)?;
        let parsed = parse_chain(&files.cert, &chain)?;
        check_version(&files.cert, &parsed)?;
        let key = read_key(&files.key, key)?;
        let key = any_supported_type(&key)
            .map_err(|source| TlsError::UnusableKey { file: files.key.clone(), source })?;
        let key = CertifiedKey::new(chain.clone(), key);
        check_match(files, &key)?;

        let leaf = parsed.first().expect("a chain that was read is not empty");
        let names = dns_names(leaf);
        let begins = system_time(leaf.validity().not_before);
        let expires = system_time(leaf.validity().not_after);
        let (issuer, public_key) = (issuer(leaf), public_key(leaf));
        let warnings = warnings(&files.cert, &parsed, &names, now);
        let (files, key) = (files.clone(), Arc::new(key));
        Ok(Self { files, names, begins, expires, issuer, public_key, warnings, key })
    }

    /// Where it was read from.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The hosts that it is for, in lower case; `*.` begins a wildcard.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// From when on it is good.
    pub fn begins(&self) -> SystemTime {
        self.begins
    }

    /// Who issued it, for people: the organization and the name that stand in it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What kind of key it is for, for people: `ECDSA P-256`, `RSA 2048`.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// When it expires.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// What was doubtful when it was loaded.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Without the key.
impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Certificate");
        debug.field("files", &self.files).field("names", &self.names).finish_non_exhaustive()
    }
}

/// What stands in `file`.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|source| TlsError::Read { file: file.to_owned(), source })
}

pub(super) type Section = (SectionKind, Vec<u8>);

/// The sections of `file`, in which `text` stands.
pub(super) fn sections(file: &Path, text: &[u8]) -> Result<Vec<Section>, TlsError> {
    let sections = Section::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { file: file.to_owned(), source });
    // A passphrase's parameters are no base64, so that an old encrypted key looks broken.
    match sections {
        Err(_) if is_encrypted(text) => Ok(Vec::new()),
        sections => sections,
    }
}

/// The certificates in `file`, in which `text` stands: at least one.
pub(super) fn read_chain(
    file: &Path,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let sections = sections(file, text)?;
    let holds = describe(text, &sections);
    let is_certificate = |(kind, _): &Section| *kind == SectionKind::Certificate;
    let chain: Vec<_> =
        sections.into_iter().filter(is_certificate).map(|(_, der)| der.into()).collect();
    match (chain.is_empty(), holds) {
        (false, _) => Ok(chain),
        (true, Some(holds)) => Err(TlsError::NoCertificate { file: file.to_owned(), holds }),
        (true, None) => Err(not_pem(file, text)),
    }
}

fn read_key(file: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    let sections = sections(file, text)?;
    let holds = describe(text, &sections);
    let key = sections.into_iter().find_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
    match (key, holds) {
        (Some(key), _) => Ok(key),
        (None, _) if is_encrypted(text) => Err(TlsError::EncryptedKey { file: file.to_owned() }),
        (None, Some(holds)) => Err(TlsError::NoKey { file: file.to_owned(), holds }),
        (None, None) => Err(not_pem(file, text)),
    }
}

/// What a file holds, in words; `None` if that is no PEM at all.
pub(super) fn describe(text: &[u8], sections: &[Section]) -> Option<&'static str> {
    let kinds = || sections.iter().map(|(kind, _)| kind);
    let is_key = |kind: &SectionKind| {
        use SectionKind::{EcPrivateKey, PrivateKey, RsaPrivateKey};
        matches!(kind, EcPrivateKey | PrivateKey | RsaPrivateKey)
    };
    if is_encrypted(text) || kinds().any(is_key) {
        Some("a private key")
    } else if kinds().any(|kind| *kind == SectionKind::Certificate) {
        Some("a certificate")
    } else if kinds().any(|kind| *kind == SectionKind::Crl) {
        Some("a list of revoked certificates")
    } else if kinds().any(|kind| *kind == SectionKind::Csr) {
        Some("a certificate request, which its issuer turns into a certificate")
    } else if contains(text, b"-----BEGIN ") {
        Some("something else")
    } else {
        None
    }
}

/// Encrypted as PKCS#8 (RFC 5958), or as RFC 1421 has it.
fn is_encrypted(text: &[u8]) -> bool {
    contains(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(text, b"Proc-Type: 4,ENCRYPTED")
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(text, what).is_some()
}

pub(super) fn not_pem(file: &Path, text: &[u8]) -> TlsError {
    // The tag of an ASN.1 sequence, with a length of two bytes.
    let is_der = text.starts_with(&[0x30, 0x82]);
    TlsError::NotPem { file: file.to_owned(), is_der }
}

/// What stands in the certificates of `file`.
pub(super) fn parse_chain<'a>(
    file: &Path,
    chain: &'a [CertificateDer<'_>],
) -> Result<Vec<X509Certificate<'a>>, TlsError> {
    let parse = |(index, der): (usize, &'a CertificateDer<'_>)| {
        whole(X509Certificate::from_der(der)).map_err(|source| TlsError::MalformedCertificate {
            file: file.to_owned(),
            position: index + 1,
            source,
        })
    };
    chain.iter().enumerate().map(parse).collect()
}

/// What was parsed, if nothing stands behind it.
pub(super) fn whole<T>(
    parsed: Result<(&[u8], T), x509_parser::nom::Err<X509Error>>,
) -> Result<T, X509Error> {
    match parsed {
        Ok(([], value)) => Ok(value),
        Ok(_) | Err(x509_parser::nom::Err::Incomplete(_)) => Err(X509Error::InvalidCertificate),
        Err(x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error)) => {
            Err(error)
        }
    }
}

/// What has no extensions names no host, and rustls takes it for nothing.
fn check_version(file: &Path, chain: &[X509Certificate<'_>]) -> Result<(), TlsError> {
    let version = chain.first().map_or(X509Version::V3, |leaf| leaf.tbs_certificate.version);
    match version {
        X509Version::V3 => Ok(()),
        older => Err(TlsError::OldVersion { file: file.to_owned(), version: older.0 + 1 }),
    }
}

fn check_match(files: &Files, key: &CertifiedKey) -> Result<(), TlsError> {
    let Err(source) = key.keys_match() else { return Ok(()) };
    let (cert, key_file) = (files.cert.clone(), files.key.clone());
    let is_of = |der: &CertificateDer<'static>| {
        CertifiedKey::new(vec![der.clone()], key.key.clone()).keys_match().is_ok()
    };
    Err(match key.cert.iter().position(is_of) {
        Some(index) => TlsError::NotLeafFirst { cert, key: key_file, position: index + 1 },
        None if matches!(source, rustls::Error::InconsistentKeys(_)) => {
            TlsError::KeyMismatch { cert, key: key_file }
        }
        None => TlsError::UnusableCertificate { file: cert, source },
    })
}

/// The DNS names among the subject alternative names. The common name has not counted since
/// RFC 6125 (RFC 9525 §2), and addresses are never asked for by name (RFC 6066 §3).
fn dns_names(leaf: &X509Certificate<'_>) -> Vec<Box<str>> {
    let extension = leaf.subject_alternative_name().ok().flatten();
    let names = extension.iter().flat_map(|extension| &extension.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
            _ => None,
        })
        .collect()
}

/// Who issued `leaf`, for people.
fn issuer(leaf: &X509Certificate<'_>) -> Box<str> {
    let issuer = leaf.issuer();
    let organization = issuer.iter_organization().find_map(|it| it.as_str().ok());
    let name = issuer.iter_common_name().find_map(|it| it.as_str().ok());
    match (organization, name) {
        (Some(organization), Some(name)) => format!("{organization} {name}").into(),
        (Some(only), None) | (None, Some(only)) => only.into(),
        (None, None) => "unnamed".into(),
    }
}

/// What kind of key `leaf` is for, for people.
fn public_key(leaf: &X509Certificate<'_>) -> Box<str> {
    match leaf.public_key().parsed() {
        Ok(PublicKey::EC(point)) => format!("ECDSA P-{}", point.key_size()).into(),
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()).into(),
        _ => "Ed25519".into(),
    }
}

/// Says so if others may use the key. Its group may read it, as Debian's `ssl-cert` does.
fn open_key(file: &Path) -> Option<Warning> {
    let mode = fs::metadata(file).ok()?.mode() & 0o777;
    (mode & 0o026 != 0).then(|| Warning::OpenKey { file: file.to_owned(), mode })
}

fn warnings(
    file: &Path,
    chain: &[X509Certificate<'_>],
    names: &[Box<str>],
    now: SystemTime,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let file = || file.to_owned();
    for (position, certificate) in (1..).zip(chain) {
        let validity = certificate.validity();
        let ago = now.duration_since(system_time(validity.not_after));
        let ahead = system_time(validity.not_before).duration_since(now);
        warnings.extend(ago.map(|ago| Warning::Expired { file: file(), position, ago }));
        warnings.extend(soon(validity, now).map(|ahead| Warning::ExpiresSoon {
            file: file(),
            position,
            ahead,
        }));
        warnings.extend(ahead.map(|ahead| Warning::NotYetValid { file: file(), position, ahead }));
    }
    if names.is_empty() {
        warnings.push(Warning::NoNames { file: file() });
    }
    let is_issued =
        |pair: &[X509Certificate<'_>]| pair[0].issuer().as_raw() == pair[1].subject().as_raw();
    if let Some(index) = chain.windows(2).position(|pair| !is_issued(pair)) {
        warnings.push(Warning::Order { file: file(), position: index + 1 });
    }
    warnings
}

/// How long a certificate is still valid, where that is less than a renewal that works would leave:
/// two weeks, or a quarter of a short life.
fn soon(validity: &Validity, now: SystemTime) -> Option<Duration> {
    let end = system_time(validity.not_after);
    let life = end.duration_since(system_time(validity.not_before)).unwrap_or_default();
    let left = end.duration_since(now).ok()?;
    (left < RENEWED_BEFORE.min(life / 4)).then_some(left)
}

/// The same time.
pub(super) fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time =
        if time.timestamp() < 0 { epoch.checked_sub(seconds) } else { epoch.checked_add(seconds) };
    time.expect("years 0 to 9999 can be told")
}
