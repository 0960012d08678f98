//! Tokens as issuers make them, and as attackers do.

mod agreement;
mod attacks;
mod believed;
mod by_chance;
mod keys;
mod mutations;
mod support;
mod times;
