//! Why an order failed.

use std::time::Duration;

/// An order that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Whom it concerns.
    pub kind: FailureKind,
    /// How long the CA asks to be left alone.
    pub retry_after: Option<Duration>,
    /// What went wrong, for people: the CA's own words where it has any.
    pub problem: String,
}

/// Whom a failure concerns: that decides what else waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The CA cannot be reached, or says nothing that makes sense: every order there would fail.
    Unreachable,
    /// The CA has had too many requests, of this certificate or at all.
    RateLimited,
    /// The CA refuses this certificate: a challenge failed, a name is not allowed.
    Refused,
    /// The CA knows an order that replaces the same certificate already (RFC 9773 section 5): one that replaces none may do.
    AlreadyReplaced,
    /// Something here: a disk that is full, a DNS server that takes no record.
    Own,
}
