//! Who asks, as far as it was proven.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Authentication, Credential, CredentialPlace, HeaderEdits};
use policy::Bans;
use policy::bans::{Ban, Banned, Issued, Presented, TokenDigest};
use policy::claims::{Claims, Told};
use policy::limit::{Fingerprint, KeyHasher};
use policy::time::UnixTime;
use wire::head::RequestHead;
use wire::name::{Name, reads_as};

use super::credential::{write_cookies_without, write_query_without};
use super::{prover, signed};
use crate::bans::since_1970;
use crate::fields::FieldSink;
use crate::policy::headers::is_edited;

/// How long a token is banned that does not say when it expires.
const UNENDING: Duration = Duration::from_secs(31 * 86_400);

/// Who asks: what one authentication found out of a credential. The same for every request that has that credential.
pub(crate) struct Caller {
    /// By what it was proven.
    pub(crate) by: Arc<Authentication>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) claims: Claims,
    /// When the credential expires, where it does.
    pub(crate) expires: Option<UnixTime>,
    /// The token that has proven it, where it was one.
    pub(crate) token: Option<ProvenToken>,
    /// What instances are told, as the authentication says.
    pub(super) told: Box<[Telling]>,
    /// The cookies that its client is to be given, as who let it in says.
    pub(super) cookies: Box<[Box<[u8]>]>,
    /// What the last limit knew it by that goes by who asks alone.
    pub(super) known_as: Cell<Option<(KeyHasher, Fingerprint)>>,
}

/// A token or a certificate that was believed, as bans know it: never the token itself.
pub(crate) struct ProvenToken {
    digest: TokenDigest,
    issued: Issued,
}

impl ProvenToken {
    /// What is kept of `token`, which was `issued` then, if it says so.
    pub(crate) fn new(token: &[u8], issued: Option<UnixTime>) -> Self {
        // Once for each that is verified: a signature takes ten times as long and more.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token);
        let mut bytes = TokenDigest::default();
        bytes.copy_from_slice(digest.as_ref());
        Self {
            digest: bytes,
            issued: issued.map_or(Issued::Unknown, |at| Issued::At(since_1970(at))),
        }
    }

    /// A certificate with this fingerprint. Nobody can be asked to sign in anew with one, so that it has no time of issue.
    pub(crate) fn certificate(fingerprint: TokenDigest) -> Self {
        Self { digest: fingerprint, issued: Issued::NoToken }
    }
}

/// What instances are told in one header.
pub(super) struct Telling {
    pub(super) header: Box<str>,
    pub(super) value: Box<[u8]>,
}

impl Telling {
    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.header.len() + self.value.len()
    }
}

impl fmt::Debug for Caller {
    /// Claims may be nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("by", &self.by.name).finish_non_exhaustive()
    }
}

impl Caller {
    /// Who has `claims`, which were proven as `by` says.
    pub(crate) fn new(by: &Arc<Authentication>, claims: Claims) -> Self {
        let told = by.claims.iter().filter_map(|it| match claims.told(&it.claim.0) {
            Told::Value(value) => Some(Telling {
                header: it.header.as_str().into(),
                value: value.into_bytes().into(),
            }),
            Told::Nothing | Told::TooLong => None,
        });
        let told = told.collect();
        let subject = claims.at(&["sub"]).and_then(|it| it.as_word()).map(Box::from);
        let by = by.clone();
        Self {
            by,
            subject,
            claims,
            expires: None,
            token: None,
            told,
            cookies: Box::default(),
            known_as: Cell::default(),
        }
    }

    /// The same, of whom instances are told this, too.
    pub(super) fn telling(self, more: impl IntoIterator<Item = Telling>) -> Self {
        let told = self.told.into_iter().chain(more).collect();
        Self { told, ..self }
    }

    /// The same, whose client is given these cookies.
    pub(super) fn setting(self, cookies: Box<[Box<[u8]>]>) -> Self {
        Self { cookies, ..self }
    }

    /// Whether `bans` refuse it at `now`.
    #[cold]
    pub(crate) fn is_banned(&self, bans: &Bans, now: Duration) -> bool {
        self.present(|presented| bans.refuses(presented, now))
    }

    /// The ban that refuses it at `now`, for people.
    pub(crate) fn ban(&self, bans: &Bans, now: Duration) -> Option<Ban> {
        self.present(|presented| bans.which(presented, now))
    }

    /// What bans look at.
    fn present<T>(&self, look: impl FnOnce(Presented<'_>) -> T) -> T {
        let (issuer, token_id) = (self.word("iss"), self.word("jti"));
        let issued = self.token.as_ref().map_or(Issued::NoToken, |token| token.issued);
        let presented = Presented {
            subject: self.subject.as_deref(),
            issuer: issuer.as_deref(),
            token_id: token_id.as_deref(),
            token: self.token.as_ref().map(|it| &it.digest),
            issued,
        };
        look(presented)
    }

    /// The ban, from `now` until it expires, of the token that has proven it: by its id where it has one. `None` where it was no token: a
    /// certificate outlives what one logs out of.
    pub(crate) fn token_ban(&self, now: Duration) -> Option<Ban> {
        let token = self.token.as_ref().filter(|it| it.issued != Issued::NoToken)?;
        let id = self.word("jti").filter(|id| !id.is_empty() && id.len() <= Banned::TEXT_BYTES_MAX);
        let issuer = self.word("iss").filter(|it| it.len() <= Banned::TEXT_BYTES_MAX);
        let banned = match (id, issuer) {
            // With an issuer that is not kept an id would be anybody's.
            (Some(id), issuer) if issuer.is_some() || self.claims.get("iss").is_none() => {
                Banned::TokenId { issuer: issuer.map(Cow::into_owned), id: id.into_owned() }
            }
            _ => Banned::Token(token.digest),
        };
        let until = self.expires.map_or(now + UNENDING, since_1970);
        Some(Ban { banned, at: now, until, reason: None })
    }

    /// What the claim `name` says.
    fn word(&self, name: &str) -> Option<Cow<'_, str>> {
        self.claims.get(name)?.as_word()
    }

    /// Whether instances see the credential.
    pub(crate) fn keeps_credential(&self) -> bool {
        self.by.credential == Credential::Kept
    }

    /// Whether a field of the request is kept from instances, for the credential is in it.
    pub(crate) fn hides(&self, name: &[u8]) -> bool {
        if self.keeps_credential() {
            return false;
        }
        let proof = &self.by.proof;
        let is_of_signature =
            signed::headers(proof).iter().any(|header| reads_as(name, header.as_bytes()));
        is_of_signature
            || prover::places(proof).iter().any(|place| match place {
                CredentialPlace::Bearer | CredentialPlace::Basic => {
                    reads_as(name, b"authorization")
                }
                CredentialPlace::Header(header) => reads_as(name, header.as_bytes()),
                // What is left of them is written anew.
                CredentialPlace::Cookie(_) => name.eq_ignore_ascii_case(b"cookie"),
                CredentialPlace::Query(_) => false,
            })
    }

    /// Writes what an instance is told of who asks, and what is left of the cookies of `head` where one is the credential.
    pub(crate) fn tell(&self, head: &RequestHead, edits: &HeaderEdits, out: &mut impl FieldSink) {
        for Telling { header: name, value } in &self.told {
            if !is_edited(edits, name.as_bytes()) {
                out.put(name.as_bytes(), value);
            }
        }
        if self.keeps_credential() || is_edited(edits, b"cookie") {
            return;
        }
        let names = prover::places(&self.by.proof).iter().filter_map(|place| match place {
            CredentialPlace::Cookie(name) => Some(name.as_bytes()),
            _ => None,
        });
        let names: Vec<&[u8]> = names.collect();
        if names.is_empty() {
            return;
        }
        let mut left = Vec::new();
        for value in head.fields.all(Name::Cookie) {
            left.clear();
            if write_cookies_without(value, &names, &mut left) {
                out.put(b"Cookie", &left);
            }
        }
    }

    /// What a limit knows it by whose keys depend on nothing but who asks and begin with `hasher`; worked out by `fingerprint` where it was not.
    #[inline]
    pub(crate) fn known_as(
        &self,
        hasher: KeyHasher,
        fingerprint: impl FnOnce() -> Fingerprint,
    ) -> Fingerprint {
        if let Some((of, known)) = self.known_as.get()
            && of == hasher
        {
            return known;
        }
        let new = fingerprint();
        self.known_as.set(Some((hasher, new)));
        new
    }

    /// Whether its client is given cookies.
    pub(super) fn sets_cookies(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// Writes what its client is told beside the response: the cookies that it is given.
    pub(crate) fn tell_client(&self, edits: &HeaderEdits, out: &mut impl FieldSink) {
        if self.sets_cookies() && !is_edited(edits, b"set-cookie") {
            self.cookies.iter().for_each(|cookie| out.put_unique(b"Set-Cookie", cookie));
        }
    }

    /// The parameters of the query that instances do not see.
    pub(crate) fn hidden_parameters(&self) -> impl Iterator<Item = &str> {
        let places = match self.by.credential {
            Credential::Kept => &[][..],
            Credential::Removed => prover::places(&self.by.proof),
        };
        places.iter().filter_map(|place| match place {
            CredentialPlace::Query(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The target of `head` without the parameters that others do not see.
    pub(crate) fn target_of(&self, head: &RequestHead) -> Vec<u8> {
        let hidden: Vec<&str> = self.hidden_parameters().collect();
        let mut target = head.path().to_vec();
        if let Some(query) = head.query() {
            target.push(b'?');
            if !write_query_without(query, &hidden, &mut target) {
                target.pop();
            }
        }
        target
    }

    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        let told: usize = self.told.iter().map(Telling::bytes).sum();
        let cookies: usize = self.cookies.iter().map(|it| it.len()).sum();
        size_of::<Self>() + self.claims.bytes() + told + cookies
    }
}
