//! Signed requests: with a secret that both sides have, and as RFC 9421 has them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::auth::{Document, JwtAlgorithm, Secret};

/// Which requests signed with a secret are believed. The subject is the secret's id, or, where there is only one, the
/// authentication's name; it is the claim `sub`, too, and there are no other claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hmac {
    /// What signs.
    pub secrets: HmacSecrets,
    /// How far the time of a signature may be from ours, to both sides: whole seconds, at most an hour.
    pub window: Duration,
}

/// What signs requests: at least 32 bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HmacSecrets {
    /// One secret, whatever a request calls it.
    One(Secret),
    /// Several, by their ids: never empty.
    ById(BTreeMap<String, Secret>),
}

/// Which signatures of messages (RFC 9421) are believed. The subject is the key's id, or, where the only key has none, the authentication's
/// name; it is the claim `sub`, too, and there are no other claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSignature {
    /// The keys of those who sign: PEM with ids, or a JWK Set.
    pub keys: Document,
    /// The algorithms that may sign: never empty, each once.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// The components that a signature must cover, as RFC 9421 writes them, without the quotes around a name that has no parameters.
    pub covered: Vec<String>,
    /// How far `created` may be from our time, to both sides: whole seconds, at most an hour.
    pub window: Duration,
    /// What `tag` must be, if anything.
    pub tag: Option<String>,
    /// Whether each signature is good once.
    pub nonce: NonceRule,
}

/// What becomes of the nonces of signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NonceRule {
    /// Each signature must have one, and each is good once.
    #[default]
    Required,
    /// They are not looked at: a request is good as often as it comes within the window.
    Ignored,
}

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident = $text:literal as $jose:ident;)*) => {
        /// An algorithm that signs messages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SignatureAlgorithm {
            $($(#[$doc])* $name,)*
        }

        impl SignatureAlgorithm {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name),*];
            /// What each is called.
            pub const WORDS: &[&str] = &[$($text),*];

            /// What `alg` says of it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The algorithm of tokens that is the same: keys say of themselves by its name what they are for.
            pub const fn jose(self) -> JwtAlgorithm {
                match self {
                    $(Self::$name => JwtAlgorithm::$jose,)*
                }
            }

            /// The one that `alg` says. Names are compared as they are.
            pub fn named(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

algorithms! {
    /// RSASSA-PSS with SHA-512.
    RsaPssSha512 = "rsa-pss-sha512" as Ps512;
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaV15Sha256 = "rsa-v1_5-sha256" as Rs256;
    /// HMAC with SHA-256.
    HmacSha256 = "hmac-sha256" as Hs256;
    /// ECDSA over P-256 with SHA-256.
    EcdsaP256Sha256 = "ecdsa-p256-sha256" as Es256;
    /// ECDSA over P-384 with SHA-384.
    EcdsaP384Sha384 = "ecdsa-p384-sha384" as Es384;
    /// EdDSA over Ed25519.
    Ed25519 = "ed25519" as EdDsa;
}
