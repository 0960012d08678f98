//! A certificate that a CA has issued, checked before anybody uses it.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use certificates::{DirectoryUrl, Held};
use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The chain in PEM, its own certificate first.
    pub chain: String,
    /// The private key in PEM (PKCS#8).
    pub key: String,
    /// How long it is good, and whose it is.
    pub held: Held,
}

impl fmt::Debug for Issued {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("held", &self.held).finish_non_exhaustive()
    }
}

/// Why what a CA sent is not the certificate that was ordered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotIssued {
    #[error("what came is no certificate in PEM")]
    NoCertificate,
    #[error("what came is a certificate that cannot be read")]
    Unreadable,
    #[error("the certificate that came is for another key")]
    OtherKey,
    #[error("the certificate that came is not for {0}")]
    OtherNames(String),
}

impl Issued {
    /// What came from `directory` for `names` and `key`.
    pub(crate) fn check(
        chain: String,
        key: &KeyPair,
        names: &[String],
        directory: DirectoryUrl,
    ) -> Result<Self, NotIssued> {
        let certificate = own(&chain).ok_or(NotIssued::NoCertificate)?;
        let (_, read) =
            X509Certificate::from_der(&certificate).map_err(|_| NotIssued::Unreadable)?;
        if read.public_key().raw != key.subject_public_key_info() {
            return Err(NotIssued::OtherKey);
        }
        let alternatives = read.subject_alternative_name().map_err(|_| NotIssued::Unreadable)?;
        let has = |name: &str| {
            let mut all = alternatives.iter().flat_map(|it| &it.value.general_names);
            all.any(|it| is_name(it, name))
        };
        if let Some(name) = names.iter().find(|name| !has(name)) {
            return Err(NotIssued::OtherNames(name.clone()));
        }
        let validity = read.validity();
        let held = Held {
            not_before: of_timestamp(validity.not_before.timestamp()),
            not_after: of_timestamp(validity.not_after.timestamp()),
            directory: Some(directory),
        };
        Ok(Self { key: key.serialize_pem(), chain, held })
    }
}

/// Whether `general` is `name`, which may be an address.
fn is_name(general: &GeneralName<'_>, name: &str) -> bool {
    match (general, name.parse()) {
        (GeneralName::IPAddress(bytes), Ok(IpAddr::V4(address))) => *bytes == address.octets(),
        (GeneralName::IPAddress(bytes), Ok(IpAddr::V6(address))) => *bytes == address.octets(),
        (GeneralName::DNSName(is), Err(_)) => is.eq_ignore_ascii_case(name),
        _ => false,
    }
}

/// The moment so many seconds after 1970; 1970 itself for one before.
pub(crate) fn of_timestamp(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// The first certificate of a chain in PEM.
pub(crate) fn own(chain: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(chain.as_bytes()).next()?.ok()
}
