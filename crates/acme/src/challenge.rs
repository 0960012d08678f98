//! Challenges: what a CA looks for to believe that a name is ours, and who puts it there.

use futures_util::future::BoxFuture;
use instant_acme::{ChallengeType, KeyAuthorization};

/// How a CA looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeKind {
    /// By HTTP on port 80 (RFC 8555 section 8.3).
    Http01,
    /// By a TLS handshake on port 443 (RFC 8737).
    TlsAlpn01,
    /// By a TXT record (RFC 8555 section 8.4): the only one for wildcards.
    Dns01,
}

impl ChallengeKind {
    pub(crate) fn as_type(self) -> ChallengeType {
        match self {
            Self::Http01 => ChallengeType::Http01,
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Self::Dns01 => ChallengeType::Dns01,
        }
    }

    /// What ACME calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }
}

/// What a CA looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The name that it is about, without `*.`.
    pub name: String,
    /// What is to be there, and where.
    pub answer: Answer,
}

/// What is to be there when the CA looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This body at `/.well-known/acme-challenge/` and the token, on port 80 of the name.
    Http01 {
        /// The last part of the path.
        token: String,
        /// The body.
        body: String,
    },
    /// A certificate with this in its extension `id-pe-acmeIdentifier`, to a client that speaks `acme-tls/1` alone.
    TlsAlpn01 {
        /// The SHA-256 that it has.
        digest: [u8; 32],
    },
    /// A TXT record with this value at `_acme-challenge.` and the name.
    Dns01 {
        /// The record's text.
        value: String,
    },
}

impl Challenge {
    pub(crate) fn new(
        kind: ChallengeKind,
        name: &str,
        token: &str,
        key: &KeyAuthorization,
    ) -> Self {
        let answer = match kind {
            ChallengeKind::Http01 => {
                Answer::Http01 { token: token.to_owned(), body: key.as_str().to_owned() }
            }
            ChallengeKind::TlsAlpn01 => {
                let digest = key.digest();
                let digest = <[u8; 32]>::try_from(digest.as_ref());
                Answer::TlsAlpn01 { digest: digest.expect("a SHA-256 has 32 bytes") }
            }
            ChallengeKind::Dns01 => Answer::Dns01 { value: key.dns_value() },
        };
        Self { name: name.to_owned(), answer }
    }
}

/// What is to be proven of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The name itself.
    Name,
    /// All names one label below it: a wildcard.
    Below,
}

/// Who puts answers where a CA looks.
pub trait Solver: Send + Sync {
    /// The kinds that can be solved for `scope` of `name`, the best first.
    fn kinds(&self, name: &str, scope: Scope) -> Vec<ChallengeKind>;

    /// Puts the answer there. It is done when the CA would find it.
    fn present<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<(), String>>;

    /// Takes it away: the CA has looked, or will not.
    fn withdraw<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, ()>;
}
