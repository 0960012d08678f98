//! A PROXY header ends where it ends, whatever follows, and a beginning that can become none is told
//! at once and for good.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::proxy_protocol::{Parsed, parse};

fuzz_target!(|data: &[u8]| {
    let whole = parse(data);
    for end in 0..data.len() {
        match parse(&data[..end]) {
            Err(_) => {
                assert!(whole.is_err(), "more bytes mended a header that was refused");
                return;
            }
            Ok(header @ Parsed::Header { .. }) => {
                assert_eq!(Ok(header), whole, "what follows a header changed it");
                return;
            }
            Ok(Parsed::Incomplete { missing }) => assert!(missing > 0, "nothing is waited for"),
        }
    }
});
