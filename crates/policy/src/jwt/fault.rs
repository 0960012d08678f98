//! Why keys cannot be used. Each says what is wrong and what would be right; none shows anything of a secret.

use crate::json::NotJson;

use super::{Algorithm, JWKS_BYTES_MAX, KEYS_MAX};

/// Why one key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// A secret is shorter than the hash.
    #[error(
        "the secret has {has} bytes, and {} needs at least {least} (RFC 7518 section 3.2); `openssl rand -base64 {least}` makes one",
        .algorithm.as_str()
    )]
    SecretTooShort {
        /// The algorithm that it is too short for.
        algorithm: Algorithm,
        /// What it must have, in bytes.
        least: usize,
        /// What it has, in bytes.
        has: usize,
    },
    /// An RSA key that can be broken, or costs too much to check with.
    #[error("an RSA key of {0} bits: 2048 to 8192 are used")]
    RsaSize(usize),
    /// An RSA key whose exponent makes no signature.
    #[error("the exponent of the RSA key is not an odd number from 3 to 33 bits")]
    RsaExponent,
    /// The curve of ES256K.
    #[error("a key on secp256k1 is for ES256K, which is not supported: use P-256 with ES256")]
    Secp256k1,
    /// Another curve.
    #[error("the curve {0:?} is not supported: P-256, P-384, P-521 and Ed25519 are")]
    Curve(String),
    /// Another kind of key.
    #[error("keys of the kind {0:?} are not supported: RSA, EC, Ed25519 and shared secrets are")]
    Kind(String),
    /// It is for encryption.
    #[error("it is not for signatures (`use`, `key_ops`)")]
    NotForSignatures,
    /// It fits none of the algorithms that are configured.
    #[error("it fits none of the configured algorithms")]
    NotAsked,
    /// A published document has a secret in it.
    #[error(
        "a document that everybody can read has a secret or a private key in it: replace that key"
    )]
    Published,
    /// A private key stands where a public one belongs.
    #[error("a private key: only its public half belongs here (`openssl pkey -in KEY -pubout`)")]
    Private,
    /// Its text is not what it should be.
    #[error("{0}")]
    Malformed(&'static str),
    /// The numbers make no key.
    #[error("its numbers make no valid key")]
    Rejected,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// More bytes than are read.
    #[error("the document has more than {} KiB", JWKS_BYTES_MAX >> 10)]
    TooLarge,
    /// More keys than are kept.
    #[error("the document has more than {KEYS_MAX} keys")]
    TooMany,
    /// Not JSON.
    #[error(transparent)]
    NotJson(#[from] NotJson),
    /// JSON, and not a JWK Set.
    #[error("not a JWK Set: an object with a list `keys` (RFC 7517 section 5)")]
    NotJwks,
    /// Not PEM.
    #[error("not PEM: {0}")]
    NotPem(&'static str),
    /// One of the keys.
    #[error("key {number}: {fault}")]
    Key {
        /// Its place in the file, from 1 on.
        number: usize,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// The shared secret.
    #[error(transparent)]
    Secret(KeyFault),
    /// Keys that nobody could tell apart, where each stands for somebody.
    #[error(
        "several keys, and {0} without an id: write a line `Key-Id: NAME` before each in a PEM file, or `kid` in a JWK Set"
    )]
    Unnamed(usize),
    /// No key in a document that may have others.
    #[error("none of its {0} keys can be used{1}")]
    NoneUsable(usize, FirstFault),
}

/// Why the first of several keys cannot be used, where there is one.
#[derive(Debug)]
pub struct FirstFault(pub Option<KeyFault>);

impl std::fmt::Display for FirstFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(fault) => write!(f, "; the first: {fault}"),
            None => Ok(()),
        }
    }
}
