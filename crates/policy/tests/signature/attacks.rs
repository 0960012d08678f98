//! What an attacker sends who has seen signed requests and has no key.

use policy::signature::Refusal;
use proptest::prelude::*;

use super::support::{NOW, Request, SECRET, covering, secret_keys, verifier};

const ALL: &str = "\"@method\" \"@target-uri\" \"content-type\" \"content-digest\"";

fn input(components: &str) -> String {
    format!("({components});created={NOW};keyid=\"peer\"")
}

fn signed() -> Request {
    Request::plain().signed("s", &input(ALL))
}

#[test]
fn whatever_was_changed_after_signing_is_noticed() {
    let demanding = covering(&["@method", "@target-uri", "content-type", "content-digest"]);
    assert!(signed().verdict(&demanding).is_ok());
    let changed = |change: &dyn Fn(&mut Request)| {
        let mut request = signed();
        change(&mut request);
        request.verdict(&demanding)
    };
    let forged = Err(Refusal::Forged);
    assert_eq!(changed(&|it| it.method = "PUT".to_owned()), forged);
    assert_eq!(changed(&|it| it.authority = "example.net".to_owned()), forged);
    assert_eq!(changed(&|it| it.path = "/foo/".to_owned()), forged);
    assert_eq!(changed(&|it| it.query = None), forged);
    assert_eq!(changed(&|it| it.query = Some("param=Value&Pet=dog&Pet=cat".to_owned())), forged);
    assert_eq!(changed(&|it| it.scheme = model::Scheme::Http), forged);
    assert_eq!(
        changed(&|it| it.fields.push(("Content-Type".to_owned(), b"text/html".to_vec()))),
        forged
    );
    assert_eq!(changed(&|it| it.remove("content-type")), Err(Refusal::Component));
    assert_eq!(changed(&|it| it.body.push(b' ')), Err(Refusal::Digest));
    let upper = |it: &mut Request| it.authority = "EXAMPLE.com:443".to_owned();
    assert!(changed(&upper).is_ok(), "the same authority in another spelling");
}

#[test]
fn what_a_signature_says_of_itself_is_signed() {
    for (from, to) in [
        ("created=1618884475", "created=1618884476"),
        ("keyid=\"peer\"", "keyid=\"peer\";nonce=\"n\""),
        ("keyid=\"peer\"", "keyid=\"peer\";expires=9999999999"),
        ("\"@method\" ", ""),
        ("\"content-type\" \"content-digest\"", "\"content-digest\" \"content-type\""),
    ] {
        let mut request = signed();
        for (_, value) in request.fields.iter_mut().filter(|(name, _)| name == "Signature-Input") {
            let text = String::from_utf8(value.clone()).unwrap();
            assert!(text.contains(from));
            *value = text.replace(from, to).into_bytes();
        }
        assert_eq!(request.verdict(&verifier()), Err(Refusal::Forged), "{to}");
    }
}

#[test]
fn nothing_is_there_twice() {
    let value = |name: &str| {
        let request = signed();
        String::from_utf8(request.fields.iter().find(|(it, _)| it == name).unwrap().1.clone())
            .unwrap()
    };
    let (this, that) = (value("Signature-Input"), value("Signature"));
    // A label twice, in one line and in two, in either field.
    assert_eq!(
        signed().with("Signature-Input", &this).verdict(&verifier()),
        Err(Refusal::Malformed)
    );
    assert_eq!(signed().with("Signature", &that).verdict(&verifier()), Err(Refusal::Malformed));
    let fields = |input: &str, signature: &str| {
        Request::plain()
            .with("Signature-Input", input)
            .with("Signature", signature)
            .verdict(&verifier())
    };
    assert!(fields(&this, &that).is_ok());
    assert_eq!(fields(&format!("{this}, {this}"), &that), Err(Refusal::Malformed));
    assert_eq!(fields(&this, &format!("{that}, {that}")), Err(Refusal::Malformed));
    // A component twice, whatever the order of its parameters is and whether or not it says the same in other words.
    for components in [
        "\"date\" \"date\"",
        "\"date\" \"@method\" \"date\"",
        "\"priority\";sf;key=\"u\" \"priority\";key=\"u\";sf",
        "\"priority\";key=\"u\" \"priority\";sf;key=\"u\"",
        "\"@query-param\";name=\"Pet\" \"@query-param\";name=\"Pet\"",
    ] {
        let request = Request::plain().with("Priority", "u=1").signed("s", &input(components));
        assert_eq!(request.verdict(&verifier()), Err(Refusal::Malformed), "{components}");
    }
    // A parameter twice.
    for twice in [
        format!("();created={NOW};created={NOW};keyid=\"peer\""),
        format!("();created={NOW};keyid=\"other\";keyid=\"peer\""),
        format!("(\"date\";bs;bs);created={NOW};keyid=\"peer\""),
    ] {
        let request = Request::plain().signed("s", &twice);
        assert_eq!(request.verdict(&verifier()), Err(Refusal::Malformed), "{twice}");
    }
}

#[test]
fn the_two_fields_have_the_same_labels() {
    let fields = |input: &str, signature: &str| {
        Request::plain()
            .with("Signature-Input", input)
            .with("Signature", signature)
            .verdict(&verifier())
    };
    let input = input("");
    for (inputs, signatures) in [
        (format!("a={input}"), "b=:AA==:"),
        (format!("a={input}"), "a=:AA==:, b=:AA==:"),
        (format!("a={input}, b={input}"), "a=:AA==:"),
        (String::new(), ""),
        (format!("a={input}"), ""),
        (String::new(), "a=:AA==:"),
        (format!("A={input}"), "A=:AA==:"),
        ("a=1".to_owned(), "a=:AA==:"),
        ("a".to_owned(), "a=:AA==:"),
        (format!("a={input}"), "a"),
        (format!("a={input}"), "a=\"AA==\""),
        (format!("a={input}"), "a=(:AA==:)"),
        (format!("a={input},"), "a=:AA==:"),
        (format!("a={input} b"), "a=:AA==:"),
    ] {
        assert_eq!(fields(&inputs, signatures), Err(Refusal::Malformed), "{inputs} {signatures}");
    }
    assert_eq!(Request::plain().verdict(&verifier()), Err(Refusal::Missing));
    let only = |name: &str, value: &str| Request::plain().with(name, value).verdict(&verifier());
    assert_eq!(only("Signature", "a=:AA==:"), Err(Refusal::Malformed));
    assert_eq!(only("Signature-Input", &format!("a={input}")), Err(Refusal::Malformed));
}

#[test]
fn signatures_of_nothing_and_of_zeros_are_none() {
    for length in [0, 1, 31, 32, 33, 64, 96, 256, 1_024] {
        use base64::Engine;
        let zeros = base64::engine::general_purpose::STANDARD.encode(vec![0; length]);
        for id in
            ["test-key-rsa", "test-key-rsa-pss", "test-key-ecc-p256", "test-key-ed25519", "peer"]
        {
            let input = format!("s=();created={NOW};keyid=\"{id}\"");
            let request = Request::plain()
                .with("Signature-Input", input)
                .with("Signature", format!("s=:{zeros}:"));
            let public =
                policy::signature::keys(super::support::PEM, policy::signature::Algorithm::ALL)
                    .unwrap();
            for keys in [&public, &secret_keys("peer", SECRET)] {
                let verdict = request.held_against(&verifier(), keys, NOW);
                assert!(
                    matches!(verdict, Err(Refusal::Forged | Refusal::KeyUnknown)),
                    "{verdict:?}"
                );
            }
        }
    }
}

#[test]
fn keys_are_those_of_our_file() {
    for id in [
        "",
        "Peer",
        "peer ",
        "../peer",
        "' OR 1=1 --",
        "https://evil.example/key.pem",
        &"p".repeat(4_000),
    ] {
        let request = Request::plain().signed("s", &format!("();created={NOW};keyid=\"{id}\""));
        assert_eq!(request.verdict(&verifier()), Err(Refusal::KeyUnknown), "{id}");
    }
    // One that names no key could be of any: of the only one, or of none.
    let several =
        policy::signature::keys(super::support::PEM, policy::signature::Algorithm::ALL).unwrap();
    let mut unnamed = Request::of(&super::support::rfc()["requests"][5]);
    for (_, value) in unnamed.fields.iter_mut().filter(|(name, _)| name == "Signature-Input") {
        let text = String::from_utf8(value.clone()).unwrap();
        *value = text.replace(";keyid=\"test-key-ed25519\"", "").into_bytes();
    }
    assert_eq!(unnamed.held_against(&verifier(), &several, NOW), Err(Refusal::KeyUnknown));
    let request = Request::plain().signed("s", &format!("();created={NOW}"));
    assert_eq!(request.verdict(&verifier()).unwrap().key_id.as_deref(), Some("peer"));
}

/// One forged request makes so much work and no more.
#[test]
fn few_signatures_of_a_request_are_held_against_keys() {
    let forged = |count: usize| {
        (0..count)
            .fold(Request::plain(), |it, at| it.signed_by(&[7; 32], &format!("f{at}"), &input("")))
    };
    assert!(forged(3).signed("s", &input("")).verdict(&verifier()).is_ok());
    assert_eq!(forged(4).signed("s", &input("")).verdict(&verifier()), Err(Refusal::Forged));
    // What costs nothing does not count.
    let untimely =
        (0..7).fold(Request::plain(), |it, at| it.signed(&format!("u{at}"), "();created=1"));
    assert!(untimely.signed("s", &input("")).verdict(&verifier()).is_ok());
}

/// Somebody's signature beside the one that counts takes nothing away from it, and adds nothing.
#[test]
fn of_several_signatures_one_must_have_it_all() {
    let demanding = covering(&["@method", "content-type"]);
    let whole = input("\"@method\" \"content-type\"");
    let [method, kind] = ["\"@method\"", "\"content-type\""].map(input);
    let others = Request::plain().signed_by(&[7; 32], "first", &whole);
    assert!(others.clone().signed("second", &whole).verdict(&demanding).is_ok());
    assert_eq!(others.verdict(&demanding), Err(Refusal::Forged));
    let halves = Request::plain().signed("a", &method).signed("b", &kind);
    assert_eq!(halves.verdict(&demanding), Err(Refusal::Incomplete), "two halves are no whole");
}

#[test]
fn sizes_are_bounded() {
    let mut request = Request::plain();
    for label in 0..9 {
        request = request.signed(&format!("s{label}"), &input(""));
    }
    assert_eq!(request.verdict(&verifier()), Err(Refusal::Malformed), "too many signatures");
    let fields: String = (0..65).map(|it| format!("\"x-{it}\" ")).collect();
    let request = (0..65).fold(Request::plain(), |it, at| it.with(&format!("x-{at}"), "1"));
    assert_eq!(
        request.signed("s", &input(fields.trim())).verdict(&verifier()),
        Err(Refusal::Malformed)
    );
    let parameters: String = (0..17).map(|it| format!(";p{it}")).collect();
    let request = Request::plain().signed("s", &format!("(){parameters}"));
    assert_eq!(request.verdict(&verifier()), Err(Refusal::Malformed));
    let long = Request::plain().signed("s", &format!("{};x=\"{}\"", input(""), "x".repeat(9_000)));
    assert_eq!(long.verdict(&verifier()), Err(Refusal::Malformed));
}

proptest! {
    /// No byte of the two fields can be changed so that something else is believed.
    #[test]
    fn a_byte_that_was_changed_in_a_signature_changes_nothing_that_is_believed(
        name in prop::sample::select(vec!["Signature-Input", "Signature"]), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let before = signed().verdict(&verifier()).unwrap();
        let mut request = signed();
        for (_, value) in request.fields.iter_mut().filter(|(it, _)| it == name) {
            *at.get_mut(value) = byte;
        }
        if let Ok(after) = request.verdict(&verifier()) {
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn anything_else_is_refused(input in "\\PC{0,80}", signature in prop::collection::vec(any::<u8>(), 0..80)) {
        let request = Request::plain().with("Signature-Input", input).with("Signature", signature);
        prop_assert!(request.verdict(&verifier()).is_err());
    }
}
