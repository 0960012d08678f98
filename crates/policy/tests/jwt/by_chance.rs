//! Tokens beside another reader of JSON: by chance.

use proptest::prelude::*;

use super::agreement::{signed_is_read_alike, unsigned_is_refused};

/// Texts that are nearly the JSON of a token.
fn json() -> impl Strategy<Value = String> {
    let member = prop::sample::select(vec![
        "\"alg\":\"HS256\"",
        "\"alg\":\"none\"",
        "\"typ\":\"JWT\"",
        "\"crit\":[\"exp\"]",
        "\"b64\":false",
        "\"exp\":1700000200",
        "\"exp\":1700000100.5",
        "\"exp\":1.7000002e9",
        "\"exp\":\"1700000200\"",
        "\"exp\":17000002000000",
        "\"exp\":1700000100",
        "\"nbf\":1700000100",
        "\"nbf\":1700000100.1",
        "\"iat\":-1",
        "\"iat\":1.7e9",
        "\"iat\":18446744073709551616",
        "\"sub\":\"alice\"",
        "\"sub\":\"\\u0061\"",
        "\"sub\":7",
        "\"iss\":\"a\\u0000b\"",
        "\"jti\":\"\\ud83d\\ude00\"",
        "\"\\u0065xp\":1700000200",
        "\"aud\":[\"a\"]",
        "\"x\":{\"exp\":1}",
        "\"x\":[1e5,-0,0.1]",
        "\"x\":null",
        "\"x\":\"\u{7f}\"",
    ]);
    let members =
        prop::collection::vec(member, 0..6).prop_map(|it| format!("{{{}}}", it.join(",")));
    prop_oneof![
        8 => members.clone(),
        1 => (members, any::<prop::sample::Index>(), any::<char>()).prop_map(|(mut text, at, letter)| {
            text.insert(at.index(text.len()), letter);
            text
        }),
        1 => "\\PC{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_believed_says_the_same_to_another_reader(header in json(), claims in json()) {
        signed_is_read_alike(header.as_bytes(), claims.as_bytes());
        signed_is_read_alike(br#"{"alg":"HS256"}"#, claims.as_bytes());
    }

    #[test]
    fn nobody_without_the_secret_makes_a_token(token in "[A-Za-z0-9_.-]{0,200}") {
        unsigned_is_refused(token.as_bytes());
    }
}
