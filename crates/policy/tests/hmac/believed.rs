//! What is believed: the scheme as the documentation has it, and what is known of a request then.

use policy::UnixTime;
use policy::hmac::{Header, Refusal, SecretFault, Secrets};

use super::support::{NOW, OTHER, Request, SECRET, two_secrets, verifier};

/// What `openssl dgst -sha256 -hmac` makes of the same lines.
const BY_OPENSSL: &str = "7f38594e211ca3369a049325a67bb2eec41952e795f3c8a039d394930935ff67";
const WITHOUT_BODY_BY_OPENSSL: &str =
    "06cc87372a6868639c9f609a9d247c329be44037a5c780795aaf043d05ff8750";

#[test]
fn what_another_implementation_signed_is_believed() {
    let request = Request::signed(SECRET, NOW).with(Header::Signature, BY_OPENSSL);
    let believed = request.verdict().unwrap();
    assert_eq!((believed.key_id, believed.signed_at), (None, UnixTime::from_secs(NOW)));
    let upper = request.with(Header::Signature, BY_OPENSSL.to_uppercase());
    assert!(upper.verdict().is_ok(), "hexadecimal digits have two cases");

    let mut request = Request::signed(SECRET, NOW).with(Header::Signature, WITHOUT_BODY_BY_OPENSSL);
    (request.method, request.target, request.body) = (b"GET".to_vec(), b"/".to_vec(), Vec::new());
    assert!(request.verdict().is_ok(), "no body is a body of no bytes");
}

#[test]
fn several_secrets_are_known_by_their_ids() {
    for (id, secret, other) in [("2026-11", SECRET, OTHER), ("2026-12", OTHER, SECRET)] {
        let request = Request::signed(secret, NOW).with(Header::KeyId, id);
        let believed = request.held_against(&two_secrets(), NOW).unwrap();
        assert_eq!(believed.key_id.as_deref(), Some(id));
        let forged = Request::signed(other, NOW).with(Header::KeyId, id);
        assert_eq!(forged.held_against(&two_secrets(), NOW), Err(Refusal::Signature), "{id}");
    }
    let unnamed = Request::signed(SECRET, NOW);
    assert_eq!(unnamed.held_against(&two_secrets(), NOW), Err(Refusal::KeyUnknown));
}

/// Clients can say which secret they use before there are several.
#[test]
fn where_there_is_one_secret_its_id_does_not_matter() {
    for id in [&b"2026-11"[..], b"anything", b"", b"\xff", &[b'a'; 1_000]] {
        let believed = Request::signed(SECRET, NOW).with(Header::KeyId, id).verdict();
        assert_eq!(believed.unwrap().key_id, None);
    }
}

#[test]
fn a_nonce_is_the_same_by_whatever_name_its_secret_goes_and_under_another_secret_another() {
    let one = Request::signed(SECRET, NOW).verdict().unwrap();
    let named = Request::signed(SECRET, NOW).with(Header::KeyId, "2026-11");
    let named = named.held_against(&two_secrets(), NOW).unwrap();
    assert_eq!(one.nonce, named.nonce);

    let other = Request::signed(OTHER, NOW).with(Header::KeyId, "2026-12");
    assert_ne!(one.nonce, other.held_against(&two_secrets(), NOW).unwrap().nonce);

    let mut elsewhere = Request::signed(SECRET, NOW);
    elsewhere.target = b"/elsewhere".to_vec();
    let elsewhere = elsewhere.sign_again(SECRET).verdict().unwrap();
    assert_eq!(one.nonce, elsewhere.nonce, "a nonce is good for one request, not for one of each");

    let next = Request::signed(SECRET, NOW).with(Header::Nonce, "8c1f4d5e-other");
    assert_ne!(one.nonce, next.sign_again(SECRET).verdict().unwrap().nonce);
}

#[test]
fn secrets_that_are_too_short_are_none() {
    assert_eq!(Secrets::one(&[7; 31]).err(), Some(SecretFault::TooShort(31)));
    assert!(Secrets::one(&[7; 32]).is_ok());
    assert_eq!(Secrets::by_id([("a", &[7; 31][..])]).err(), Some(SecretFault::TooShort(31)));
    assert_eq!(Secrets::by_id([]).err(), Some(SecretFault::None));
    for id in ["", "a b", "a\n", "ä", &"a".repeat(129)] {
        assert_eq!(Secrets::by_id([(id, &[7; 32][..])]).err(), Some(SecretFault::Id), "{id:?}");
    }
}

#[test]
fn nothing_that_is_secret_is_shown() {
    let shown = format!("{:?} {:?}", verifier(), Request::signed(SECRET, NOW).presented());
    assert!(!shown.contains("secret of") && !shown.contains("8c1f4d5e"), "{shown}");
}
