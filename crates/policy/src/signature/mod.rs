//! Signed requests as RFC 9421 has them, with the digest of their content (RFC 9530).
//!
//! A request may have several signatures, each with a label of its own; one that covers what is demanded, was made in time and by a key that
//! is known is enough. The algorithm is chosen by the configuration and the key: what a signature says of it (`alg`) must be the same, and
//! decides nothing. What is signed are bytes that are made of the message again ([`base()`]), in one way only: a component that is there twice, a parameter that is
//! not understood, a dictionary with a key twice and a value that is not ASCII are refused rather than read.
//!
//! [`Verifier::verify`] needs no body: the signature is over the digest. Whose it is and that it is whole is known before a byte of the body is
//! held; [`Pending::complete`] then holds the digest against the body. As in [`crate::hmac`] the caller uses the nonce up last.

mod base;
mod component;
mod configured;
mod digest;
mod field;
mod input;
mod keys;
mod message;
mod pending;
mod query;
mod refusal;
mod signer;
mod structured;
mod verifier;

pub use base::base;
pub use component::{Component, ComponentFault};
pub use configured::{Configured, ConfiguredFault};
pub use digest::ContentDigest;
pub use input::{COMPONENTS_MAX, FIELD_BYTES_MAX, Input, SIGNATURES_MAX, inputs};
pub use keys::keys;
pub use message::{Field, Message};
pub use model::{NonceRule, SignatureAlgorithm as Algorithm};
pub use pending::{Believed, NonceKey, Pending};
pub use refusal::Refusal;
pub use verifier::{BodyPresence, NONCE_BYTES_MAX, Verifier, WINDOW_MAX};
