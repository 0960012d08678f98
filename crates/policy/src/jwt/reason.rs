//! Exactly why a token is not believed, for `explain`: an operator who has the token may know, and nobody else is told.

use crate::claims::Claims;
use crate::json::Json;
use crate::time::UnixTime;

use super::compact::Compact;
use super::verifier::Times;
use super::{Algorithm, Keys, Refusal, Verified, Verifier};

/// Why a token is not believed, with what it says and what was wanted. What is told of its claims was signed by a key that is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Its refusal says all.
    Plain(Refusal),
    /// It is signed by an algorithm that may not be, or that fits no key which it could be for.
    Algorithm {
        /// The token's.
        is: Algorithm,
        /// Those that may be.
        wanted: Vec<Algorithm>,
    },
    /// No key has the id that it names; or it names none.
    KeyUnknown(Option<Box<str>>),
    /// No key that it could be for has signed it; this is the id that it names.
    Signature(Option<Box<str>>),
    /// It has expired at this time, the leeway not included.
    Expired(UnixTime),
    /// It is good from this time on, the leeway not included.
    NotYet(UnixTime),
    /// It is of another issuer, or says none.
    Issuer {
        /// The token's.
        is: Option<Box<str>>,
        /// Those that may be.
        wanted: Vec<String>,
    },
    /// It is for others, or does not say for whom.
    Audience {
        /// The token's.
        is: Vec<Box<str>>,
        /// Those that may be.
        wanted: Vec<String>,
    },
}

impl Verifier {
    /// As [`Verifier::verify`], for people.
    ///
    /// # Errors
    /// Exactly why it is not believed.
    pub fn explain(&self, keys: &Keys, token: &[u8], now: UnixTime) -> Result<Verified, Reason> {
        self.verify(keys, token, now).map_err(|refusal| {
            let compact = Compact::read(token).ok();
            compact.and_then(|it| self.reason(&it, refusal)).unwrap_or(Reason::Plain(refusal))
        })
    }

    fn reason(&self, token: &Compact<'_>, refusal: Refusal) -> Option<Reason> {
        let key_id = || token.key_id.clone();
        // They were read behind the signature: only a refusal that says so makes them worth anything.
        let claims = || token.claims().ok();
        Some(match refusal {
            Refusal::Algorithm => {
                Reason::Algorithm { is: token.algorithm, wanted: self.algorithms.clone() }
            }
            Refusal::KeyUnknown => Reason::KeyUnknown(key_id()),
            Refusal::Signature => Reason::Signature(key_id()),
            Refusal::Expired => Reason::Expired(Times::of(&claims()?).ok()?.expires?),
            Refusal::NotYet => Reason::NotYet(Times::of(&claims()?).ok()?.begins()?),
            Refusal::Issuer => {
                let is = claims()?.get("iss").and_then(Json::as_text).map(Box::from);
                Reason::Issuer { is, wanted: self.issuers.clone() }
            }
            Refusal::Audience => {
                let is = audiences(&claims()?);
                Reason::Audience { is, wanted: self.audiences.clone() }
            }
            Refusal::Missing
            | Refusal::TooLarge
            | Refusal::Malformed
            | Refusal::Type
            | Refusal::Critical
            | Refusal::NoExpiry => return None,
        })
    }
}

fn audiences(claims: &Claims) -> Vec<Box<str>> {
    match claims.get("aud") {
        Some(Json::Text(one)) => vec![one.clone()],
        Some(Json::List(items)) => {
            items.iter().filter_map(|it| Some(it.as_text()?.into())).collect()
        }
        _ => Vec::new(),
    }
}
