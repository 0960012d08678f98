//! What is read as the head of an HTTP/2 request can be written as one of HTTP/1 and reads the same, and
//! can be said over HTTP/2 again.

#![no_main]

use fuzz::{buffer, end_of_head, listed};
use libfuzzer_sys::fuzz_target;
use wire::buffer::Pool;
use wire::h1::request::{HeadLimits, parse};
use wire::h2::head::request;
use wire::target::escape_for_h2;

const LIMITS: HeadLimits = HeadLimits { bytes: 1024 * 1024, fields: 10_000 };

fuzz_target!(|input: (&str, &[u8], &[u8], Vec<(&str, &[u8])>)| {
    let (method, authority, target, fields) = input;
    let uri = http::Uri::builder().scheme("http").authority(authority).path_and_query(target);
    let mut builder = http::Request::builder().method(method);
    for (name, value) in fields {
        builder = builder.header(name, value);
    }
    let (Ok(uri), Ok(built)) = (uri.build(), builder.body(())) else { return };
    let (mut parts, ()) = built.into_parts();
    parts.uri = uri;
    let pool = Pool::default();
    let Ok(head) = request(&parts, &pool) else { return };
    if head.method_text() == b"CONNECT" || head.method_text().len() > 64 {
        return;
    }
    let mut text = [head.method_text(), b" ", head.target(), b" HTTP/1.1\r\nHost: "].concat();
    text.extend([head.authority(), b"\r\n"].concat());
    head.fields.lines(|_, _| true, |lines| text.extend_from_slice(lines));
    text.extend_from_slice(b"\r\n");
    assert_eq!(end_of_head(&text, 1), Ok(Some(text.len())));
    let again = parse(buffer(&pool, &text), &pool, LIMITS).expect("HTTP/1 can say it");
    assert_eq!(again.target(), head.target());
    assert_eq!(again.authority(), head.authority());
    let mut wanted = listed(&head.fields);
    // Blanks around a value are none of it in HTTP/1.
    wanted.iter_mut().for_each(|(_, value)| *value = value.trim_ascii().to_vec());
    assert_eq!(listed(&again.fields)[1..], wanted[..]);
    let mut escaped = Vec::new();
    escape_for_h2(head.target(), &mut escaped);
    let said = http::Uri::builder().scheme("http").authority(head.authority());
    assert!(said.path_and_query(escaped).build().is_ok(), "HTTP/2 can say it");
});
