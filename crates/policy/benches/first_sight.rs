//! What a token costs that was never seen before, beside the bare check of its signature: `cargo bench -p policy`.
//!
//! Both are done in turn for each of many tokens, so that what disturbs the machine disturbs both. What the program does
//! with tokens that it has seen is counted by `scripts/cost`.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time, which the crate must not know")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mimalloc::MiMalloc;
use policy::UnixTime;
use policy::jwt::{Algorithm, Expiry, Keys, Provenance, Verifier};

/// The allocator that the program uses.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const TOKENS: usize = 2_000;
const NOW: UnixTime = UnixTime::from_secs(1_700_000_100);
const HEADER: &str = r#"{"alg":"ES256","typ":"JWT","kid":"2026-11"}"#;

/// A token, and what its signature is checked by.
struct Token {
    text: String,
    signed_bytes: usize,
    signature: Vec<u8>,
}

fn main() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key is made");
    let point = pair.public_key().as_ref();
    let bare = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).expect("it is a point");
    let keys = keys(point);
    let verifier = Verifier {
        algorithms: vec![Algorithm::Es256],
        issuers: vec!["https://id.example.com".to_owned()],
        audiences: vec!["shop".to_owned()],
        leeway: Duration::from_secs(30),
        expiry: Expiry::Required,
    };
    let tokens: Vec<Token> = (0..TOKENS).map(|number| token(&pair, number)).collect();
    let mut ratios: Vec<f64> = tokens
        .iter()
        .map(|token| {
            let signed = &token.text.as_bytes()[..token.signed_bytes];
            let least = time(|| black_box(bare.verify_sig(signed, &token.signature)).is_ok());
            let whole =
                time(|| black_box(verifier.verify(&keys, token.text.as_bytes(), NOW)).is_ok());
            whole.as_secs_f64() / least.as_secs_f64()
        })
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    println!(
        "{TOKENS} tokens of {} bytes by ES256, each seen for the first time, to the bare check of its signature: \
         {:.3} (median; a tenth below {:.3}, a tenth above {:.3})",
        tokens[0].text.len(),
        ratios[TOKENS / 2],
        ratios[TOKENS / 10],
        ratios[TOKENS * 9 / 10],
    );
}

fn time(check: impl FnOnce() -> bool) -> Duration {
    let start = Instant::now();
    let believed = check();
    let elapsed = start.elapsed();
    assert!(believed, "the token is good");
    elapsed
}

/// As an issuer publishes them.
fn keys(point: &[u8]) -> Keys {
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let set =
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"2026-11","x":"{x}","y":"{y}"}}]}}"#);
    Keys::from_jwks(set.as_bytes(), Provenance::Published, &[Algorithm::Es256])
        .expect("the set is good")
}

/// With claims as issuers write them.
fn token(pair: &EcdsaKeyPair, number: usize) -> Token {
    let claims = format!(
        r#"{{"iss":"https://id.example.com","aud":"shop","sub":"user-{number}","iat":1700000000,"exp":1700003600,"jti":"{number:032x}","scope":"openid profile email","realm_access":{{"roles":["USER","offline_access"]}},"email":"user-{number}@example.com"}}"#
    );
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a key signs");
    let signature = signature.as_ref().to_vec();
    let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature));
    Token { text, signed_bytes: signed.len(), signature }
}
