//! What is read of a head in one pass is what the general readers read of it: where it ends, its line, its fields.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::h1::plain::agreement::{request_is_plain, response_is_plain};

fuzz_target!(|data: &[u8]| {
    request_is_plain(data);
    response_is_plain(data);
});
