//! What a configuration demands of tokens, and a token held against it.

use std::time::Duration;

use crate::claims::Claims;
use crate::json::{Json, Number};
use crate::time::UnixTime;

use super::compact::Compact;
use super::{Algorithm, Keys, Refusal};

/// What is demanded of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// What may sign them: one of these.
    pub algorithms: Vec<Algorithm>,
    /// What `iss` must be: one of these, byte by byte; not looked at where there is none.
    pub issuers: Vec<String>,
    /// What `aud` must have: one of these; not looked at where there is none.
    pub audiences: Vec<String>,
    /// How far the issuer's clock may be from ours, in whole seconds.
    pub leeway: Duration,
    /// Whether a token must end.
    pub expiry: Expiry,
}

/// Whether a token must have an `exp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// It must.
    #[default]
    Required,
    /// It may be good for ever.
    Optional,
}

/// From when to when claims are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first second at which they are refused, leeway included; `None` for never.
    pub until: Option<UnixTime>,
    /// Their `iat`.
    pub issued_at: Option<UnixTime>,
}

/// A token that is believed, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// All that it says.
    pub claims: Claims,
    /// The first second at which it is refused, leeway included; `None` for never.
    pub until: Option<UnixTime>,
    /// Its `iat`.
    pub issued_at: Option<UnixTime>,
    /// What it was signed by.
    pub algorithm: Algorithm,
    /// The id of the key that it was signed with; none where that key has none.
    pub key_id: Option<Box<str>>,
}

impl Verifier {
    /// Holds `token` against `keys` and what is demanded, at the time `now`. Claims are read when the signature was
    /// checked, and not before.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, keys: &Keys, token: &[u8], now: UnixTime) -> Result<Verified, Refusal> {
        let compact = Compact::read(token)?;
        let algorithm = compact.algorithm;
        if !self.algorithms.contains(&algorithm) {
            return Err(Refusal::Algorithm);
        }
        let key_id =
            keys.check(algorithm, compact.key_id.as_deref(), compact.signed, compact.signature())?;
        let claims = compact.claims()?;
        let Period { until, issued_at } = self.accept(&claims, now)?;
        let key_id = key_id.map(Into::into);
        Ok(Verified { until, issued_at, algorithm, key_id, claims })
    }

    /// Holds `claims`, that nobody can have changed, against what is demanded of times, issuer and audience at the time `now`.
    ///
    /// # Errors
    /// Why they are not believed.
    pub fn accept(&self, claims: &Claims, now: UnixTime) -> Result<Period, Refusal> {
        let times = Times::of(claims)?;
        let until = self.in_time(&times, now)?;
        self.meets_parties(claims)?;
        Ok(Period { until, issued_at: times.issued_at })
    }

    /// `exp`, `nbf` and `iat` (RFC 7519 section 4.1): good before the first, and from the others on.
    fn in_time(&self, times: &Times, now: UnixTime) -> Result<Option<UnixTime>, Refusal> {
        let until = times.expires.map(|it| it.after(self.leeway));
        match until {
            Some(until) if now >= until => return Err(Refusal::Expired),
            None if self.expiry == Expiry::Required => return Err(Refusal::NoExpiry),
            _ => {}
        }
        let latest = now.after(self.leeway);
        if times.begins().is_some_and(|begin| begin > latest) {
            Err(Refusal::NotYet)
        } else {
            Ok(until)
        }
    }

    fn meets_parties(&self, claims: &Claims) -> Result<(), Refusal> {
        for name in ["iss", "sub", "jti"] {
            if claims.get(name).is_some_and(|it| it.as_text().is_none()) {
                return Err(Refusal::Malformed);
            }
        }
        let has = |known: &[String], claim: &Json| {
            claim.as_text().is_some_and(|it| known.iter().any(|known| known == it))
        };
        let is_from = claims.get("iss").is_some_and(|it| has(&self.issuers, it));
        if !self.issuers.is_empty() && !is_from {
            return Err(Refusal::Issuer);
        }
        let is_for = match claims.get("aud") {
            None => false,
            Some(text @ Json::Text(_)) => has(&self.audiences, text),
            Some(Json::List(items)) if items.iter().all(|it| it.as_text().is_some()) => {
                items.iter().any(|it| has(&self.audiences, it))
            }
            Some(_) => return Err(Refusal::Malformed),
        };
        if self.audiences.is_empty() || is_for { Ok(()) } else { Err(Refusal::Audience) }
    }
}

impl Verified {
    /// Whom it is about: `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// Its own id: `jti`.
    pub fn token_id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// Who issued it: `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Json::as_text)
    }

    /// About how many bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.claims.bytes() + self.key_id.as_deref().map_or(0, str::len)
    }
}

/// When a token is good, as it says.
pub(super) struct Times {
    pub(super) expires: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
}

impl Times {
    /// From when on it is good.
    pub(super) fn begins(&self) -> Option<UnixTime> {
        self.not_before.max(self.issued_at)
    }

    pub(super) fn of(claims: &Claims) -> Result<Self, Refusal> {
        Ok(Self {
            expires: date(claims, "exp", Round::Down)?,
            not_before: date(claims, "nbf", Round::Up)?,
            issued_at: date(claims, "iat", Round::Up)?,
        })
    }
}

/// Where a fraction of a second goes: never in favour of the token.
#[derive(Clone, Copy)]
enum Round {
    Up,
    Down,
}

/// A NumericDate (RFC 7519 section 2): a number of seconds, with a fraction if it likes. Dates after the year 9999 are refused:
/// they are milliseconds, as a clock of another language has them, and such a token would be good for ever.
fn date(claims: &Claims, name: &str, round: Round) -> Result<Option<UnixTime>, Refusal> {
    let seconds = match claims.get(name) {
        None => return Ok(None),
        Some(Json::Number(Number::Unsigned(seconds))) => *seconds,
        Some(Json::Number(Number::Signed(_))) => 0,
        Some(Json::Number(Number::Float(seconds))) => match round {
            // The cast holds at the ends of its range, and below 0 is 0.
            Round::Up => seconds.ceil() as u64,
            Round::Down => seconds.floor() as u64,
        },
        Some(_) => return Err(Refusal::Malformed),
    };
    let date = UnixTime::from_secs(seconds);
    if date > UnixTime::LAST { Err(Refusal::Malformed) } else { Ok(Some(date)) }
}
