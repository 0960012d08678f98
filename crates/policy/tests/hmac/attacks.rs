//! What an attacker sends who has seen requests and has no secret.

use policy::hmac::{Header, Line, Presented, Refusal};
use proptest::prelude::*;

use super::support::{NOW, OTHER, Request, SECRET, two_secrets};

#[test]
fn whatever_was_changed_after_signing_is_noticed() {
    let request = Request::signed(SECRET, NOW);
    assert!(request.verdict().is_ok());
    let changed = |change: &dyn Fn(&mut Request)| {
        let mut request = request.clone();
        change(&mut request);
        request.verdict()
    };
    let forged = Err(Refusal::Signature);
    assert_eq!(changed(&|it| it.method = b"PUT".to_vec()), forged);
    assert_eq!(changed(&|it| it.method = b"post".to_vec()), forged, "methods have a case");
    assert_eq!(
        changed(&|it| it.target = b"/login?next=/home".to_vec()),
        forged,
        "nothing is decoded"
    );
    assert_eq!(changed(&|it| it.target = b"/login".to_vec()), forged);
    assert_eq!(changed(&|it| it.target.push(b'&')), forged);
    assert_eq!(changed(&|it| it.body.push(b' ')), forged);
    assert_eq!(changed(&|it| it.body.clear()), forged);
    let later = request.clone().with(Header::Timestamp, (NOW + 1).to_string());
    assert_eq!(later.verdict(), forged);
    assert_eq!(request.clone().with(Header::Nonce, "8c1f4d5e-monce").verdict(), forged);
    assert_eq!(Request::signed(OTHER, NOW).verdict(), forged);
}

#[test]
fn a_header_that_is_there_twice_is_none() {
    for header in Header::ALL {
        for again in ["", "0", "8c1f4d5e-nonce", "1700000000"] {
            let mut request = Request::signed(SECRET, NOW).with(Header::KeyId, "2026-11");
            request.lines.push((header, again.into()));
            assert_eq!(request.verdict(), Err(Refusal::Malformed), "{header:?} {again:?}");
        }
        let mut request = Request::signed(SECRET, NOW).with(Header::KeyId, "2026-11");
        let same = request.lines.iter().find(|(it, _)| *it == header).cloned().unwrap();
        request.lines.push(same);
        assert_eq!(request.verdict(), Err(Refusal::Malformed), "{header:?} as it was");
    }
}

#[test]
fn a_header_that_is_missing_is_no_other_s_default() {
    assert_eq!(
        Request::signed(SECRET, NOW).without(Header::Signature).verdict(),
        Err(Refusal::Missing)
    );
    for header in [Header::Timestamp, Header::Nonce] {
        let request = Request::signed(SECRET, NOW).without(header);
        assert_eq!(request.verdict(), Err(Refusal::Malformed), "{header:?}");
    }
    let nothing = Presented::collect(std::iter::empty::<Line<'_>>());
    assert!(nothing.is_ok());
}

#[test]
fn signatures_of_nothing_and_of_zeros_are_none() {
    for signature in [
        "",
        "0",
        &"0".repeat(63),
        &"0".repeat(65),
        &"0".repeat(128),
        &"g".repeat(64),
        &" ".repeat(64),
        "0x00",
        &format!("{} ", "0".repeat(63)),
        &"\0".repeat(64),
        &"ａ".repeat(64),
    ] {
        let request = Request::signed(SECRET, NOW).with(Header::Signature, signature);
        assert_eq!(request.verdict(), Err(Refusal::Malformed), "{signature:?}");
    }
    for signature in ["0".repeat(64), "f".repeat(64)] {
        let request = Request::signed(SECRET, NOW).with(Header::Signature, signature);
        assert_eq!(request.verdict(), Err(Refusal::Signature));
    }
}

#[test]
fn key_ids_with_odd_bytes_are_unknown() {
    for id in [
        &b""[..],
        b"2026-1",
        b"2026-11 ",
        b" 2026-11",
        b"2026-11\0",
        b"../2026-11",
        b"' OR 1=1 --",
        b"\xff\xfe",
        "２０２６-11".as_bytes(),
        &[b'a'; 129],
        &[b'a'; 100_000],
    ] {
        let request = Request::signed(SECRET, NOW).with(Header::KeyId, id);
        assert_eq!(request.held_against(&two_secrets(), NOW), Err(Refusal::KeyUnknown), "{id:?}");
    }
}

#[test]
fn nonces_are_bounded_and_plain() {
    let of = |nonce: &[u8]| {
        Request::signed(SECRET, NOW)
            .with(Header::Nonce, nonce)
            .sign_again(SECRET)
            .verdict()
            .map(|_| ())
    };
    for nonce in [&b"12345678"[..], &[b'a'; 128], b"!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"] {
        assert_eq!(of(nonce), Ok(()));
    }
    for nonce in [
        &b""[..],
        b"1234567",
        &[b'a'; 129],
        &[b'a'; 100_000],
        b"with a space",
        b"with\nline",
        b"with\0nul",
        b"with\ttab",
        "mit Umläut".as_bytes(),
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert_eq!(of(nonce), Err(Refusal::Malformed), "{nonce:?}");
    }
}

/// One request's lines cannot be read as another's: what would move an LF from one part to the next is refused.
#[test]
fn a_line_in_a_part_is_refused_even_where_it_is_signed() {
    let mut request = Request::signed(SECRET, NOW);
    request.target = b"/\n1700000000".to_vec();
    assert_eq!(request.sign_again(SECRET).verdict(), Err(Refusal::Malformed));
    let mut request = Request::signed(SECRET, NOW);
    request.method = b"POST\n/login".to_vec();
    assert_eq!(request.sign_again(SECRET).verdict(), Err(Refusal::Malformed));
}

/// A place in a request, to be changed.
#[derive(Clone, Debug)]
enum Part {
    Method,
    Target,
    Body,
    Line(usize),
}

proptest! {
    #[test]
    fn a_byte_that_was_changed_anywhere_is_noticed(
        part in prop_oneof![
            Just(Part::Method), Just(Part::Target), Just(Part::Body), (0usize..3).prop_map(Part::Line)
        ],
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let before = Request::signed(SECRET, NOW);
        let mut request = before.clone();
        let (bytes, old) = match part {
            Part::Method => (&mut request.method, &before.method),
            Part::Target => (&mut request.target, &before.target),
            Part::Body => (&mut request.body, &before.body),
            Part::Line(line) => (&mut request.lines[line].1, &before.lines[line].1),
        };
        *at.get_mut(bytes) = byte;
        let is_same = bytes.eq_ignore_ascii_case(old) && (bytes == old || matches!(part, Part::Line(2)));
        prop_assert_eq!(request.verdict().is_ok(), is_same);
    }
}
