//! Keys: what is used of a JWK Set and of a PEM file, what is skipped, what is refused and how that is said.

use policy::jwt::{
    Algorithm, JWKS_BYTES_MAX, KEYS_MAX, KeyFault, Keys, KeysError, Provenance, Refusal,
};
use serde_json::{Value, json};

use super::support::{NOW, SECRET, Signer, other, others, part, set, text, verifier};

const CLAIMS: &str = r#"{"exp":1700000200}"#;
const ES256: &[Algorithm] = &[Algorithm::Es256];

fn published(keys: &[Value], algorithms: &[Algorithm]) -> Result<Keys, KeysError> {
    Keys::from_jwks(&set(keys), Provenance::Published, algorithms)
}

fn fault(key: &Value, algorithms: &[Algorithm]) -> String {
    published(std::slice::from_ref(key), algorithms).expect_err("it is refused").to_string()
}

#[test]
fn a_key_id_picks_among_the_keys_that_are_there() {
    let (old, new, unnamed, stranger) =
        (Signer::new(), Signer::new(), Signer::new(), Signer::new());
    let jwks = [old.jwk(Some("old")), new.jwk(Some("new")), unnamed.jwk(None)];
    let keys = published(&jwks, ES256).expect("what the test has made is good");
    let ask = |signer: &Signer, header: &str| {
        let token = signer.sign(header, CLAIMS);
        verifier(ES256).verify(&keys, token.as_bytes(), NOW).map(|it| it.key_id.map(String::from))
    };
    let (is_old, is_new) = (r#"{"alg":"ES256","kid":"old"}"#, r#"{"alg":"ES256","kid":"new"}"#);
    assert_eq!(ask(&old, is_old), Ok(Some("old".to_owned())));
    assert_eq!(ask(&new, is_new), Ok(Some("new".to_owned())));
    assert_eq!(ask(&new, is_old), Err(Refusal::Signature), "another key of the same issuer");
    assert_eq!(ask(&unnamed, is_old), Ok(None), "a key without an id is tried for each");
    assert_eq!(
        ask(&new, r#"{"alg":"ES256"}"#),
        Ok(Some("new".to_owned())),
        "without an id each is tried"
    );
    assert_eq!(ask(&stranger, r#"{"alg":"ES256"}"#), Err(Refusal::Signature));
    let keys = published(&jwks[..2], ES256).expect("what the test has made is good");
    let token = new.sign(r#"{"alg":"ES256","kid":"newer"}"#, CLAIMS);
    assert_eq!(verifier(ES256).verify(&keys, token.as_bytes(), NOW), Err(Refusal::KeyUnknown));
}

#[test]
fn keys_with_the_same_id_are_all_tried_up_to_a_bound() {
    let signers: Vec<_> = (0..17).map(|_| Signer::new()).collect();
    let jwks: Vec<_> = signers.iter().map(|it| it.jwk(Some("same"))).collect();
    let keys = published(&jwks, ES256).expect("what the test has made is good");
    let ask = |signer: &Signer| {
        let token = signer.sign(r#"{"alg":"ES256","kid":"same"}"#, CLAIMS);
        verifier(ES256).verify(&keys, token.as_bytes(), NOW).map(|_| ())
    };
    assert_eq!(ask(&signers[0]), Ok(()));
    assert_eq!(ask(&signers[15]), Ok(()));
    assert_eq!(ask(&signers[16]), Err(Refusal::KeyUnknown), "one more than are tried");
}

#[test]
fn a_thousand_keys_are_kept_and_one_more_is_not() {
    let signer = Signer::new();
    let jwks: Vec<_> = (0..=KEYS_MAX).map(|at| signer.jwk(Some(&format!("k{at}")))).collect();
    let keys = published(&jwks[..KEYS_MAX], ES256).expect("what the test has made is good");
    assert_eq!(keys.count(), KEYS_MAX);
    let token = signer.sign(r#"{"alg":"ES256","kid":"k999"}"#, CLAIMS);
    let verified = verifier(ES256)
        .verify(&keys, token.as_bytes(), NOW)
        .expect("what the test has made is good");
    assert_eq!(verified.key_id.as_deref(), Some("k999"));
    assert!(matches!(published(&jwks, ES256), Err(KeysError::TooMany)));
}

#[test]
fn what_is_no_set_of_keys_is_refused() {
    let of = |text: &str| Keys::from_jwks(text.as_bytes(), Provenance::Own, ES256);
    for text in ["{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":null}"#] {
        assert!(matches!(of(text), Err(KeysError::NotJwks)), "{text}");
    }
    for text in ["", "<html>", r#"{"keys":[],"keys":[]}"#] {
        assert!(matches!(of(text), Err(KeysError::NotJson(_))), "{text}");
    }
    let large = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(JWKS_BYTES_MAX));
    assert!(matches!(of(&large), Err(KeysError::TooLarge)));
    assert_eq!(
        of(r#"{"keys":[]}"#).expect("what the test has made is good").count(),
        0,
        "an issuer may have withdrawn them all"
    );
}

#[test]
fn what_is_not_for_signatures_is_skipped_and_said() {
    let good = Signer::new();
    let with = |name: &str, value: Value| {
        let mut jwk = Signer::new().jwk(Some("other"));
        jwk[name] = value;
        jwk
    };
    let skipped = [
        (with("use", json!("enc")), KeyFault::NotForSignatures),
        (with("key_ops", json!(["sign"])), KeyFault::NotForSignatures),
        (with("kty", json!("AKP")), KeyFault::Kind("AKP".to_owned())),
        (with("crv", json!("P-256K")), KeyFault::Curve("P-256K".to_owned())),
        (with("crv", json!("secp256k1")), KeyFault::Secp256k1),
        (with("alg", json!("ES384")), KeyFault::NotAsked),
        (with("alg", json!("none")), KeyFault::NotAsked),
        (with("d", json!("AAAA")), KeyFault::Published),
        (json!({"kty": "oct", "k": part(SECRET)}), KeyFault::Published),
    ];
    let mut jwks: Vec<_> = skipped.iter().map(|(jwk, _)| jwk.clone()).collect();
    jwks.insert(3, good.jwk(Some("good")));
    let keys = published(&jwks, ES256).expect("what the test has made is good");
    assert_eq!(keys.count(), 1);
    let said: Vec<_> = keys.skipped().iter().map(|it| it.fault.clone()).collect();
    assert_eq!(said, skipped.map(|(_, fault)| fault));
    for jwk in
        [with("use", json!("sig")), with("key_ops", json!(["verify"])), with("alg", json!("ES256"))]
    {
        assert_eq!(published(&[jwk], ES256).expect("what the test has made is good").count(), 1);
    }
}

#[test]
fn numbers_that_make_no_key_are_refused() {
    let rsa = &other(Algorithm::Rs256)["jwk"];
    let with = |jwk: &Value, name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        fault(&jwk, Algorithm::ALL)
    };
    let weak = fault(&others()["unusable"]["rsa1024"]["jwk"], Algorithm::ALL);
    assert!(weak.contains("an RSA key of 1024 bits: 2048 to 8192"), "{weak}");
    for (exponent, why) in
        [("AQ", "exponent"), ("Ag", "exponent"), ("", "exponent"), ("__________8", "exponent")]
    {
        assert!(with(rsa, "e", json!(exponent)).contains(why), "{exponent}");
    }
    assert!(with(rsa, "n", json!("AQAB=")).contains("base64url"));
    assert!(with(rsa, "n", json!(part([0xff; 1025]))).contains("8200 bits"));
    assert!(with(rsa, "n", json!(part([0xfe; 256]))).contains("no valid key"), "an even modulus");
    assert!(with(rsa, "n", json!(7)).contains("missing"));
    let curve = Signer::new().jwk(None);
    assert!(with(&curve, "x", json!(part([1; 32]))).contains("no valid key"), "not on the curve");
    assert!(with(&curve, "x", json!(part([1; 31]))).contains("length of the curve"));
    assert!(with(&curve, "crv", json!("P-384")).contains("length of the curve"));
    assert!(with(&curve, "kid", json!(1)).contains("`kid`"));
    assert!(with(&other(Algorithm::EdDsa)["jwk"], "x", json!(part([1; 31]))).contains("32 bytes"));
}

#[test]
fn es256k_is_named_as_absent() {
    let unusable = &others()["unusable"]["es256k"];
    let said = fault(&unusable["jwk"], Algorithm::ALL);
    assert!(said.contains("ES256K, which is not supported: use P-256 with ES256"), "{said}");
    let said = Keys::from_pem(text(&unusable["pem"]), Algorithm::ALL)
        .expect_err("it is refused")
        .to_string();
    assert!(said.contains("ES256K"), "{said}");
}

#[test]
fn each_key_of_a_pem_file_must_be_usable() {
    let said = |pem: &str, algorithms: &[Algorithm]| {
        Keys::from_pem(pem, algorithms).expect_err("it is refused").to_string()
    };
    let good = text(&other(Algorithm::Es256)["pem"]);
    let weak = text(&others()["unusable"]["rsa1024"]["pem"]);
    assert!(
        said(&format!("{good}{weak}"), Algorithm::ALL).contains("key 2: an RSA key of 1024 bits")
    );
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(said(private, ES256).contains("only its public half belongs here"));
    let encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert!(said(encrypted, ES256).contains("only its public half belongs here"));
    assert!(said(good, &[Algorithm::Rs256]).contains("fits none of the configured algorithms"));
    assert!(said("", ES256).contains("BEGIN PUBLIC KEY"));
    assert!(said(&good.replace("END", "FIN"), ES256).contains("without its END"));
    assert!(said(&good.replace('M', "*"), ES256).contains("base64"));
    assert!(
        said("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", ES256).contains("DER")
    );
    assert!(
        said("-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----", ES256)
            .contains("DH PARAMETERS")
    );
}

#[test]
fn a_secret_that_is_too_short_for_its_algorithm_is_refused_with_what_would_do() {
    let of =
        |bytes: usize, algorithms: &[Algorithm]| Keys::from_secret(&SECRET[..bytes], algorithms);
    for (algorithm, least) in
        [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)]
    {
        assert!(of(least, &[algorithm]).is_ok());
        let said = of(least - 1, &[algorithm]).expect_err("it is refused").to_string();
        let wanted =
            format!("{} bytes, and {} needs at least {least}", least - 1, algorithm.as_str());
        assert!(said.contains(&wanted), "{said}");
        assert!(!said.contains("a secret of"), "the secret itself is not shown");
    }
    assert!(of(32, &[Algorithm::Hs256, Algorithm::Hs512]).is_err(), "each of them");
    assert!(matches!(of(64, &[Algorithm::Rs256]), Err(KeysError::Secret(KeyFault::NotAsked))));
}

#[test]
fn a_secret_of_a_set_is_for_what_it_is_long_enough_for() {
    let of = |bytes: usize| {
        let jwks = set(&[json!({"kty": "oct", "k": part(&SECRET[..bytes])})]);
        Keys::from_jwks(&jwks, Provenance::Own, Algorithm::ALL)
    };
    assert!(of(31).expect_err("it is refused").to_string().contains("HS256 needs at least 32"));
    let keys = of(32).expect("what the test has made is good");
    let token = text(&other(Algorithm::Hs512)["token"]);
    let refused = verifier(Algorithm::ALL).verify(&keys, token.as_bytes(), NOW);
    assert_eq!(refused, Err(Refusal::Algorithm), "32 bytes are too few for HS512");
}

#[test]
fn nothing_secret_is_shown() {
    let keys =
        Keys::from_secret(SECRET, &[Algorithm::Hs256]).expect("what the test has made is good");
    assert_eq!(format!("{keys:?}"), "Keys { count: 1, .. }");
}
