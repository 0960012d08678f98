//! A token that its issuer signed is refused, or says to another reader of JSON what it says to ours; one that nobody signed is
//! refused.

#![no_main]

use agreement::{signed_is_read_alike, unsigned_is_refused};
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/policy/tests/jwt/agreement.rs"]
mod agreement;

fuzz_target!(|data: &[u8]| {
    unsigned_is_refused(data);
    signed_is_read_alike(br#"{"alg":"HS256"}"#, data);
    if let Some(at) = data.iter().position(|byte| *byte == b'\n') {
        signed_is_read_alike(&data[..at], &data[at + 1..]);
    }
});
