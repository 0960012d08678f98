//! Writes TXT records where a CA looks for them (dns-01, RFC 8555 section 8.4): by RFC 2136 with a TSIG key, or by the API of who hosts the zone.
//!
//! What is written counts only once each of the zone's own servers says it: a CA asks any of them, and one that has not heard of it yet fails an order and
//! costs a part of the CA's limits. The updates themselves are the crate `dns-update`'s, which knows the hosts' APIs.

mod ask;
mod provider;
mod records;
mod zone;

pub use provider::ProviderError;
pub use records::Records;
