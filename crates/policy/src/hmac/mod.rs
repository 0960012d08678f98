//! Requests that their sender signed with a secret that both sides have: method, target, time, nonce and body.
//!
//! What is signed is [`canonical()`], and only that is believed. A request is looked at twice. [`Verifier::admit`] needs no body,
//! so that one is held only for a request that may be good; [`Verifier::verify`] looks at everything, whether or not
//! `admit` was asked before. A request that verifies is good *once*: its caller uses the nonce ([`Believed::nonce`]) up before
//! anything of the request goes on, and refuses it as [`Refusal::Replayed`] where that was used before.
//!
//! The host is not signed, nor are other headers: a secret is for one audience.

mod canonical;
mod presented;
mod refusal;
mod secrets;
mod verifier;

pub use canonical::{BodyDigest, Signed, canonical};
pub use presented::{Header, KEY_ID_BYTES_MAX, Line, NONCE_BYTES, Presented};
pub use refusal::Refusal;
pub use secrets::{SECRET_BYTES_MIN, SecretFault, Secrets};
pub use verifier::{Believed, NonceKey, Verifier, WINDOW_MAX};
