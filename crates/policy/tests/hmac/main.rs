//! Requests signed with a shared secret, as their senders make them and as attackers do.

mod attacks;
mod believed;
mod support;
mod times;
