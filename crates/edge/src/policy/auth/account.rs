//! How each way of proving who one is fares with a request, for `explain`: by which key it believes a token and what that says, or
//! exactly why not. What is asked of somebody else is not asked, and no credential is told.

use model::{AuthName, JwtAlgorithm};
use policy::claims::Claims;
use policy::json::Json;
use policy::jwt::Reason;
use policy::time::UnixTime;
use telemetry::Ending;

use super::AuthContext;
use super::plan::WorkerAuth;
use super::prover::{self, AtOnce, Prover, Refused};
use super::signed::Signable;

/// No more claims of a token are told,
const CLAIMS_MAX: usize = 32;
/// and no more of each, in characters.
const VALUE_CHARS_MAX: usize = 120;

/// How one way fares.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthStanding {
    /// The way.
    pub auth: AuthName,
    /// What it makes of the request.
    pub account: AuthAccount,
}

/// What a way makes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthAccount {
    /// It believes a token.
    Token(TokenAccount),
    /// It believes an API key, which is of this name.
    ApiKey(String),
    /// There is no credential for it.
    Missing,
    /// There are several that differ, or one that cannot be read.
    Malformed,
    /// It knows no such API key.
    KeyUnknown,
    /// It does not believe the token.
    Refused(Reason),
    /// It does not believe a signature, as the access log would have it.
    NotBelieved(Ending),
    /// It needs a certificate that the client shows in its handshake, of which nothing is known.
    CertificateNeeded,
    /// Its keys are fetched, and none are there.
    NoKeys,
    /// It asks somebody else, or takes a while to find out: for real requests only.
    Depends,
}

impl AuthAccount {
    /// Whether it believes the request.
    pub(super) fn is_belief(&self) -> bool {
        matches!(self, Self::Token(_) | Self::ApiKey(_))
    }
}

/// A token that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAccount {
    /// What it was signed by.
    pub algorithm: JwtAlgorithm,
    /// The id of the key that signed it; none where that has none.
    pub key_id: Option<String>,
    /// The first second at which it is refused, leeway included; `None` for never.
    pub until: Option<UnixTime>,
    /// What it says, each a name and a value: objects as `{...}`, lists with their items, and nothing of it longer than can be read.
    pub claims: Vec<(String, String)>,
    /// How many more claims there are.
    pub more: usize,
}

impl WorkerAuth {
    /// How it fares with a request.
    pub(super) fn account(&self, signable: Signable<'_>, context: AuthContext<'_>) -> AuthStanding {
        let now = context.now;
        let head = signable.incoming.request.head;
        let plan = self.plan();
        let proof = &plan.authentication.proof;
        let account = match &plan.prover {
            Prover::AtOnce(prover) => match prover::credential(proof, head) {
                Ok(credential) => of_credential(prover, &credential, now),
                Err(refused) => of_none(refused),
            },
            Prover::Certificate(_) => AuthAccount::CertificateNeeded,
            Prover::Slow(slow, _) => match slow.credential(proof, signable.incoming) {
                Ok(_) => AuthAccount::Depends,
                Err(refused) => of_none(refused),
            },
            // Nothing is known of a body, and nothing is used up.
            Prover::Signed(signed) => match signed.admit(signable, now) {
                Ok(_) => AuthAccount::Depends,
                Err(refused) => of_none(refused),
            },
        };
        AuthStanding { auth: plan.authentication.name.clone(), account }
    }
}

fn of_none(refused: Refused) -> AuthAccount {
    match refused {
        Refused::Missing => AuthAccount::Missing,
        Refused::Malformed => AuthAccount::Malformed,
        other => AuthAccount::NotBelieved(other.ending()),
    }
}

fn of_credential(prover: &AtOnce, credential: &[u8], now: UnixTime) -> AuthAccount {
    match prover {
        AtOnce::ApiKey(keys) => match keys.name_of(credential) {
            Some(name) => AuthAccount::ApiKey(name.to_owned()),
            None => AuthAccount::KeyUnknown,
        },
        AtOnce::Jwt { keys, verifier } => match keys.explain(verifier, credential, now) {
            None => AuthAccount::NoKeys,
            Some(Err(reason)) => AuthAccount::Refused(reason),
            Some(Ok(verified)) => {
                let (claims, more) = told(&verified.claims);
                AuthAccount::Token(TokenAccount {
                    algorithm: verified.algorithm,
                    key_id: verified.key_id.map(String::from),
                    until: verified.until,
                    claims,
                    more,
                })
            }
        },
    }
}

/// What `claims` say, and how many more there are.
fn told(claims: &Claims) -> (Vec<(String, String)>, usize) {
    let told = claims.iter().take(CLAIMS_MAX).map(|(name, value)| (cut(name), cut(&text(value))));
    (told.collect(), claims.iter().count().saturating_sub(CLAIMS_MAX))
}

fn text(value: &Json) -> String {
    match value {
        Json::Object(_) => "{...}".to_owned(),
        Json::List(items) => {
            let words: Vec<_> = items.iter().take(CLAIMS_MAX).map(word).collect();
            format!("[{}{}]", words.join(", "), if items.len() > CLAIMS_MAX { ", ..." } else { "" })
        }
        other => word(other),
    }
}

fn word(value: &Json) -> String {
    match value {
        Json::Object(_) => "{...}".to_owned(),
        Json::List(_) => "[...]".to_owned(),
        other => other.as_word().map_or("null".to_owned(), |it| it.into_owned()),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
