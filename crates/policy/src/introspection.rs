//! Opaque tokens: what the issuer is asked of one (RFC 7662), and what is believed of its response.
//!
//! Whether a token is `active` is the issuer's word; whether it is of the right issuer, for the right audience and in its time is held
//! against the configuration as for a signed token, and never left to the issuer alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::claims::Claims;
use crate::json::Json;
use crate::jwt::{Period, Refusal, Verifier};
use crate::time::UnixTime;

/// A response has no more bytes than this: one has some hundred, of which roles are the most.
pub const RESPONSE_BYTES_MAX: usize = 64 << 10;

/// A token that is active, and what its issuer says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Active {
    /// All that it says.
    pub claims: Claims,
    /// From when to when it is good.
    pub period: Period,
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disbelief {
    /// Its issuer says that it is not active: it has expired, was revoked, or never was.
    Inactive,
    /// It is not what is demanded.
    Refused(Refusal),
    /// Nothing is known of it: the response is none that RFC 7662 has.
    Unusable,
}

/// What `body`, an issuer's response of 200, says of a token, held at `now` against what `verifier` demands of issuer, audience and times.
///
/// # Errors
/// Why the token is not believed.
pub fn read(body: &[u8], verifier: &Verifier, now: UnixTime) -> Result<Active, Disbelief> {
    let claims = Claims::parse(body).map_err(|_| Disbelief::Unusable)?;
    match claims.get("active") {
        Some(Json::Bool(true)) => {}
        Some(Json::Bool(false)) => return Err(Disbelief::Inactive),
        // A word that somebody's script might take for true.
        _ => return Err(Disbelief::Unusable),
    }
    let period = verifier.accept(&claims, now).map_err(|refusal| match refusal {
        Refusal::Malformed => Disbelief::Unusable,
        other => Disbelief::Refused(other),
    })?;
    Ok(Active { claims, period })
}

/// The body by which the issuer is asked of `token` (RFC 7662 section 2.1), as `application/x-www-form-urlencoded`.
pub fn question(token: &[u8]) -> Vec<u8> {
    let mut body = b"token=".to_vec();
    encode(token, &mut body);
    body.extend_from_slice(b"&token_type_hint=access_token");
    body
}

/// The value of `Authorization` by which the client `id` proves with `secret` that it may ask (RFC 6749 section 2.3.1).
pub fn authorization(id: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut both = Vec::new();
    encode(id, &mut both);
    both.push(b':');
    encode(secret, &mut both);
    format!("Basic {}", STANDARD.encode(both)).into_bytes()
}

/// Writes `text` so that it can stand in a form.
fn encode(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            _ if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => out.push(byte),
            _ => out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::jwt::Expiry;

    fn verifier() -> Verifier {
        Verifier {
            algorithms: Vec::new(),
            issuers: vec!["https://id".to_owned()],
            audiences: vec!["shop".to_owned()],
            leeway: Duration::from_secs(10),
            expiry: Expiry::Optional,
        }
    }

    fn of(json: &str) -> Result<Active, Disbelief> {
        read(json.as_bytes(), &verifier(), UnixTime::from_secs(1_000))
    }

    #[test]
    fn a_token_is_believed_that_is_active_and_what_is_demanded() {
        let active = of(
            r#"{"active":true,"iss":"https://id","aud":["shop","a"],"sub":"alice","exp":2000,"iat":900}"#,
        );
        let active = active.unwrap();
        assert_eq!(active.claims.get("sub").and_then(Json::as_text), Some("alice"));
        let (until, issued) = (UnixTime::from_secs(2_010), UnixTime::from_secs(900));
        assert_eq!(active.period, Period { until: Some(until), issued_at: Some(issued) });
        // It may be good for ever.
        assert!(of(r#"{"active":true,"iss":"https://id","aud":"shop"}"#).is_ok());
    }

    #[test]
    fn whatever_the_issuer_says_a_token_of_another_or_of_another_time_is_not() {
        for (json, why) in [
            (r#"{"active":false}"#, Disbelief::Inactive),
            (r#"{"active":false,"iss":"https://id","aud":"shop"}"#, Disbelief::Inactive),
            (r#"{"active":true}"#, Disbelief::Refused(Refusal::Issuer)),
            (r#"{"active":true,"iss":"https://other"}"#, Disbelief::Refused(Refusal::Issuer)),
            (
                r#"{"active":true,"iss":"https://id","aud":"a"}"#,
                Disbelief::Refused(Refusal::Audience),
            ),
            (
                r#"{"active":true,"iss":"https://id","aud":"shop","exp":990}"#,
                Disbelief::Refused(Refusal::Expired),
            ),
            (
                r#"{"active":true,"iss":"https://id","aud":"shop","nbf":1011}"#,
                Disbelief::Refused(Refusal::NotYet),
            ),
        ] {
            assert_eq!(of(json), Err(why), "{json}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_says_nothing() {
        for json in [
            "",
            "true",
            "[]",
            "{}",
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":null}"#,
            r#"{"active":false,"active":true}"#,
            r#"{"Active":true}"#,
            r#"{"active":true}{}"#,
            r#"{"active":true,"iss":"https://id","aud":"shop","exp":"soon"}"#,
            r#"{"active":true,"iss":7}"#,
        ] {
            assert_eq!(of(json), Err(Disbelief::Unusable), "{json}");
        }
    }

    #[test]
    fn nothing_in_a_token_or_a_secret_ends_the_form_or_the_name() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(
            text(question(b"a&b=c d\xff%")),
            "token=a%26b%3Dc+d%FF%25&token_type_hint=access_token"
        );
        // RFC 6749 section 2.3.1.
        let plain = text(authorization(b"s6BhdRkqt3", b"7Fjfp0ZBr1KtDRbnfVdmIw"));
        assert_eq!(plain, "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
        let colons = text(authorization(b"a:b", b"c:d"));
        assert_eq!(colons, format!("Basic {}", STANDARD.encode("a%3Ab:c%3Ad")));
    }
}
