//! What is read as a request's head is one, however it arrives, and reads the same when it is
//! written as it is forwarded.

#![no_main]

use fuzz::{assert_plain, buffer, end_of_head, listed};
use libfuzzer_sys::fuzz_target;
use wire::buffer::Pool;
use wire::h1::Framing;
use wire::h1::request::{HeadLimits, parse};
use wire::head::{RequestHead, Version};
use wire::name::Name;

const LIMITS: HeadLimits = HeadLimits { bytes: 32 * 1024, fields: 100 };

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, data) = input;
    let Ok(Some(end)) = end_of_head(data, cut.into()) else { return };
    let pool = Pool::default();
    let Ok(head) = parse(buffer(&pool, &data[..end]), &pool, LIMITS) else { return };
    assert_plain(&head.fields);
    assert!(head.fields.all(Name::Host).count() <= 1);
    assert!(head.version() == Version::Http10 || !head.authority().is_empty());
    assert!(head.path().starts_with(b"/") || head.path() == b"*");
    assert!(!head.target().iter().any(|byte| matches!(byte, 0..=b' ' | 0x7f | b'#')));
    let framing = Framing::of_request(head.version(), &head.fields);
    let declares = |name| head.fields.has(name);
    let both = declares(Name::ContentLength) && declares(Name::TransferEncoding);
    assert!(!both || framing.is_err(), "two framings were believed");

    let again = rewritten(&head);
    assert_eq!(end_of_head(&again, 1), Ok(Some(again.len())));
    let second = parse(buffer(&pool, &again), &pool, LIMITS).expect("what was read can be read again");
    assert_eq!(second.method_text(), head.method_text());
    assert_eq!(second.target(), head.target());
    assert_eq!(second.authority(), head.authority());
    assert_eq!(but_host(&second), but_host(&head));
    let reframed = Framing::of_request(second.version(), &second.fields);
    assert_eq!(reframed.ok(), framing.ok());
});

/// The head as a proxy would write it: its host once, the other fields by whole lines.
fn rewritten(head: &RequestHead) -> Vec<u8> {
    let version = match head.version() {
        Version::Http10 => " HTTP/1.0\r\n",
        _ => " HTTP/1.1\r\n",
    };
    let mut text = [head.method_text(), b" ", head.target(), version.as_bytes()].concat();
    if !head.authority().is_empty() {
        text.extend([b"Host: ", head.authority(), b"\r\n"].concat());
    }
    head.fields.lines(|name, _| name != Name::Host, |lines| text.extend_from_slice(lines));
    text.extend_from_slice(b"\r\n");
    text
}

fn but_host(head: &RequestHead) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields = listed(&head.fields);
    fields.retain(|(name, _)| !name.eq_ignore_ascii_case(b"host"));
    fields
}
