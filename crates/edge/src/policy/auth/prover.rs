//! How one authentication finds a credential and what it believes of it.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use model::{Authentication, CredentialPlace, Proof};
use policy::api_key::ApiKeys;
use policy::claims::Claims;
use policy::jwt::{self, Verifier};
use policy::time::UnixTime;
use telemetry::Ending;
use wire::head::RequestHead;

use super::basic::Basic;
use super::caller::{Caller, ProvenToken};
use super::certificate::Certificates;
use super::credential::{self, Found};
use super::denial::Denial;
use super::desk::Desk;
use super::forward::Forward;
use super::inquiry::{Fingerprints, Slow};
use super::introspect::Introspect;
use super::keyring::{Held, Keyring};
use super::signed::Signed;

/// How an authentication finds out who has a credential.
#[derive(Debug)]
pub(super) enum Prover {
    /// By itself, while the request stands still.
    AtOnce(AtOnce),
    /// By what the client has shown in its handshake.
    Certificate(Certificates),
    /// By asking somebody else, while others have their turn.
    Slow(Box<dyn Slow>, Box<Fingerprints>),
    /// By the whole request, once.
    Signed(Signed),
}

/// What an authentication believes by itself.
#[derive(Debug)]
pub(super) enum AtOnce {
    Jwt { keys: Held, verifier: Verifier },
    ApiKey(ApiKeys),
}

/// Why a request proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It has no credential.
    Missing,
    /// It has several that differ, or one that cannot be read.
    Malformed,
    Expired,
    NotYet,
    Forged,
    /// It is somebody else's, or for somebody else.
    Foreign,
    /// It has come before, and was good once.
    Replayed,
    /// So much of a request cannot be held until it is believed.
    TooLarge,
    /// Its issuer says that it is not active, or is trusted no more.
    Inactive,
    /// The service that was asked refuses it.
    Denied(Rc<Denial>),
    /// There is nothing yet that it could be checked with.
    Unready,
    /// The server that was asked gave nothing that can be used.
    Unavailable,
    /// There is no room to check it, or no time.
    Busy,
}

impl Refused {
    /// How the exchange ends.
    pub(super) fn ending(&self) -> Ending {
        match self {
            Self::Missing => Ending::AuthMissing,
            Self::Malformed => Ending::AuthMalformed,
            Self::Expired => Ending::AuthExpired,
            Self::NotYet => Ending::AuthNotYet,
            Self::Forged => Ending::AuthForged,
            Self::Foreign => Ending::AuthForeign,
            Self::Replayed => Ending::AuthReplayed,
            Self::TooLarge => Ending::BodyTooLarge,
            Self::Inactive => Ending::AuthInactive,
            Self::Denied(_) => Ending::AuthDenied,
            Self::Unready => Ending::AuthUnready,
            Self::Unavailable => Ending::AuthUnavailable,
            Self::Busy => Ending::AuthBusy,
        }
    }

    /// Whether it says something of the credential, and not of whom it could be checked by.
    pub(super) fn is_of_credential(&self) -> bool {
        !matches!(self, Self::TooLarge | Self::Unready | Self::Unavailable | Self::Busy)
    }

    /// What the client is told by the service that refused it.
    pub(super) fn denial(&self) -> Option<&Rc<Denial>> {
        match self {
            Self::Denied(denial) => Some(denial),
            _ => None,
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.denial().map_or(0, |denial| denial.bytes())
    }
}

impl From<jwt::Refusal> for Refused {
    fn from(refusal: jwt::Refusal) -> Self {
        match refusal {
            jwt::Refusal::Missing => Self::Missing,
            jwt::Refusal::TooLarge
            | jwt::Refusal::Malformed
            | jwt::Refusal::Critical
            | jwt::Refusal::NoExpiry => Self::Malformed,
            jwt::Refusal::Algorithm | jwt::Refusal::KeyUnknown | jwt::Refusal::Signature => {
                Self::Forged
            }
            jwt::Refusal::Expired => Self::Expired,
            jwt::Refusal::NotYet => Self::NotYet,
            jwt::Refusal::Type | jwt::Refusal::Issuer | jwt::Refusal::Audience => Self::Foreign,
        }
    }
}

impl Prover {
    /// What `authentication` says, by the keys in `keyring` where they are fetched. What is slow is done at `desk`.
    pub(super) fn new(
        authentication: &Authentication,
        desk: &Arc<Desk>,
        keyring: &Keyring,
    ) -> Self {
        match &authentication.proof {
            Proof::Jwt(jwt) => {
                let keys = Held::of(&authentication.name, jwt, keyring);
                Self::AtOnce(AtOnce::Jwt { keys, verifier: Verifier::configured(jwt) })
            }
            // It was checked that they can be read; what cannot be lets nobody in.
            Proof::ApiKey(api_key) => {
                Self::AtOnce(AtOnce::ApiKey(ApiKeys::parse(&api_key.keys.text).unwrap_or_default()))
            }
            Proof::Certificate(certificate) => Self::Certificate(Certificates::new(certificate)),
            Proof::Basic(basic) => {
                Self::Slow(Box::new(Basic::new(basic, desk)), Fingerprints::new().into())
            }
            Proof::Hmac(hmac) => Self::Signed(Signed::hmac(hmac)),
            Proof::Signature(signature) => Self::Signed(Signed::message(signature)),
            Proof::Forward(forward) => {
                Self::Slow(Box::new(Forward::new(forward)), Fingerprints::new().into())
            }
            Proof::Introspect(introspection) => {
                Self::Slow(Box::new(Introspect::new(introspection)), Fingerprints::new().into())
            }
        }
    }

    /// Whether it goes by the keys that are in `keyring`, where its are fetched.
    pub(super) fn has_keys_of(&self, keyring: &Keyring) -> bool {
        match self {
            Self::AtOnce(AtOnce::Jwt { keys, .. }) => keys.are_of(keyring),
            Self::AtOnce(AtOnce::ApiKey(_))
            | Self::Certificate(_)
            | Self::Slow(..)
            | Self::Signed(_) => true,
        }
    }
}

impl AtOnce {
    /// Who has `credential`.
    pub(super) fn prove(
        &self,
        by: &Arc<Authentication>,
        credential: &[u8],
        now: UnixTime,
    ) -> Result<Caller, Refused> {
        match self {
            Self::Jwt { keys, verifier } => {
                let verified = keys.verify(verifier, credential, now)?;
                let (expires, issued) = (verified.until, verified.issued_at);
                let token = Some(ProvenToken::new(credential, issued));
                Ok(Caller { expires, token, ..Caller::new(by, verified.claims) })
            }
            Self::ApiKey(keys) => {
                let name = keys.name_of(credential).ok_or(Refused::Forged)?;
                Ok(Caller::new(by, Claims::of_subject(name)))
            }
        }
    }
}

/// The credential that `head` has for `proof`.
pub(super) fn credential<'a>(
    proof: &'a Proof,
    head: &'a RequestHead,
) -> Result<Cow<'a, [u8]>, Refused> {
    let places = places(proof);
    if let [place] = places {
        return match credential::find(place, head) {
            Found::One(value) => Ok(value),
            Found::Nothing => Err(Refused::Missing),
            Found::Several => Err(Refused::Malformed),
        };
    }
    let mut found = None;
    for place in places {
        match (credential::find(place, head), &found) {
            (Found::Nothing, _) => {}
            (Found::One(value), None) => found = Some(value),
            (Found::One(value), Some(first)) if value == *first => {}
            // The instance might go by the other one, which nobody has looked at.
            (Found::One(_) | Found::Several, _) => return Err(Refused::Malformed),
        }
    }
    found.ok_or(Refused::Missing)
}

/// Where credentials of this kind are.
pub(super) fn places(proof: &Proof) -> &[CredentialPlace] {
    match proof {
        Proof::Jwt(jwt) => &jwt.places,
        Proof::ApiKey(api_key) => &api_key.places,
        Proof::Basic(_) => &[CredentialPlace::Basic],
        // It is the whole request.
        Proof::Hmac(_) | Proof::Signature(_) => &[],
        // It came with the handshake.
        Proof::Certificate(_) => &[],
        Proof::Introspect(introspection) => &introspection.places,
        // What it goes by is not ours to know.
        Proof::Forward(_) => &[],
    }
}
