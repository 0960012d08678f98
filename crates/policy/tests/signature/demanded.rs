//! What a configuration may demand: coverage, times, algorithms, tags, nonces and digests.

use policy::UnixTime;
use policy::signature::{
    Algorithm, BodyPresence, Component, ComponentFault, NonceRule, Refusal, Verifier,
};
use proptest::prelude::*;

use super::support::{NOW, Request, SECRET, covering, secret_keys, verifier};

fn input(components: &str) -> String {
    format!("({components});created={NOW};keyid=\"peer\"")
}

#[test]
fn a_signature_that_covers_less_is_refused() {
    let demanding = covering(&["@method", "@target-uri", "content-type"]);
    for (components, expected) in [
        ("\"@method\" \"@target-uri\" \"content-type\"", Ok(())),
        ("\"content-type\" \"date\" \"@target-uri\" \"@method\"", Ok(())),
        ("\"@method\" \"@target-uri\" \"content-type\";bs", Ok(())),
        ("\"@method\" \"@target-uri\"", Err(Refusal::Incomplete)),
        (
            "\"@method\" \"@path\" \"@query\" \"@authority\" \"@scheme\" \"content-type\"",
            Err(Refusal::Incomplete),
        ),
        ("", Err(Refusal::Incomplete)),
    ] {
        let request = Request::plain().signed("s", &input(components));
        assert_eq!(request.verdict(&demanding).map(|_| ()), expected, "{components}");
    }
    let member = covering(&["@query-param;name=\"Pet\""]);
    let request = |name: &str| {
        Request::plain().signed("s", &input(&format!("\"@query-param\";name=\"{name}\"")))
    };
    assert!(request("Pet").verdict(&member).is_ok());
    assert_eq!(request("param").verdict(&member), Err(Refusal::Incomplete));
}

#[test]
fn a_member_of_a_field_is_less_than_the_field() {
    let request = Request::plain().signed("s", &input("\"content-digest\";key=\"sha-512\""));
    assert_eq!(request.verdict(&covering(&["content-digest"])), Err(Refusal::Incomplete));
}

#[test]
fn a_body_is_what_was_signed() {
    let demanding = covering(&["content-digest"]);
    let request = Request::plain().signed("s", &input("\"content-digest\""));
    assert!(request.verdict(&demanding).is_ok());
    let changed = |body: &str| Request { body: body.into(), ..request.clone() }.verdict(&demanding);
    assert_eq!(changed("{\"hello\": \"World\"}"), Err(Refusal::Digest));
    assert_eq!(changed(""), Err(Refusal::Digest), "a body that was taken away");
    let mut other = request.clone();
    other.remove("content-digest");
    let other =
        other.with("Content-Digest", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    assert_eq!(
        other.verdict(&demanding),
        Err(Refusal::Forged),
        "a digest that was put in its place"
    );
}

/// Without a body nothing can be put in its place; with one there must be a digest.
#[test]
fn a_request_without_a_body_needs_no_digest() {
    let demanding = covering(&["@method", "content-digest"]);
    let mut request = Request::plain().signed("s", &input("\"@method\""));
    assert_eq!(request.verdict(&demanding), Err(Refusal::Incomplete));
    request.body.clear();
    assert!(request.verdict(&demanding).is_ok());
    let keys = secret_keys("peer", SECRET);
    let framed = request.message(|it| {
        demanding.verify(&keys, &it, BodyPresence::Present, UnixTime::from_secs(NOW))
    });
    assert_eq!(framed.err(), Some(Refusal::Incomplete), "one of no bytes is a body, too");
}

#[test]
fn a_body_is_asked_for_only_where_its_digest_is_demanded() {
    let keys = secret_keys("peer", SECRET);
    let request = Request::plain().signed("s", &input("\"content-digest\""));
    let asks = |verifier: &Verifier| {
        let pending = request.message(|it| {
            verifier.verify(&keys, &it, BodyPresence::Present, UnixTime::from_secs(NOW))
        });
        pending.unwrap().asks_for_body()
    };
    assert!(asks(&covering(&["content-digest"])));
    assert!(!asks(&verifier()));
}

#[test]
fn both_ends_of_the_window_are_in_it() {
    let at = |created: u64, more: &str| {
        let request =
            Request::plain().signed("s", &format!("();created={created}{more};keyid=\"peer\""));
        request.verdict(&verifier()).map(|_| ())
    };
    assert_eq!(at(NOW - 300, ""), Ok(()));
    assert_eq!(at(NOW - 301, ""), Err(Refusal::Stale));
    assert_eq!(at(NOW + 300, ""), Ok(()));
    assert_eq!(at(NOW + 301, ""), Err(Refusal::Early));
    assert_eq!(at(NOW - 9, &format!(";expires={NOW}")), Ok(()));
    assert_eq!(at(NOW - 9, &format!(";expires={}", NOW - 1)), Err(Refusal::Expired));
    assert_eq!(at(NOW, &format!(";expires={}", NOW - 1)), Err(Refusal::Malformed));
    assert_eq!(at(0, ""), Err(Refusal::Stale));
}

#[test]
fn times_are_whole_numbers() {
    for created in ["-1", "1.5", "\"1618884475\"", "999999999999999", "?1", "@1618884475", ":AA==:"]
    {
        let request = Request::plain().signed("s", &format!("();created={created};keyid=\"peer\""));
        assert_eq!(request.verdict(&verifier()), Err(Refusal::Malformed), "{created}");
    }
    let request = Request::plain().signed("s", "();keyid=\"peer\"");
    assert_eq!(request.verdict(&verifier()), Err(Refusal::NoCreated));
}

/// A body that comes slowly does not keep a signature good.
#[test]
fn time_goes_on_while_a_body_comes() {
    let keys = secret_keys("peer", SECRET);
    let request = Request::plain().signed("s", &input("\"content-digest\""));
    let verifier = covering(&["content-digest"]);
    let pending = request
        .message(|it| verifier.verify(&keys, &it, BodyPresence::Present, UnixTime::from_secs(NOW)));
    let late = pending.unwrap().complete(request.body.chunks(3), UnixTime::from_secs(NOW + 301));
    assert_eq!(late, Err(Refusal::Stale));
}

#[test]
fn an_algorithm_is_the_configuration_s_and_the_key_s() {
    let says = |alg: &str| {
        Request::plain().signed("s", &format!("();created={NOW};keyid=\"peer\";alg=\"{alg}\""))
    };
    assert_eq!(says("hmac-sha256").verdict(&verifier()).unwrap().algorithm, Algorithm::HmacSha256);
    for alg in ["", "none", "HS256", "HMAC-SHA256", "ed25519", "rsa-pss-sha512", "hs2019"] {
        assert_eq!(says(alg).verdict(&verifier()), Err(Refusal::Algorithm), "{alg}");
    }
    let others = Verifier { algorithms: vec![Algorithm::Ed25519], ..verifier() };
    assert_eq!(says("hmac-sha256").verdict(&others), Err(Refusal::Algorithm));
    assert_eq!(Request::plain().signed("s", &input("")).verdict(&others), Err(Refusal::Algorithm));
}

#[test]
fn a_tag_is_for_one_use() {
    let tagged = Verifier { tag: Some("orders".to_owned()), ..verifier() };
    let with = |tag: &str| Request::plain().signed("s", &format!("{}{tag}", input("")));
    assert!(with(";tag=\"orders\"").verdict(&tagged).is_ok());
    for tag in ["", ";tag=\"\"", ";tag=\"Orders\"", ";tag=\"orders2\""] {
        assert_eq!(with(tag).verdict(&tagged), Err(Refusal::Tag), "{tag}");
    }
    assert_eq!(with(";tag=orders").verdict(&tagged), Err(Refusal::Malformed));
    assert!(with(";tag=\"other\"").verdict(&verifier()).is_ok());
}

#[test]
fn a_nonce_is_remembered_by_its_key() {
    let once = Verifier { nonce: NonceRule::Required, ..verifier() };
    let with = |secret: &[u8], more: &str| {
        let request = Request::plain().signed_by(secret, "s", &format!("{}{more}", input("")));
        request.held_against(&once, &secret_keys("peer", secret), NOW)
    };
    let one = with(SECRET, ";nonce=\"n-1\"").unwrap();
    assert_eq!(one.nonce, with(SECRET, ";nonce=\"n-1\";tag=\"t\"").unwrap().nonce);
    assert_ne!(one.nonce, with(SECRET, ";nonce=\"n-2\"").unwrap().nonce);
    assert_ne!(one.nonce, with(&[7; 32], ";nonce=\"n-1\"").unwrap().nonce);
    let renamed =
        Request::plain().signed("s", &format!("();created={NOW};keyid=\"alias\";nonce=\"n-1\""));
    let renamed = renamed.held_against(&once, &secret_keys("alias", SECRET), NOW).unwrap();
    assert_eq!(one.nonce, renamed.nonce, "whatever the key is called");
    for none in ["", ";nonce=\"\"", &format!(";nonce=\"{}\"", "n".repeat(257))] {
        assert_eq!(with(SECRET, none), Err(Refusal::Nonce), "{none}");
    }
    assert_eq!(with(SECRET, ";nonce=n"), Err(Refusal::Malformed));
    assert_eq!(Request::plain().signed("s", &input("")).verdict(&verifier()).unwrap().nonce, None);
}

#[test]
fn components_are_named_as_signatures_have_them() {
    for text in [
        "@method",
        "content-digest",
        "@query-param;name=\"id\"",
        "example-dict;key=\"a\"",
        "x-a;bs",
        "priority;sf",
    ] {
        assert_eq!(Component::parse(text).unwrap().to_string(), text);
    }
    for (text, fault) in [
        ("", ComponentFault::Syntax),
        ("Content-Type", ComponentFault::Syntax),
        ("a b", ComponentFault::Syntax),
        ("\"@method\"", ComponentFault::Syntax),
        ("@method;", ComponentFault::Syntax),
        ("@status", ComponentFault::Derived),
        ("@signature-params", ComponentFault::Derived),
        ("@method;req", ComponentFault::Parameter),
        ("@query-param", ComponentFault::Parameter),
        ("x;tr", ComponentFault::Parameter),
        ("x;bs;sf", ComponentFault::Parameter),
    ] {
        assert_eq!(Component::parse(text), Err(fault), "{text}");
    }
}

proptest! {
    /// While any edge whose clock is at most a window away from this one's could believe a request, its nonce is remembered.
    #[test]
    fn a_nonce_outlives_its_request_on_every_edge(ahead in -300i64..=300, later in 0u64..2_000, skew in -300i64..=300) {
        let once = Verifier { nonce: NonceRule::Required, ..verifier() };
        let created = NOW.saturating_add_signed(ahead);
        let request = Request::plain().signed("s", &format!("();created={created};keyid=\"peer\";nonce=\"n\""));
        let keys = secret_keys("peer", SECRET);
        let believed = request.held_against(&once, &keys, NOW).unwrap();
        let elsewhere = (NOW + later).saturating_add_signed(skew);
        if request.held_against(&once, &keys, elsewhere).is_ok() {
            prop_assert!(later < believed.lifetime.as_secs());
        }
    }
}
