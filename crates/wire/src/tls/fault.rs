//! What can be wrong with a certificate's files, and how it is mended.
//!
//! No message ever holds a part of a private key.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::pem;
use rustls::server::VerifierBuilderError;
use x509_parser::error::X509Error;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("{} cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no PEM section in the file.
    #[error("{} is not a PEM file", file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// It looks like the binary form of what PEM writes as text.
        is_der: bool,
    },
    /// A PEM section is broken.
    #[error("{} has a broken PEM section", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What is broken.
        source: pem::Error,
    },
    /// A PEM file without a certificate.
    #[error("{} holds no certificate, but {holds}", file.display())]
    NoCertificate {
        /// The file.
        file: PathBuf,
        /// What it holds.
        holds: &'static str,
    },
    /// A certificate that is no X.509.
    #[error("certificate {position} in {} is malformed", file.display())]
    MalformedCertificate {
        /// The file.
        file: PathBuf,
        /// Its place in the file, from 1.
        position: usize,
        /// What is malformed.
        source: X509Error,
    },
    /// A PEM file without a private key.
    #[error("{} holds no private key, but {holds}", file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
        /// What it holds.
        holds: &'static str,
    },
    /// The private key needs a passphrase.
    #[error("the private key in {} is encrypted", file.display())]
    EncryptedKey {
        /// The file.
        file: PathBuf,
    },
    /// The private key is malformed, or of a kind that is not supported.
    #[error("the private key in {} cannot be used", file.display())]
    UnusableKey {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The key belongs to a certificate of the chain, but not to its first.
    #[error(
        "the private key in {} belongs to certificate {position} in {}, and not to its first",
        key.display(), cert.display()
    )]
    NotLeafFirst {
        /// The chain's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The place of the certificate that it belongs to, from 1.
        position: usize,
    },
    /// The key belongs to none of the certificates.
    #[error(
        "the private key in {} does not belong to the certificate in {}",
        key.display(), cert.display()
    )]
    KeyMismatch {
        /// The chain's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate is of a version of X.509 that has no place for the names of hosts.
    #[error("the certificate in {} is X.509 v{version}, which names no host", file.display())]
    OldVersion {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The certificate is of a kind that is not supported.
    #[error("the certificate in {} cannot be used", file.display())]
    UnusableCertificate {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A certificate that no other can be checked by.
    #[error("certificate {position} in {} cannot be an authority", file.display())]
    UnusableAuthority {
        /// The file.
        file: PathBuf,
        /// Its place in the file, from 1.
        position: usize,
        /// Why.
        source: rustls::Error,
    },
    /// The system has no authorities to check certificates by.
    #[error("the system has no certificates of authorities ({why})")]
    NoSystemAuthorities {
        /// Why not.
        why: String,
    },
    /// A PEM file without a list of revoked certificates.
    #[error("{} holds no list of revoked certificates, but {holds}", file.display())]
    NoRevocations {
        /// The file.
        file: PathBuf,
        /// What it holds.
        holds: &'static str,
    },
    /// A list of revoked certificates that is none of X.509.
    #[error("list {position} of revoked certificates in {} is malformed", file.display())]
    MalformedRevocations {
        /// The file.
        file: PathBuf,
        /// Its place in the file, from 1.
        position: usize,
        /// What is malformed.
        source: X509Error,
    },
    /// A list of revoked certificates of a kind that is not supported.
    #[error("the lists of revoked certificates in {} cannot be used", file.display())]
    UnusableRevocations {
        /// The file.
        file: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
}

impl TlsError {
    /// How it is mended.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "check the path; a relative one begins at the \
                     directory that plimsoll was started in"
                    .into(),
                io::ErrorKind::PermissionDenied => {
                    "let the user that plimsoll runs as read the file".into()
                }
                _ => "check that it is a file and that its disk is there".into(),
            },
            Self::NotPem { file, is_der: true } => format!(
                "if it is DER, convert it: openssl x509 -inform der -in {file} -out {file}.pem \
                 (for a key, pkey in place of x509)",
                file = file.display()
            ),
            Self::NotPem { is_der: false, .. } => {
                "a PEM file has lines like -----BEGIN CERTIFICATE-----".into()
            }
            Self::Pem { .. } => "copy the file again; each section needs its BEGIN line, base64 \
                 and its END line"
                .into(),
            Self::NoCertificate { .. } => {
                "name the certificate's file here, with the intermediate certificates after it; \
                 perhaps cert and key are swapped"
                    .into()
            }
            Self::OldVersion { .. } => "make it anew with the hosts as subject alternative names, \
                 as in: openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem \
                 -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
                .into(),
            Self::UnusableCertificate { .. } => "ask its issuer for one with an RSA, ECDSA or \
                 Ed25519 key"
                .into(),
            Self::MalformedCertificate { .. } => {
                "copy the file again, or ask its issuer for a new one".into()
            }
            Self::NoKey { .. } => {
                "name the private key's file here: PKCS#8, PKCS#1 or SEC1; perhaps cert and key \
                 are swapped"
                    .into()
            }
            Self::EncryptedKey { file } => format!(
                "write it without its passphrase, readable for plimsoll alone: openssl pkey -in \
                 {file} -out {file}.clear",
                file = file.display()
            ),
            Self::UnusableKey { .. } => {
                "make a new one, for example: openssl genpkey -algorithm EC -pkeyopt \
                 ec_paramgen_curve:P-256"
                    .into()
            }
            Self::NotLeafFirst { position, .. } => format!(
                "put the server's own certificate first: move certificate {position} to the top, \
                 then each certificate's issuer after it"
            ),
            Self::KeyMismatch { .. } => "take the key that the certificate was requested with; \
                 after a renewal both files must change"
                .into(),
            Self::UnusableAuthority { .. } => "name the certificates of the authorities that sign \
                 the others: the root, or what issues them"
                .into(),
            Self::NoSystemAuthorities { .. } => {
                "install `ca-certificates`, or name the file of the authorities as `ca`".into()
            }
            Self::NoRevocations { .. } => "name the lists of revoked certificates here, one for \
                 each authority, and its certificate in `ca`"
                .into(),
            Self::MalformedRevocations { .. } => {
                "copy the file again, or ask its authority for a new one".into()
            }
            Self::UnusableRevocations { .. } => {
                "ask the authority for a list of version 2 that is \
                 whole and for all of its certificates (no delta, not split by reason)"
                    .into()
            }
        }
    }
}

/// What is doubtful about a certificate that is used all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Clients will refuse it.
    #[error("certificate {position} in {} expired {} ago", file.display(), Span(*ago))]
    Expired {
        /// The chain's file.
        file: PathBuf,
        /// Its place in the file, from 1.
        position: usize,
        /// How long ago.
        ago: Duration,
    },
    /// Clients will refuse it soon: what was to renew it has not.
    #[error("certificate {position} in {} expires in {}", file.display(), Span(*ahead))]
    ExpiresSoon {
        /// The chain's file.
        file: PathBuf,
        /// Its place in the file, from 1.
        position: usize,
        /// How long still.
        ahead: Duration,
    },
    /// Clients will refuse it for now, or our clock is wrong.
    #[error(
        "certificate {position} in {} is not valid before {} from now",
        file.display(), Span(*ahead)
    )]
    NotYetValid {
        /// The chain's file.
        file: PathBuf,
        /// Its place in the file, from 1.
        position: usize,
        /// How long still.
        ahead: Duration,
    },
    /// A certificate is not followed by its issuer's. Not all clients find their way.
    #[error(
        "certificate {position} in {} was not issued by the one after it: each certificate's \
         issuer must follow it",
        file.display()
    )]
    Order {
        /// The chain's file.
        file: PathBuf,
        /// The place of the certificate, from 1.
        position: usize,
    },
    /// Others than its owner and its group can be the server that the key proves to be, or put
    /// another key in its place.
    #[error(
        "the key in {} can be {} by others (mode {mode:04o}): `chmod o-rwx,g-w` it",
        file.display(), if *mode & 0o022 == 0 { "read" } else { "written" }
    )]
    OpenKey {
        /// The key's file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The authority was to have made a new one: what it revoked since is not known.
    #[error(
        "list {position} of revoked certificates in {} was to be replaced {} ago: what was revoked \
         since is let in",
        file.display(), Span(*ago)
    )]
    OldRevocations {
        /// The lists' file.
        file: PathBuf,
        /// Its place in the file, from 1.
        position: usize,
        /// How long ago.
        ago: Duration,
    },
    /// Where there are lists, what is on none is known of no certificate, and so lets nobody in.
    #[error(
        "{} has no list of what `{authority}` revoked: its clients are refused",
        file.display()
    )]
    NoRevocationsOf {
        /// The lists' file.
        file: PathBuf,
        /// The authority, as RFC 4514 writes it.
        authority: String,
    },
    /// Without a DNS name among its subject alternative names it is for no host.
    #[error("the certificate in {} names no host (its common name does not count)", file.display())]
    NoNames {
        /// The chain's file.
        file: PathBuf,
    },
}

/// A time in the unit that a person would say it in.
struct Span(Duration);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        let (count, unit) = match self.0.as_secs() {
            seconds @ ..HOUR => (seconds / 60, "minute"),
            seconds @ ..DAY => (seconds / HOUR, "hour"),
            seconds => (seconds / DAY, "day"),
        };
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} {unit}{plural}")
    }
}
