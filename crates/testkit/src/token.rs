//! Tokens as an issuer would sign them, for tests of those that check them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What [`token`] signs with: long enough for each algorithm.
pub const TOKEN_SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A token with the members `claims` (as in `"sub":"alice"`), signed by HS256, that expires in an hour.
pub fn token(claims: &str) -> String {
    token_until(claims, SystemTime::now() + Duration::from_secs(3600))
}

/// The same, that expires at `time`.
///
/// # Panics
/// When that was before 1970.
pub fn token_until(claims: &str, time: SystemTime) -> String {
    let expires = time.duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
    signed(r#"{"alg":"HS256","typ":"JWT"}"#, &format!(r#"{{{claims},"exp":{expires}}}"#))
}

/// A token of these two parts, whatever they are, signed by HS256.
pub fn signed(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, TOKEN_SECRET);
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", encoded(signature.as_ref()))
}

/// A key with which an issuer signs by EdDSA.
pub struct IssuerKey {
    id: String,
    pair: Ed25519KeyPair,
}

impl IssuerKey {
    /// A new one with this `kid`.
    ///
    /// # Panics
    /// When none can be drawn.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), pair: Ed25519KeyPair::generate().expect("a key can be drawn") }
    }

    /// Its public half, as a member of a JWK Set.
    pub fn jwk(&self) -> String {
        let (id, x) = (&self.id, encoded(self.pair.public_key().as_ref()));
        format!(r#"{{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"{id}","x":"{x}"}}"#)
    }

    /// A token with the members `claims` (as in `"sub":"alice"`) that it has signed, and that expires in the year 2286.
    pub fn token(&self, claims: &str) -> String {
        let header = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{}"}}"#, self.id);
        let claims = format!(r#"{{{claims},"exp":9999999999}}"#);
        let signed = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", encoded(signature.as_ref()))
    }
}

/// The JWK Set of these keys.
pub fn jwks(keys: &[&IssuerKey]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| key.jwk()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
