//! Tokens that attackers make. Each is refused, and with the word that says why.

use aws_lc_rs::hmac;
use policy::jwt::{Algorithm, Keys, Provenance, Refusal, TOKEN_BYTES_MAX};

use super::support::{
    HEADER, NOW, SECRET, Signer, other, part, set, signed, text, verifier, verify, with_header,
};

const CLAIMS: &str = r#"{"exp":1700000200,"sub":"mallory"}"#;

#[test]
fn no_algorithm_is_no_algorithm_in_every_spelling() {
    for none in
        ["none", "None", "NONE", "nOnE", "none ", "", "null", "\\u006eone", "hs256", "HS256\\u0000"]
    {
        let header = format!(r#"{{"alg":"{none}"}}"#);
        assert_eq!(with_header(&header, CLAIMS), Err(Refusal::Algorithm), "{none}, signed");
        let bare = format!("{}.{}.", part(&header), part(CLAIMS));
        assert!(verify(&bare).is_err(), "{none}, without a signature");
        assert!(verify(format!("{bare}AA")).is_err(), "{none}, with some signature");
    }
    for header in
        ["{}", r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, r#"{"alg":1}"#, r#"{"Alg":"HS256"}"#]
    {
        assert_eq!(with_header(header, CLAIMS), Err(Refusal::Malformed), "{header}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let algorithms = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Hs256];
    for kind in [Algorithm::Rs256, Algorithm::Es256] {
        let other = other(kind);
        let (pem, jwks) = (text(&other["pem"]), set(&[other["jwk"].clone()]));
        let header = format!(r#"{{"alg":"HS256","kid":{}}}"#, other["jwk"]["kid"]);
        for secret in [pem, pem.trim_end(), &other["jwk"].to_string()] {
            let message = format!("{}.{}", part(&header), part(CLAIMS));
            let tag = hmac::sign(
                &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
                message.as_bytes(),
            );
            let token = format!("{message}.{}", part(tag));
            // Even where HS256 is configured beside it, by whatever mistake.
            for keys in [
                Keys::from_pem(pem, &algorithms).expect("what the test has made is good"),
                Keys::from_jwks(&jwks, Provenance::Own, &algorithms)
                    .expect("what the test has made is good"),
            ] {
                let refused = verifier(&algorithms).verify(&keys, token.as_bytes(), NOW);
                assert_eq!(refused, Err(Refusal::Algorithm), "{kind:?}");
            }
        }
    }
}

#[test]
fn a_signature_is_for_the_algorithm_that_is_named() {
    let rsa = other(Algorithm::Ps256);
    let keys = Keys::from_jwks(&set(&[rsa["jwk"].clone()]), Provenance::Own, Algorithm::ALL)
        .expect("what the test has made is good");
    let parts: Vec<_> = text(&rsa["token"]).split('.').collect();
    for name in ["RS256", "PS384", "RS512"] {
        let header = part(format!(r#"{{"alg":"{name}","typ":"JWT","kid":"key-ps256"}}"#));
        let token = format!("{header}.{}.{}", parts[1], parts[2]);
        let refused = verifier(Algorithm::ALL).verify(&keys, token.as_bytes(), NOW);
        assert_eq!(refused, Err(Refusal::Signature), "{name}");
    }
}

#[test]
fn a_key_id_is_nothing_but_an_id() {
    let (ours, theirs) = (Signer::new(), Signer::new());
    let keys =
        Keys::from_jwks(&set(&[ours.jwk(Some("a"))]), Provenance::Published, &[Algorithm::Es256])
            .expect("what the test has made is good");
    let ids = [
        "../../../../dev/null",
        "/etc/passwd",
        "file:///dev/null",
        "x' UNION SELECT 'secret' -- ",
        "http://169.254.169.254/",
        "a\\u0000",
        "a ",
        "A",
        "",
        "|id",
    ];
    for id in ids {
        let token = theirs.sign(&format!(r#"{{"alg":"ES256","kid":"{id}"}}"#), CLAIMS);
        let refused = verifier(&[Algorithm::Es256]).verify(&keys, token.as_bytes(), NOW);
        assert_eq!(refused, Err(Refusal::KeyUnknown), "{id}");
    }
    for id in ["1", "null", r#"["a"]"#, r#"{"a":1}"#] {
        let token = ours.sign(&format!(r#"{{"alg":"ES256","kid":{id}}}"#), CLAIMS);
        let refused = verifier(&[Algorithm::Es256]).verify(&keys, token.as_bytes(), NOW);
        assert_eq!(refused, Err(Refusal::Malformed), "{id}");
    }
}

#[test]
fn keys_that_a_token_brings_or_names_are_not_looked_at() {
    let (ours, theirs) = (Signer::new(), Signer::new());
    let keys =
        Keys::from_jwks(&set(&[ours.jwk(Some("a"))]), Provenance::Published, &[Algorithm::Es256])
            .expect("what the test has made is good");
    let brought = [
        format!(r#""jwk":{}"#, theirs.jwk(Some("a"))),
        r#""jku":"https://attacker.example/keys.json""#.to_owned(),
        r#""x5u":"https://attacker.example/chain.pem""#.to_owned(),
        r#""x5c":["MIIB"],"x5t":"AA""#.to_owned(),
    ];
    for member in brought {
        let header = format!(r#"{{"alg":"ES256","kid":"a",{member}}}"#);
        let ask = |token: String| {
            verifier(&[Algorithm::Es256]).verify(&keys, token.as_bytes(), NOW).map(|_| ())
        };
        assert_eq!(ask(theirs.sign(&header, CLAIMS)), Err(Refusal::Signature), "{member}");
        assert_eq!(ask(ours.sign(&header, CLAIMS)), Ok(()), "{member}: neither does it harm");
    }
}

#[test]
fn extensions_that_must_be_understood_are_refused() {
    for member in [
        r#""crit":["exp"]"#,
        r#""crit":["http://example.com/UNDEFINED"],"http://example.com/UNDEFINED":true"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""b64":false"#,
        r#""b64":true"#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        assert_eq!(with_header(&header, CLAIMS), Err(Refusal::Critical), "{member}");
    }
    // What RFC 7797 would sign: the claims as they are.
    let message = format!("{}.{CLAIMS}", part(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    assert!(verify(format!("{message}.{}", part(tag))).is_err());
}

#[test]
fn members_that_stand_twice_are_refused() {
    for header in [
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
    ] {
        assert_eq!(with_header(header, CLAIMS), Err(Refusal::Malformed), "{header}");
    }
    for claims in [
        r#"{"exp":1,"exp":1700000200}"#,
        r#"{"exp":1700000200,"sub":"alice","sub":"mallory"}"#,
        r#"{"exp":1700000200,"realm_access":{"roles":["USER"],"roles":["ADMIN"]}}"#,
    ] {
        assert_eq!(with_header(HEADER, claims), Err(Refusal::Malformed), "{claims}");
    }
}

#[test]
fn empty_and_zero_signatures_sign_nothing() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let other = other(algorithm);
        let keys = Keys::from_jwks(&set(&[other["jwk"].clone()]), Provenance::Own, Algorithm::ALL)
            .expect("what the test has made is good");
        let (message, _) =
            text(&other["token"]).rsplit_once('.').expect("what the test has made is good");
        let ask = |signature: &[u8]| {
            let token = format!("{message}.{}", part(signature));
            verifier(Algorithm::ALL).verify(&keys, token.as_bytes(), NOW).map(|_| ())
        };
        assert_eq!(ask(&[]), Err(Refusal::Malformed), "{algorithm:?}");
        // r = s = 0, in each length that an algorithm has (CVE-2022-21449), and one more byte.
        for length in [1, 32, 48, 64, 96, 132, 256, 257, 1024] {
            for byte in [0, 1, 0xff] {
                assert_eq!(
                    ask(&vec![byte; length]),
                    Err(Refusal::Signature),
                    "{algorithm:?} {length} {byte}"
                );
            }
        }
    }
}

#[test]
fn signatures_of_other_lengths_and_forms_sign_nothing() {
    let signer = Signer::new();
    let keys =
        Keys::from_jwks(&set(&[signer.jwk(None)]), Provenance::Published, &[Algorithm::Es256])
            .expect("what the test has made is good");
    let token = signer.sign(r#"{"alg":"ES256"}"#, CLAIMS);
    let ask = |token: &str| {
        verifier(&[Algorithm::Es256]).verify(&keys, token.as_bytes(), NOW).map(|_| ())
    };
    assert_eq!(ask(&token), Ok(()));
    for end in ["=", "==", " ", "\n", ".", "AA", "A", "\0", "%3D", ".AA"] {
        assert!(ask(&format!("{token}{end}")).is_err(), "{end:?}");
    }
    for begin in [" ", "\n", ".", "Bearer ", "\u{feff}"] {
        assert!(ask(&format!("{begin}{token}")).is_err(), "{begin:?}");
    }
    // The last letter of 86 has two bits that say nothing: only zeros are what an encoder writes.
    let (last, others) =
        (token.chars().last().expect("what the test has made is good"), &token[..token.len() - 1]);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for letter in alphabet.chars().filter(|it| *it != last) {
        assert!(
            ask(&format!("{others}{letter}")).is_err(),
            "{letter} is another signature, or the same once more"
        );
    }
    assert!(ask(&token.replace(['-', '_'], "+")).is_err() || !token.contains(['-', '_']));
}

#[test]
fn what_is_not_three_parts_is_no_token() {
    let token = signed(HEADER, CLAIMS);
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = [parts[0], parts[1], parts[2]];
    assert!(verify(&token).is_ok());
    assert_eq!(verify(""), Err(Refusal::Missing));
    for other in [
        header.to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}.{signature}"),
        "..".to_owned(),
        ".".to_owned(),
        format!("{token}.{signature}.{signature}"),
        format!("{header}.{claims}.{signature}.{signature}.{signature}"),
    ] {
        assert_eq!(verify(&other), Err(Refusal::Malformed), "{other}");
    }
    // The JSON serialisation (RFC 7515 section 7.2), flattened and general.
    for json in [
        format!(r#"{{"protected":"{header}","payload":"{claims}","signature":"{signature}"}}"#),
        format!(
            r#"{{"payload":"{claims}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
        ),
    ] {
        assert_eq!(verify(&json), Err(Refusal::Malformed));
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let of = |length: usize| {
        let claims = format!(r#"{{"exp":1700000200,"x":"{}"}}"#, "x".repeat(length));
        signed(HEADER, &claims)
    };
    let fits = (TOKEN_BYTES_MAX - 200) / 4 * 3;
    assert!(verify(of(fits)).is_ok());
    assert_eq!(verify(of(1 << 20)), Err(Refusal::TooLarge), "a token of a megabyte");
    assert_eq!(verify(vec![b'.'; 1 << 20]), Err(Refusal::TooLarge));
    let long_header = format!(r#"{{"alg":"HS256","x":"{}"}}"#, "x".repeat(4096));
    assert_eq!(with_header(&long_header, CLAIMS), Err(Refusal::Malformed));
    let deep = format!(r#"{{"exp":1700000200,"x":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(with_header(HEADER, &deep), Err(Refusal::Malformed));
    let deep = format!(r#"{{"alg":"HS256","x":{}1{}}}"#, "[".repeat(1_000), "]".repeat(1_000));
    assert_eq!(with_header(&deep, CLAIMS), Err(Refusal::Malformed));
}

#[test]
fn claims_are_not_read_before_the_signature_was_checked() {
    let signer = Signer::new();
    let theirs = Signer::new();
    let keys =
        Keys::from_jwks(&set(&[signer.jwk(None)]), Provenance::Published, &[Algorithm::Es256])
            .expect("what the test has made is good");
    for claims in ["not JSON", r#"{"exp":1}"#, r#"{"exp":"x"}"#] {
        let token = theirs.sign(r#"{"alg":"ES256"}"#, claims);
        let refused = verifier(&[Algorithm::Es256]).verify(&keys, token.as_bytes(), NOW);
        assert_eq!(refused, Err(Refusal::Signature), "{claims}");
    }
}
