//! Who is banned, as the API says it and is told it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control::{Banned, TokenDigest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::handle::rfc3339;

/// No ban is longer: ten years, in seconds.
const FOR_S_MAX: u64 = 10 * 365 * 86_400;

/// What is banned: one of `subject`, `token_id`, `token_sha256`, `issued_before` and `address`, with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BanKey {
    /// A subject, by whatever authentication; beside `issued_before` its tokens alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The id of a token (`jti`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Whose token it is (`iss`), beside `token_id`; that of any issuer where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The SHA-256 of a token, in hexadecimal digits. A token itself is told nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha256: Option<String>,
    /// Tokens that were issued before this time (RFC 3339), those included that do not say when. Which time it is does not matter where a
    /// ban is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<String>,
    /// A client's address, or a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A ban that is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewBan {
    /// What is banned.
    pub banned: BanKey,
    /// For how long, in whole seconds: ten years at the most.
    pub for_s: u64,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ban {
    /// What is banned.
    pub banned: BanKey,
    /// Until when, as RFC 3339 has it.
    pub until: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who is banned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bans {
    /// Each, the one that is over first before the others.
    pub bans: Vec<Ban>,
}

/// A ban was lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lifted {
    /// What is banned no more.
    pub lifted: BanKey,
}

/// The SHA-256 of a token, as [`BanKey::token_sha256`] has it.
pub fn token_sha256(token: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl BanKey {
    /// What it names.
    ///
    /// # Errors
    /// When it names nothing, or several things; the text says so.
    pub(crate) fn banned(&self) -> Result<Banned, String> {
        let Self { subject, token_id, issuer, token_sha256, issued_before, address } = self;
        for (name, text) in [("subject", subject), ("token_id", token_id), ("issuer", issuer)] {
            if let Some(text) = text {
                check_text(name, text)?;
            }
        }
        let subject = || subject.clone();
        match (token_id, token_sha256, issued_before, address) {
            (Some(id), None, None, None) if self.subject.is_none() => {
                Ok(Banned::TokenId { issuer: issuer.clone(), id: id.clone() })
            }
            _ if issuer.is_some() => Err("`issuer` stands beside `token_id` alone".to_owned()),
            (None, Some(digits), None, None) if self.subject.is_none() => {
                let digest = digest(digits);
                digest
                    .map(Banned::Token)
                    .ok_or("`token_sha256` has 64 hexadecimal digits".to_owned())
            }
            (None, None, Some(_), None) => Ok(Banned::IssuedBefore(subject())),
            (None, None, None, Some(network)) if self.subject.is_none() => network_of(network),
            (None, None, None, None) => {
                subject().map(Banned::Subject).ok_or_else(|| format!("nothing is named: {ONE_OF}"))
            }
            _ => Err(format!("several things are named: {ONE_OF}")),
        }
    }

    /// What it names, as of `banned`.
    fn of(ban: &control::Ban) -> Self {
        let key = Self::default();
        match ban.banned.clone() {
            Banned::Subject(subject) => Self { subject: Some(subject), ..key },
            Banned::TokenId { issuer, id } => Self { token_id: Some(id), issuer, ..key },
            Banned::Token(digest) => {
                let digits = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                Self { token_sha256: Some(digits), ..key }
            }
            Banned::IssuedBefore(subject) => {
                Self { issued_before: Some(written(ban.at)), subject, ..key }
            }
            Banned::Address(network) => {
                let is_one = network.prefix_len() == network.max_prefix_len();
                let address = if is_one { network.addr().to_string() } else { network.to_string() };
                Self { address: Some(address), ..key }
            }
        }
    }
}

const ONE_OF: &str = "one of `subject`, `token_id`, `token_sha256`, `issued_before` and `address`";

impl NewBan {
    /// The ban that it is from `now` on.
    ///
    /// # Errors
    /// When it makes no sense; the text says why.
    pub(crate) fn ban(&self, now: SystemTime) -> Result<control::Ban, String> {
        let Self { banned: key, for_s, reason } = self;
        let banned = key.banned()?;
        if !(1..=FOR_S_MAX).contains(for_s) {
            return Err(format!("`for_s` is from 1 to {FOR_S_MAX}"));
        }
        if let Some(reason) = reason {
            check_text("reason", reason)?;
        }
        let now = since_1970(now);
        let at = match &key.issued_before {
            Some(text) => instant(text)?,
            None => now,
        };
        let until = now + Duration::from_secs(*for_s);
        Ok(control::Ban { banned, at, until, reason: reason.clone() })
    }
}

impl From<&control::Ban> for Ban {
    fn from(ban: &control::Ban) -> Self {
        let (until, reason) = (written(ban.until), ban.reason.clone());
        Self { banned: BanKey::of(ban), until, reason }
    }
}

fn check_text(name: &str, text: &str) -> Result<(), String> {
    let max = Banned::TEXT_BYTES_MAX;
    match text.len() {
        0 => Err(format!("`{name}` is empty")),
        length if length > max => Err(format!("`{name}` has more than {max} bytes")),
        _ => Ok(()),
    }
}

fn network_of(text: &str) -> Result<Banned, String> {
    let whole = match text.contains('/') {
        true => text.to_owned(),
        false if text.contains(':') => format!("{text}/128"),
        false => format!("{text}/32"),
    };
    let parsed = whole.parse();
    let wrong = |_| "`address` is an address or a network, as 203.0.113.0/24".to_owned();
    Ok(Banned::Address(parsed.map_err(wrong)?).normal())
}

fn instant(text: &str) -> Result<Duration, String> {
    let wrong = "`issued_before` is a time, as 2026-11-27T08:00:00Z";
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong.to_owned())?;
    Duration::try_from(time.duration_since(jiff::Timestamp::UNIX_EPOCH))
        .map_err(|_| wrong.to_owned())
}

fn digest(digits: &str) -> Option<TokenDigest> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn written(since_1970: Duration) -> String {
    UNIX_EPOCH.checked_add(since_1970).map(rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(json: &str) -> BanKey {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_named_is_banned_and_is_told_in_the_same_words() {
        let digits = token_sha256(b"token");
        for json in [
            r#"{"subject":"alice"}"#.to_owned(),
            r#"{"token_id":"7"}"#.to_owned(),
            r#"{"token_id":"7","issuer":"https://id.example"}"#.to_owned(),
            format!(r#"{{"token_sha256":"{digits}"}}"#),
            r#"{"issued_before":"2026-11-27T08:00:00Z"}"#.to_owned(),
            r#"{"subject":"alice","issued_before":"2026-11-27T08:00:00Z"}"#.to_owned(),
            r#"{"address":"203.0.113.0/24"}"#.to_owned(),
            r#"{"address":"203.0.113.7"}"#.to_owned(),
            r#"{"address":"2001:db8::1"}"#.to_owned(),
        ] {
            let banned = key(&json);
            let new = NewBan { banned: banned.clone(), for_s: 60, reason: Some("why".into()) };
            let now = UNIX_EPOCH + Duration::from_secs(1_000);
            let ban = new.ban(now).unwrap_or_else(|why| panic!("{json}: {why}"));
            assert_eq!(ban.until, Duration::from_secs(1_060), "{json}");
            let told = Ban::from(&ban);
            assert_eq!((&told.banned, &*told.until), (&banned, "1970-01-01T00:17:40Z"), "{json}");
            assert_eq!(banned.banned().unwrap(), ban.banned, "{json}");
        }
    }

    #[test]
    fn what_names_nothing_or_several_things_is_refused() {
        let long = format!(r#"{{"subject":"{}"}}"#, "x".repeat(1_025));
        for json in [
            "{}",
            r#"{"subject":""}"#,
            &long,
            r#"{"issuer":"i"}"#,
            r#"{"subject":"a","issuer":"i"}"#,
            r#"{"subject":"a","token_id":"7"}"#,
            r#"{"subject":"a","address":"::1"}"#,
            r#"{"token_id":"7","address":"::1"}"#,
            r#"{"token_sha256":"abc"}"#,
            r#"{"token_sha256":"zz"}"#,
            r#"{"address":"somewhere"}"#,
            r#"{"address":"10.0.0.0/33"}"#,
        ] {
            assert!(key(json).banned().is_err(), "{json}");
        }
        let new = |banned: &str, for_s| NewBan { banned: key(banned), for_s, reason: None };
        let alice = r#"{"subject":"alice"}"#;
        for new in [
            new(alice, 0),
            new(alice, u64::MAX),
            new(r#"{"issued_before":"yesterday"}"#, 60),
            new(r#"{"issued_before":"1960-01-01T00:00:00Z"}"#, 60),
            NewBan { reason: Some(String::new()), ..new(alice, 60) },
        ] {
            assert!(new.ban(SystemTime::now()).is_err(), "{new:?}");
        }
        assert!(
            serde_json::from_str::<BanKey>(r#"{"token":"secret"}"#).is_err(),
            "no token itself"
        );
    }
}
