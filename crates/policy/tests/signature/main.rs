//! Signed requests: those of RFC 9421, and what attackers make of them.

mod agreement;
mod attacks;
mod by_chance;
mod canonical;
mod demanded;
mod rfc;
mod support;
