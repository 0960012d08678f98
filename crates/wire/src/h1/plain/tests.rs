//! What is read in one pass is what the general readers read.

use proptest::prelude::*;

use super::agreement::{LIMITS, request_is_plain, response_is_plain};
use super::*;
use crate::h1::request;

/// What stands in heads, and what must not, in pieces.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![
        8 => "[A-Za-z-]{1,12}".prop_map(String::into_bytes),
        4 => prop_oneof![
            Just("\r\n"), Just(": "), Just(":"), Just(" "), Just("\t"), Just("/"), Just("?"),
            Just("\r\nHost: a\r\n"), Just("HTTP/1.1"), Just("\r\n\r\n"), Just("\n"), Just("\r"),
        ].prop_map(|it| it.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    prop::collection::vec(one, 0..10).prop_map(|parts| parts.concat())
}

/// Heads that are right but for what stands in the place of one part.
fn heads(first: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let field = (pieces(), pieces()).prop_map(|(name, value)| [&name[..], b":", &value].concat());
    let usual = ("[A-Za-z0-9_-]{1,20}", "[ -~\t\u{a0}-\u{ff}]{0,40}")
        .prop_map(|(name, value)| format!("{name}: {value}").into_bytes());
    let line = prop_oneof![
        9 => usual,
        1 => field,
        2 => "(Content-Length: [0-9]{1,3}|Connection: (close|keep-alive)|host: [a-c.:0-9]{1,5})"
            .prop_map(String::into_bytes),
    ];
    let host = prop_oneof![5 => Just(b"Host: a.example:80".to_vec()), 1 => Just(b"X: y".to_vec())];
    (first, host, prop::collection::vec(line, 0..22), pieces()).prop_map(
        |(first, host, lines, rest)| {
            let head = [vec![first, host], lines].concat().join(&b"\r\n"[..]);
            [&head[..], b"\r\n\r\n", &rest].concat()
        },
    )
}

proptest! {
    #[test]
    fn a_request_that_is_read_in_one_pass_is_read_the_same(
        data in heads(prop_oneof![
            6 => "(GET|POST|DELETE|OPTIONS) /[!-~]{0,30} HTTP/1.1".prop_map(String::into_bytes),
            2 => "[A-Za-z]{0,7} [ -~]{0,9} HTTP/1.[0-9]".prop_map(String::into_bytes),
            1 => pieces(),
        ])
    ) {
        request_is_plain(&data);
    }

    #[test]
    fn a_response_that_is_read_in_one_pass_is_read_the_same(
        data in heads(prop_oneof![
            6 => "HTTP/1.1 [0-9]{3} [ -~]{0,20}".prop_map(String::into_bytes),
            2 => "HTTP/1.[0-9] [0-9]{0,4} ?[ -~\t]{0,20}".prop_map(String::into_bytes),
            1 => pieces(),
        ])
    ) {
        response_is_plain(&data);
    }

    #[test]
    fn a_name_ends_where_a_byte_looked_at_alone_says(text in pieces()) {
        let end = text.iter().position(|byte| !request::is_token(*byte));
        prop_assert_eq!(name_bytes(&text), end.filter(|end| text[*end] == b':'));
    }

    #[test]
    fn a_value_ends_where_a_byte_looked_at_alone_says(text in pieces()) {
        let end = text.iter().position(|byte| matches!(byte, 0..=8 | 10..=31 | 0x7f));
        prop_assert_eq!(value_bytes(&text), end);
    }
}

#[test]
fn every_byte_in_every_place_is_read_the_same() {
    let request: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: a:1\r\nX-Y: cdefghijk l\r\nA: \r\n\r\nz";
    let response: &[u8] = b"HTTP/1.1 200 OK\r\nX-Y: cdefghijk l\r\nA: \r\n\r\nz";
    for (head, is_plain) in
        [(request, request_is_plain as fn(&[u8]) -> bool), (response, response_is_plain)]
    {
        assert!(is_plain(head));
        for place in 0..head.len() - 1 {
            for byte in 0..=u8::MAX {
                let mut other = head.to_vec();
                other[place] = byte;
                is_plain(&other);
                other.insert(place, head[place]);
                is_plain(&other);
            }
            assert!(!is_plain(&head[..place]), "half a head: {place}");
        }
    }
}

#[test]
fn usual_heads_are_read_in_one_pass() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a/b?c=d?e HTTP/1.1\r\nUser-Agent: x\r\nhost:\ta.b:80\t \r\nEmpty:\r\n\r\nbody",
        "OPTIONS /%20;=<>|{} HTTP/1.1\r\nHost: [::1]:8080\r\nCookie: a=\"\u{e4}\"\r\n\r\n",
    ] {
        assert!(request_is_plain(head.as_bytes()), "{head:?}");
    }
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nSet-Cookie: a=b; Path=/\r\n\r\nrest",
        "HTTP/1.1 200 \r\nServer: x\r\n\r\n",
    ] {
        assert!(response_is_plain(head.as_bytes()), "{head:?}");
    }
}

#[test]
fn what_is_not_usual_is_left_to_the_general_reader() {
    for head in [
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert!(!request_is_plain(head.as_bytes()), "{head:?}");
    }
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(LIMITS.fields));
    assert!(!request_is_plain(many.as_bytes()));
}
