//! Tokens to hold against the verifier: those of another implementation, and any that a test likes to sign.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::UnixTime;
use policy::jwt::{Algorithm, Expiry, Keys, Refusal, Verified, Verifier};
use serde_json::{Value, json};

/// The time at which tokens are tested.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_100);

/// A secret that is long enough for every algorithm.
pub(crate) const SECRET: &[u8; 64] =
    b"a secret of sixty-four bytes for the tests of tokens, no others.";

pub(crate) fn others() -> &'static Value {
    static OTHERS: OnceLock<Value> = OnceLock::new();
    OTHERS.get_or_init(|| {
        serde_json::from_str(include_str!("../data/tokens.json"))
            .expect("what the test has made is good")
    })
}

/// A token of another implementation, signed by `algorithm`: its key as JWK, and itself.
pub(crate) fn other(algorithm: Algorithm) -> &'static Value {
    let all = others()["tokens"].as_array().expect("what the test has made is good");
    all.iter().find(|it| it["alg"] == algorithm.as_str()).expect("what the test has made is good")
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("what the test has made is good")
}

/// Demands nothing but a signature by one of `algorithms`, and times.
pub(crate) fn verifier(algorithms: &[Algorithm]) -> Verifier {
    Verifier {
        algorithms: algorithms.to_vec(),
        issuers: Vec::new(),
        audiences: Vec::new(),
        leeway: Duration::ZERO,
        expiry: Expiry::Required,
    }
}

pub(crate) fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with this header and these claims, byte for byte, signed by HS256.
pub(crate) fn signed(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), signed.as_bytes());
    format!("{signed}.{}", part(tag))
}

pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What is believed of a token with these claims.
pub(crate) fn claims(claims: &str) -> Result<Verified, Refusal> {
    with_header(HEADER, claims)
}

pub(crate) fn with_header(header: &str, claims: &str) -> Result<Verified, Refusal> {
    verify(signed(header, claims))
}

/// Holds a token against the secret alone.
pub(crate) fn verify(token: impl AsRef<[u8]>) -> Result<Verified, Refusal> {
    let keys =
        Keys::from_secret(SECRET, &[Algorithm::Hs256]).expect("what the test has made is good");
    verifier(&[Algorithm::Hs256]).verify(&keys, token.as_ref(), NOW)
}

/// A key on P-256 that signs.
pub(crate) struct Signer {
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new() -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .expect("what the test has made is good"),
        }
    }

    pub(crate) fn jwk(&self, id: Option<&str>) -> Value {
        let point = self.pair.public_key().as_ref();
        let mut jwk =
            json!({"kty": "EC", "crv": "P-256", "x": part(&point[1..33]), "y": part(&point[33..])});
        if let Some(id) = id {
            jwk["kid"] = id.into();
        }
        jwk
    }

    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("what the test has made is good");
        format!("{signed}.{}", part(signature))
    }
}

pub(crate) fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}
