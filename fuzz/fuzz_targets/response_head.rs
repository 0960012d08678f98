//! What is read as an answer's head is one, however it arrives, and reads the same when it is
//! written as it is passed on.

#![no_main]

use fuzz::{assert_plain, buffer, end_of_head, listed};
use libfuzzer_sys::fuzz_target;
use wire::buffer::Pool;
use wire::h1::Framing;
use wire::h1::response::parse;
use wire::head::Method;
use wire::name::Name;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, data) = input;
    let Ok(Some(end)) = end_of_head(data, cut.into()) else { return };
    let pool = Pool::default();
    let Ok(head) = parse(buffer(&pool, &data[..end]), &pool) else { return };
    assert_plain(&head.fields);
    assert!((100..=999).contains(&head.status()));
    assert!(!head.reason().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    let framing = |head: &wire::head::ResponseHead, method| {
        Framing::of_response(method, head.status(), head.version(), &head.fields).ok()
    };
    let declares = |name| head.fields.has(name);
    let both = declares(Name::ContentLength) && declares(Name::TransferEncoding);
    // The coding overrides the length (RFC 9112 §6.3), whatever the length is.
    let is_by_length = matches!(framing(&head, Method::Get), Some(Framing::Length(_)));
    assert!(!both || !is_by_length, "of two framings the length was believed");
    assert!(matches!(framing(&head, Method::Head), None | Some(Framing::None)));

    let status = head.status().to_string();
    let line = [head.version().as_str().as_bytes(), b" ", status.as_bytes(), b" ", head.reason()];
    let mut again = [&line.concat()[..], b"\r\n"].concat();
    head.fields.lines(|_, _| true, |lines| again.extend_from_slice(lines));
    again.extend_from_slice(b"\r\n");
    assert_eq!(end_of_head(&again, 1), Ok(Some(again.len())));
    let second = parse(buffer(&pool, &again), &pool).expect("what was read can be read again");
    assert_eq!((second.status(), second.reason()), (head.status(), head.reason()));
    assert_eq!(listed(&second.fields), listed(&head.fields));
    assert_eq!(framing(&second, Method::Get), framing(&head, Method::Get));
});
