//! Which fields may follow a body.
//!
//! A field that frames, routes, authenticates, or says how the rest is to be taken must stand before
//! the body, where it was looked at (RFC 9110 §6.5.1): behind it, it would get past whoever decides by
//! heads. What one exchange has to keep back beside these is not known here.

use crate::name::{Name, reads_as};

/// Names that never follow a body, in lower case, beside those that [`Name`] knows.
const NEVER: [&[u8]; 31] = [
    b"age",
    b"allow",
    b"authentication-info",
    b"authorization",
    b"cache-control",
    b"content-disposition",
    b"content-encoding",
    b"content-language",
    b"content-location",
    b"content-range",
    b"content-type",
    b"expires",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"location",
    b"max-forwards",
    b"pragma",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"strict-transport-security",
    b"vary",
    b"via",
    b"warning",
    b"www-authenticate",
];

/// Whether a field may follow a body, in a request or in a response.
pub fn may_trail(name: Name, text: &[u8]) -> bool {
    match name {
        Name::Other => !NEVER.iter().any(|never| reads_as(text, never)),
        Name::UserAgent | Name::Accept => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(text: &str) -> bool {
        may_trail(Name::of(text.as_bytes()), text.as_bytes())
    }

    #[test]
    fn what_heads_decide_by_never_follows_a_body() {
        for never in [
            "Host",
            "Content-Length",
            "content_length",
            "Transfer-Encoding",
            "Cookie",
            "Set-Cookie",
            "Authorization",
            "proxy_authorization",
            "X-Forwarded-For",
            "X-Forwarded-Ssl",
            "X_Real_IP",
            "X-Original-URL",
            "X-Request-Id",
            "Forwarded",
            "Proxy",
            "Expect",
            "Date",
            "Content-Type",
            "Range",
        ] {
            assert!(!may(never), "{never}");
        }
    }

    #[test]
    fn what_only_tells_of_the_body_does() {
        for may_be in ["grpc-status", "Server-Timing", "ETag", "Content-Digest", "x-checksum"] {
            assert!(may(may_be), "{may_be}");
        }
    }
}
