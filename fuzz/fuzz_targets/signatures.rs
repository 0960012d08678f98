//! What is signed of a request is what a naive reader writes of it, in one way only, or the request is refused.

#![no_main]

use agreement::Case;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/policy/tests/signature/agreement.rs"]
mod agreement;

// Lines: method, authority, path, query, the places of what is covered, `Signature-Input`, `Content-Digest`, and values of two fields.
fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut text = || std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let (method, authority, path, query) = (text(), text(), text(), text());
    let covered = text().as_bytes();
    let raw = text();
    let digest = lines.next().unwrap_or_default();
    let values: Vec<&[u8]> = lines.collect();
    let query = (!query.is_empty()).then_some(query);
    Case { method, authority, path, query, values: &values, covered, raw, digest }.check();
});
