//! The grammar of a request's target and of its authority: one for every protocol, on both sides.
//!
//! Control characters, spaces, DEL, fragments and authorities that no machine can have are refused.
//! Everything else that clients send (`<`, `"`, `|`, `{`, raw UTF-8) is forwarded byte for byte where
//! the next protocol carries it, and percent-encoded where it does not ([`escape_for_h2`]); so whatever
//! is read here can be said to every server. What a path means is not decided here.

use std::net::Ipv6Addr;

/// The longest target, in bytes: more than this no HTTP/2 head of ours can carry.
pub const TARGET_BYTES_MAX: usize = u16::MAX as usize - 1;

/// Whether `target` may stand in a request line or in `:path`, whatever its form.
pub fn is_target(target: &str) -> bool {
    let may_stand = |byte: &u8| !matches!(byte, 0..=b' ' | 0x7f | b'#');
    !target.is_empty() && target.as_bytes().iter().all(may_stand)
}

/// Whether `text` is a host, with or without a port, and nothing else (RFC 9110 §7.2).
///
/// Of what RFC 3986 lets stand in a host, only what a name or an address is made of: an escape or
/// punctuation in it would be read in one way by us and in another by a server.
pub fn is_authority(text: &[u8]) -> bool {
    match text {
        [b'[', rest @ ..] => is_literal_with_port(rest),
        _ => is_name_with_port(text),
    }
}

/// What follows the bracket of an IPv6 address.
fn is_literal_with_port(text: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b']', text) else { return false };
    let is_address = |inner: &str| inner.parse::<Ipv6Addr>().is_ok();
    std::str::from_utf8(&text[..end]).is_ok_and(is_address) && is_port(&text[end + 1..])
}

/// A name or an IPv4 address: no empty label, but perhaps a dot at the end.
fn is_name_with_port(text: &[u8]) -> bool {
    let mut before = b'.';
    for (at, byte) in text.iter().enumerate() {
        if !IN_NAME[usize::from(*byte)] || (*byte == b'.' && before == b'.') {
            return *byte == b':' && at > 0 && is_port(&text[at..]);
        }
        before = *byte;
    }
    !text.is_empty()
}

/// The bytes of a name.
const IN_NAME: [bool; 256] = {
    let mut is_in = [false; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        is_in[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~');
        byte += 1;
    }
    is_in
};

/// Nothing, a colon alone, or a colon and a port that a client can connect to.
fn is_port(port: &[u8]) -> bool {
    match port {
        [] | [b':'] => true,
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            digits.parse::<u16>().is_ok_and(|port| port > 0)
        }
        _ => false,
    }
}

/// Appends `target`, which [`is_target`], with those bytes percent-encoded that `:path` cannot
/// carry.
pub fn escape_for_h2(target: &[u8], out: &mut Vec<u8>) {
    let mut in_query = false;
    for byte in target {
        match byte {
            b'<' | b'>' | 0x80.. => escape(*byte, out),
            b'`' if !in_query => escape(*byte, out),
            b'"' if in_query => escape(*byte, out),
            _ => out.push(*byte),
        }
        in_query |= *byte == b'?';
    }
}

/// Appends `target`, which [`is_target`], as a part of a URI reference (RFC 3986), for a header
/// field that a client reads.
pub fn escape_for_uri(target: &[u8], out: &mut Vec<u8>) {
    for byte in target {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                escape(*byte, out);
            }
            _ => out.push(*byte),
        }
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(target: &str) -> String {
        let mut out = Vec::new();
        escape_for_h2(target.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn uri(authority: &str, target: &str) -> Result<http::Uri, http::Error> {
        http::Uri::builder().scheme("http").authority(authority).path_and_query(target).build()
    }

    #[test]
    fn authorities_are_hosts_with_or_without_a_port() {
        for good in [
            "a",
            "a.b-c_d:80",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:443",
            "a:",
            "a.b.",
            "a:65535",
            "A.xn--b",
            "[2001:db8:1111:2222:3333:4444:5555:6666]:80",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
            assert!(uri(good, "/").is_ok(), "{good} to HTTP/2");
        }
        for bad in [
            "",
            ":80",
            "a:b",
            "a:123456",
            "a:65536",
            "a:99999",
            "a:0",
            "a:-1",
            "a:+1",
            "[::1",
            "[x]",
            "[::1]x",
            "[::1%25eth0]",
            "[v1.a]",
            "a/b",
            "u@a",
            "a\\b",
            "a%62",
            "a%",
            "a,b",
            "a b",
            "a..b",
            ".",
            ".a",
            "..",
            "a;b",
            "a?b",
            "a#b",
            "ä",
            "a\0",
            "a\t",
            "[]",
            "[]:1",
            "a:1:2",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn only_controls_spaces_and_fragments_cannot_stand_in_a_target() {
        for byte in 0..0x80u8 {
            let target = format!("/{}", char::from(byte));
            let bad = byte <= b' ' || byte == 0x7f || byte == b'#';
            assert_eq!(is_target(&target), !bad, "{target:?}");
        }
        assert!(is_target("/ä/日本") && !is_target(""));
    }

    #[test]
    fn only_what_http_2_cannot_carry_is_escaped() {
        assert_eq!(escaped("/a\"{|}^\\%<b>?\"x`=<y>"), "/a\"{|}^\\%%3Cb%3E?%22x`=%3Cy%3E");
        assert_eq!(escaped("/`ä?ü"), "/%60%C3%A4?%C3%BC");
        for byte in (0x21..0x7f).filter(|byte| *byte != b'#') {
            for target in [format!("/{}", char::from(byte)), format!("/?{}", char::from(byte))] {
                let needs = uri("a", &target).is_err();
                assert_eq!(escaped(&target) != target, needs, "{target}");
            }
        }
    }

    #[test]
    fn a_location_is_a_uri() {
        let mut out = Vec::new();
        escape_for_uri("/a|b%20?c=<ä>".as_bytes(), &mut out);
        assert_eq!(out, b"/a%7Cb%20?c=%3C%C3%A4%3E");
    }

    proptest! {
        #[test]
        fn what_is_read_can_be_said_over_http_2(
            target in "/[!-\"$-~äß日\u{85}]{0,40}",
            host in "[a-z0-9.:_~%\\[\\]-]{1,12}",
        ) {
            prop_assert!(is_target(&target));
            let said = uri("a", &escaped(&target)).unwrap();
            prop_assert_eq!(said.path_and_query().unwrap().as_str(), escaped(&target));
            prop_assert!(!is_authority(host.as_bytes()) || uri(&host, "/").is_ok(), "{}", host);
        }
    }
}
