//! Certificates that are ordered of a CA by ACME: `tls.acme` of listeners, and `[acme]`.

use std::net::SocketAddr;

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
    /// Who changes the zones of the hosts; without, nothing is proven by DNS.
    pub dns: Option<Dns>,
}

/// Who changes the zones in which a CA looks for proofs (RFC 8555 section 8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// How.
    pub provider: DnsProvider,
    /// The zones' own servers; those that their NS records name where there are none here.
    pub servers: Vec<SocketAddr>,
}

/// How a zone is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsProvider {
    /// By a DNS server that takes updates (RFC 2136).
    Rfc2136(UpdateServer),
    /// By the API of who hosts it.
    Hosted {
        /// Who does.
        host: DnsHost,
        /// What lets us in.
        token: Secret,
    },
}

/// A DNS server that takes updates which are signed with a key that both have (RFC 8945).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it calls the key.
    pub key_name: String,
    /// The key.
    pub secret: Secret,
    /// What the key is for.
    pub hash: TsigHash,
}

/// The hash of an HMAC that signs updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TsigHash {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Who hosts zones, and has an API with one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are names")]
pub enum DnsHost {
    Bunny,
    Cloudflare,
    Desec,
    DigitalOcean,
    Gandi,
    Gcore,
    Hetzner,
    Infomaniak,
    Ionos,
    Linode,
    Ns1,
    Scaleway,
    Vultr,
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
