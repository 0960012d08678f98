//! Signed tokens (RFC 7519) in the compact serialisation (RFC 7515), checked on aws-lc with keys that were compiled once.
//!
//! A token is believed for what its issuer signed and for nothing that it says of itself: `alg` must be among the
//! configured algorithms *and* fit a key, each key has the checks of its own kind only, `kid` picks among the keys
//! that are there, and `jwk`, `jku`, `x5u` and `x5c` are not looked at. Reading is strict (see [`crate::json`]): what
//! two readers could read in two ways is refused, before as well as after the signature.
//!
//! [`Keys`] are what an issuer signs with, [`Verifier`] is what the configuration demands, and
//! [`Verifier::verify`] holds a token against both.

mod algorithm;
mod compact;
mod configured;
mod fault;
mod jwks;
mod key;
mod keys;
mod pem;
mod reason;
mod refusal;
#[cfg(test)]
mod vectors;
mod verifier;

pub use algorithm::secret_bytes_min;
pub use compact::{TOKEN_BYTES_MAX, unverified_issuer};
pub use fault::{KeyFault, KeysError};
pub use jwks::{JWKS_BYTES_MAX, Provenance};
pub(crate) use keys::Signer;
pub use keys::{KEYS_MAX, Keys, Skipped};
pub use model::JwtAlgorithm as Algorithm;
pub use reason::Reason;
pub use refusal::Refusal;
pub use verifier::{Expiry, Period, Verified, Verifier};
