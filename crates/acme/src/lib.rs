//! CAs. One asked by ACME (RFC 8555): an account, an order from its names to its certificate, and what the CA says of a renewal (RFC 9773).
//! And one of our own, which asks nobody.
//!
//! When something is ordered is `certificates`' to say; where a challenge's answer stands is its [`Solver`]'s. Nothing here is kept,
//! tried again or scheduled, and every failure says whom it concerns. The protocol itself is the crate `instant-acme`'s; its requests
//! go by `outbound`, with that one's bounds.

mod authority;
mod challenge;
mod failure;
mod internal;
mod issued;
mod key;
mod order;
mod proof;
mod records;
mod transport;

pub use authority::{Authority, Credentials, Enrolment, ExternalAccount};
pub use challenge::{Answer, Challenge, ChallengeKind, Scope, Solver};
pub use failure::Refused;
pub use internal::{InternalCa, InternalCaError, LOCALHOST, is_internal, no_internal_ca};
pub use issued::Issued;
pub use key::KeyKind;
pub use order::Wanted;
pub use proof::{TlsProof, tls_proof};
pub use records::TxtRecords;
