//! A token beside another reader of JSON: what is believed says to both the same. The tests run it by chance, the fuzz target `tokens` by
//! coverage.

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::UnixTime;
use policy::jwt::{Algorithm, Expiry, Keys, Verifier, unverified_issuer};
use serde_json::Value;

/// The time at which tokens are checked, in seconds.
const NOW: u64 = 1_700_000_100;

const SECRET: &[u8] = b"a secret of thirty-two bytes, two";

static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys::from_secret(SECRET, &[Algorithm::Hs256]).expect("it is long enough"));

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier {
    algorithms: vec![Algorithm::Hs256],
    issuers: Vec::new(),
    audiences: Vec::new(),
    leeway: Duration::ZERO,
    expiry: Expiry::Required,
});

/// Asserts what holds of a token that its issuer signed, whatever is in its header and claims.
pub(crate) fn signed_is_read_alike(header: &[u8], claims: &[u8]) {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
    let Ok(verified) = VERIFIER.verify(&KEYS, token.as_bytes(), UnixTime::from_secs(NOW)) else {
        return;
    };

    let header: Value = serde_json::from_slice(header).expect("the header is JSON to others, too");
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none() && header.get("b64").is_none(), "{header}");

    let claims: Value = serde_json::from_slice(claims).expect("the claims are JSON to others, too");
    let claims = claims.as_object().expect("they are an object to others, too");
    let date = |name: &str| claims.get(name).map(|it| it.as_f64().expect("a date is a number"));
    assert!(date("exp").is_some_and(|it| it > NOW as f64), "it has expired: {claims:?}");
    for name in ["nbf", "iat"] {
        assert!(
            date(name).is_none_or(|it| it <= NOW as f64),
            "it is of a time to come: {claims:?}"
        );
    }
    for (name, ours) in
        [("sub", verified.subject()), ("iss", verified.issuer()), ("jti", verified.token_id())]
    {
        assert_eq!(claims.get(name).and_then(Value::as_str), ours, "{name}");
    }
    let until = verified.until.expect("an expiry is demanded").as_secs();
    assert!(until > NOW && date("exp").is_some_and(|it| until as f64 <= it), "later than it says");
    assert_eq!(unverified_issuer(token.as_bytes()).as_deref(), verified.issuer());
}

/// Asserts that nobody without the secret makes a token.
pub(crate) fn unsigned_is_refused(token: &[u8]) {
    let verdict = VERIFIER.verify(&KEYS, token, UnixTime::from_secs(NOW));
    assert!(verdict.is_err(), "believed without the secret");
    let _issuer = unverified_issuer(token);
}
