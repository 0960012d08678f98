//! Requests that are signed (`hmac`, `signature`): each is good once and only as it came, so that nothing that was believed of one is
//! remembered for another.
//!
//! A request is looked at twice. [`Signed::admit`] sees its head: what cannot be good holds no memory. [`Signed::open`] sees its body, too,
//! which `serve::holding` has read by then, and what is left is the nonce's, over all edges ([`Once::inquiry`]).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use model::{Authentication, Hmac, MessageSignature, Scheme};
use policy::claims::Claims;
use policy::hmac::{self, BodyDigest, Header, Line, Presented};
use policy::signature::{self, BodyPresence, Configured, Field, Message, Pending};
use policy::time::UnixTime;
use store::{Nonce, NonceError, NonceUse, Store};
use wire::h1::Framing;
use wire::head::RequestHead;
use wire::name::reads_as;

use super::caller::Caller;
use super::inquiry::{Finding, Incoming, Inquiry};
use super::prover::Refused;

/// How long a request waits for its nonce to be used: longer than any call of a store may take, which has a deadline of its own.
const WITHIN: Duration = Duration::from_secs(30);

/// A request as signatures cover it, but for its body.
#[derive(Clone, Copy)]
pub(crate) struct Signable<'a> {
    pub(crate) incoming: Incoming<'a>,
    pub(crate) framing: Framing,
}

impl<'a> Signable<'a> {
    /// The scheme by which it came to the first server of ours.
    fn scheme(&self) -> Scheme {
        match self.incoming.approach.is_secure() {
            true => Scheme::Https,
            false => Scheme::Http,
        }
    }

    fn head(&self) -> &'a RequestHead {
        self.incoming.request.head
    }
}

/// What signed requests are held against.
#[derive(Debug)]
pub(super) enum Signed {
    Hmac(hmac::Verifier),
    Message(Box<Configured>),
    /// The configuration checked that there is something; where there is nothing, nobody is let in.
    Nothing,
}

/// A request whose head is signed well, as far as that can be said without its body.
#[derive(Debug)]
pub(crate) enum Sealed {
    Hmac,
    Message(Box<Pending>),
}

impl Sealed {
    /// Whether the signature depends on the body.
    fn asks_for_body(&self) -> bool {
        match self {
            Self::Hmac => true,
            Self::Message(pending) => pending.asks_for_body(),
        }
    }

    /// Whether the body of `signable` has to be read before it can be opened.
    pub(super) fn needs_body(&self, signable: Signable<'_>) -> bool {
        self.asks_for_body() && !signable.framing.is_empty()
    }
}

/// A request that is as it was signed.
#[derive(Debug)]
pub(super) struct Once {
    caller: Caller,
    nonce: Option<Used>,
}

/// A nonce that is to be used up.
#[derive(Debug)]
struct Used {
    scope: &'static str,
    nonce: [u8; 16],
    lifetime: Duration,
}

impl Signed {
    /// What `hmac` says.
    pub(super) fn hmac(hmac: &Hmac) -> Self {
        hmac::Verifier::configured(hmac).map_or(Self::Nothing, Self::Hmac)
    }

    /// What `signature` says.
    pub(super) fn message(signature: &MessageSignature) -> Self {
        let configured = Configured::new(signature);
        configured.map_or(Self::Nothing, |it| Self::Message(Box::new(it)))
    }

    /// Whether the request may be good, whatever its body is.
    pub(super) fn admit(&self, signable: Signable<'_>, now: UnixTime) -> Result<Sealed, Refused> {
        let head = signable.head();
        match self {
            Self::Hmac(verifier) => {
                verifier.admit(&presented(head)?, now)?;
                Ok(Sealed::Hmac)
            }
            Self::Message(configured) => {
                let body = match signable.framing.is_empty() {
                    true => BodyPresence::Absent,
                    false => BodyPresence::Present,
                };
                let fields = fields(head);
                let message = message(signable, &fields);
                let Configured { keys, verifier } = &**configured;
                Ok(Sealed::Message(Box::new(verifier.verify(keys, &message, body, now)?)))
            }
            Self::Nothing => Err(Refused::Unready),
        }
    }

    /// Who signed the request with this `body`, which had come at `now`. It was admitted as `sealed`.
    pub(super) fn open(
        &self,
        by: &Arc<Authentication>,
        sealed: Sealed,
        signable: Signable<'_>,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Once, Refused> {
        let (key_id, nonce) = match (self, sealed) {
            (Self::Hmac(verifier), Sealed::Hmac) => {
                let head = signable.head();
                let (method, target) = (head.method_text(), head.target());
                let body = BodyDigest::of([body]);
                let signed = hmac::Signed { method, target, body };
                let believed = verifier.verify(&presented(head)?, &signed, now)?;
                let (nonce, lifetime) = (believed.nonce.0, believed.lifetime);
                (believed.key_id, Some(Used { scope: "hmac", nonce, lifetime }))
            }
            (Self::Message(_), Sealed::Message(pending)) => {
                let believed = pending.complete([body].into_iter(), now)?;
                let lifetime = believed.lifetime;
                let used =
                    believed.nonce.map(|it| Used { scope: "signature", nonce: it.0, lifetime });
                (believed.key_id, used)
            }
            _ => return Err(Refused::Unready),
        };
        // Where there is one secret for all, all who have it are one.
        let subject = key_id.as_deref().unwrap_or(by.name.as_str());
        Ok(Once { caller: Caller::new(by, Claims::of_subject(subject)), nonce })
    }
}

impl Once {
    /// Uses the nonce up: whose it is, if it was not used before.
    pub(super) fn inquiry(self, store: &Store) -> Inquiry {
        let Self { caller, nonce } = self;
        let caller = Rc::new(caller);
        let store = store.clone();
        let used = async move {
            let Some(Used { scope, nonce, lifetime }) = nonce else { return Ok(caller) };
            match store.use_nonce(Nonce { scope, nonce: &nonce, lifetime }).await {
                Ok(NonceUse::First) => Ok(caller),
                Ok(NonceUse::Again) => Err(Refused::Replayed),
                Err(NonceError::Down(_)) => Err(Refused::Unready),
                Err(NonceError::Full) => Err(Refused::Busy),
            }
        };
        Inquiry::alone(used.map(|it: Finding| it).boxed_local(), WITHIN)
    }
}

/// What the head says of its signature with a secret, in whatever spelling a server takes for it.
fn presented(head: &RequestHead) -> Result<Presented<'_>, hmac::Refusal> {
    let lines = head.fields.iter().filter_map(|(_, name, value)| {
        let is_it = |header: &Header| reads_as(name, header.name().as_bytes());
        let header = Header::ALL.into_iter().find(is_it)?;
        Some(Line { header, value })
    });
    Presented::collect(lines)
}

fn fields(head: &RequestHead) -> Vec<Field<'_>> {
    head.fields.iter().map(|(_, name, value)| Field { name, value }).collect()
}

fn message<'a>(signable: Signable<'a>, fields: &'a [Field<'a>]) -> Message<'a> {
    let (head, scheme) = (signable.head(), signable.scheme());
    Message {
        method: head.method_text(),
        scheme,
        authority: head.authority(),
        path: head.path(),
        query: head.query(),
        fields,
    }
}

/// The headers in which a proof of this kind has its signature, in lower case.
pub(super) fn headers(proof: &model::Proof) -> &'static [&'static str] {
    match proof {
        model::Proof::Hmac(_) => &HMAC,
        model::Proof::Signature(_) => &["signature", "signature-input"],
        model::Proof::Jwt(_)
        | model::Proof::ApiKey(_)
        | model::Proof::Basic(_)
        | model::Proof::Certificate(_)
        | model::Proof::Forward(_)
        | model::Proof::Introspect(_) => &[],
    }
}

const HMAC: [&str; 4] = {
    let [signature, timestamp, nonce, key_id] = Header::ALL;
    [signature.name(), timestamp.name(), nonce.name(), key_id.name()]
};

impl From<hmac::Refusal> for Refused {
    fn from(refusal: hmac::Refusal) -> Self {
        match refusal {
            hmac::Refusal::Missing => Self::Missing,
            hmac::Refusal::Malformed => Self::Malformed,
            hmac::Refusal::Stale => Self::Expired,
            hmac::Refusal::Early => Self::NotYet,
            hmac::Refusal::KeyUnknown | hmac::Refusal::Signature => Self::Forged,
            hmac::Refusal::Replayed => Self::Replayed,
        }
    }
}

impl From<signature::Refusal> for Refused {
    fn from(refusal: signature::Refusal) -> Self {
        use signature::Refusal as Of;
        match refusal {
            Of::Missing => Self::Missing,
            Of::Malformed
            | Of::Incomplete
            | Of::Component
            | Of::NoCreated
            | Of::Nonce
            | Of::DigestUnknown => Self::Malformed,
            Of::Tag => Self::Foreign,
            Of::Stale | Of::Expired => Self::Expired,
            Of::Early => Self::NotYet,
            Of::Algorithm | Of::KeyUnknown | Of::Forged | Of::Digest => Self::Forged,
            Of::Replayed => Self::Replayed,
        }
    }
}
