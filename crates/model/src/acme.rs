//! Certificates that are ordered of a CA by ACME: `tls.acme` of listeners, and `[acme]`.

use crate::auth::{Document, Secret};

/// How certificates are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// Whom the CA writes to.
    pub email: String,
    /// The URLs of CAs' directories, the first unless it fails; never empty, none twice.
    pub directories: Vec<String>,
    /// What the certificates of the directories' own servers are checked with; the system's authorities where it is absent.
    pub ca: Option<Document>,
    /// The account that there is with the CA already (RFC 8555 section 7.3.4).
    pub external_account: Option<ExternalAccount>,
    /// Which of the CA's profiles; its own choice where there is none.
    pub profile: Option<String>,
    /// What kind of key each certificate is for.
    pub key: CertificateKey,
}

/// An account with a CA outside of ACME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAccount {
    /// What the CA calls its key.
    pub key_id: String,
    /// The key itself: the bytes of an HMAC key.
    pub secret: Secret,
}

/// What kind of key a certificate is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateKey {
    /// ECDSA with P-256.
    #[default]
    P256,
    /// ECDSA with P-384.
    P384,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 4096 bits.
    Rsa4096,
}
