//! A CA of Plimsoll's own: a root, and the certificates that it signs. It knows no network and no disk; who keeps it writes down [`InternalCa::expose`].
//!
//! The root is for a machine's own clients, who are given it by hand; so it lasts long, and what it signs does not.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use certificates::DirectoryUrl;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::issued::{Issued, of_timestamp, own};
use crate::key::KeyKind;

const DAY: Duration = Duration::from_secs(86_400);

/// How long a root is good: longer than what trusts it is in use.
const ROOT_LIFETIME: Duration = DAY.saturating_mul(3_650);

/// How long a certificate is good.
const LIFETIME: Duration = DAY.saturating_mul(7);

/// Everything is good from so long ago: clocks of clients differ.
const BACKDATED: Duration = Duration::from_secs(3_600);

/// Where a certificate begins in PEM.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// The name that every machine has for itself (RFC 6761 section 6.3). Its certificate is for the loopback addresses, too.
pub const LOCALHOST: &str = "localhost";

/// A CA of Plimsoll's own, with its key.
pub struct InternalCa {
    issuer: Issuer<'static, KeyPair>,
    root: String,
    name: String,
    fingerprint: String,
    not_after: SystemTime,
}

impl fmt::Debug for InternalCa {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("InternalCa");
        debug
            .field("name", &self.name)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Why there is no such CA, or no certificate of it.
#[derive(Debug, thiserror::Error)]
pub enum InternalCaError {
    /// What was kept of it is not what was written.
    #[error("what was kept is no authority: a key and its certificate in PEM are expected")]
    NoAuthority,
    /// The certificate that was kept is for another key.
    #[error("the key that was kept is not that of the certificate beside it")]
    OtherKey,
    /// No key could be made or used, or a name cannot stand in a certificate.
    #[error(transparent)]
    Signing(#[from] rcgen::Error),
    /// What it signed is not what was asked for.
    #[error("the certificate that was signed cannot be used: {0}")]
    Unusable(String),
}

impl InternalCa {
    /// Makes one, for the machine called `host`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn make(host: &str, now: SystemTime) -> Result<Self, InternalCaError> {
        let mut params = CertificateParams::default();
        params.not_before = now.into();
        let day = params.not_before.date();
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + ROOT_LIFETIME).into();
        params.distinguished_name = DistinguishedName::new();
        let name = format!("Plimsoll internal CA of {host}, {day}");
        params.distinguished_name.push(DnType::CommonName, name);
        // It signs no other CA.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyKind::P256.generate()?;
        let root = params.self_signed(&key)?.pem();
        Self::of(key, root)
    }

    /// The one that was written down as `kept`.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(kept: &str) -> Result<Self, InternalCaError> {
        let key = KeyPair::from_pem(kept).map_err(|_| InternalCaError::NoAuthority)?;
        let at = kept.find(BEGIN).ok_or(InternalCaError::NoAuthority)?;
        Self::of(key, kept[at..].to_owned())
    }

    fn of(key: KeyPair, root: String) -> Result<Self, InternalCaError> {
        let der = own(&root).ok_or(InternalCaError::NoAuthority)?;
        let (_, read) =
            X509Certificate::from_der(&der).map_err(|_| InternalCaError::NoAuthority)?;
        if !read.is_ca() {
            return Err(InternalCaError::NoAuthority);
        }
        if read.public_key().raw != key.subject_public_key_info() {
            return Err(InternalCaError::OtherKey);
        }
        let name = read.subject().iter_common_name().find_map(|it| it.as_str().ok());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
        Ok(Self {
            name: name.unwrap_or_default().to_owned(),
            fingerprint: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_after: of_timestamp(read.validity().not_after.timestamp()),
            issuer: Issuer::from_ca_cert_der(&der, key)?,
            root,
        })
    }

    /// What is to be written down of it, and shown to nobody: its key and its certificate, in PEM.
    pub fn expose(&self) -> String {
        format!("{}{}", self.issuer.key().serialize_pem(), self.root)
    }

    /// Its certificate, in PEM: what its clients are given.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// What people find it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of its certificate, in hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Until when it is good.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether a certificate that it signs at `now` is good as long as others.
    pub fn outlasts_a_certificate(&self, now: SystemTime) -> bool {
        self.not_after.duration_since(now).is_ok_and(|left| left > LIFETIME)
    }

    /// What stands for a directory of it: another root is another one.
    pub fn directory(&self) -> DirectoryUrl {
        DirectoryUrl::new(format!("{DIRECTORY}/{}", &self.fingerprint[..16]))
    }

    /// Signs a certificate for `host`, which may begin with `*.`, or be an address, with a key of its own.
    ///
    /// # Errors
    /// When no key can be made, or `host` is no name.
    pub fn issue(&self, host: &str, now: SystemTime) -> Result<Issued, InternalCaError> {
        let names = [host.to_owned()];
        let mut params = CertificateParams::new(names.clone())?;
        if host == LOCALHOST {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            params.subject_alt_names.extend(loopback.map(SanType::IpAddress));
        }
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + LIFETIME).min(self.not_after).into();
        // Names stand in the extension alone.
        params.distinguished_name = DistinguishedName::new();
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyKind::P256.generate()?;
        let chain = params.signed_by(&key, &self.issuer)?.pem();
        Issued::check(chain, &key, &names, self.directory())
            .map_err(|error| InternalCaError::Unusable(error.to_string()))
    }
}

/// What begins the text that stands for a directory of such a CA.
const DIRECTORY: &str = "internal";

/// Whether `directory` stands for a CA of Plimsoll's own.
pub fn is_internal(directory: &DirectoryUrl) -> bool {
    directory.as_str().split('/').next() == Some(DIRECTORY)
}

/// What stands for its directory while there is none that can be used.
pub fn no_internal_ca() -> DirectoryUrl {
    DirectoryUrl::new(DIRECTORY)
}

#[cfg(test)]
mod tests;
