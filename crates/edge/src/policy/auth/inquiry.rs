//! Proofs that take a while: what is asked of somebody else, and who waits for it.
//!
//! A proof that waits is a future on the worker, and never holds anything up. Requests with the same credential wait for the same
//! one, which is given up when the last of them has left. The wait itself, its deadline and what ends it, are
//! `serve::proving`'s.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Shared, WeakShared};
use model::{Authentication, Proof};
use policy::time::UnixTime;
use rustc_hash::FxHashMap;

use super::caller::Caller;
use super::client::{AuthClient, ServerPlan};
use super::prover::Refused;
use super::signed::Sealed;
use crate::peer::{Approach, ClientKey};
use crate::routing::Request;

/// How long a wrong credential that is repeated is refused at once; one that has become right is soon believed.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(10);

/// A request, and the way that it came.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) approach: Approach<'a>,
}

impl Incoming<'_> {
    /// Whom it is from, where some have to wait for others.
    pub(super) fn client(&self) -> ClientKey {
        ClientKey::of(self.request.client)
    }
}

/// A proof that takes a while: it asks somebody else.
pub(super) trait Slow: fmt::Debug + Send + Sync {
    /// All of the request that the response depends on: for what has the same, nobody is asked twice.
    ///
    /// # Errors
    /// Where nobody need be asked.
    fn credential<'a>(
        &self,
        proof: &'a Proof,
        incoming: Incoming<'a>,
    ) -> Result<Cow<'a, [u8]>, Refused>;

    /// How long a request waits for the response.
    fn within(&self) -> Duration;

    /// The server that it asks, if it is one.
    fn server(&self) -> Option<&ServerPlan> {
        None
    }

    /// Asks, once it is polled. It is given up when it is dropped.
    fn ask(&self, question: Question<'_>) -> LocalBoxFuture<'static, Answer>;
}

/// What a credential is worth, and how long that is remembered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) finding: Result<Caller, Refused>,
    /// Until then; `None` where it is not.
    pub(super) until: Option<UnixTime>,
}

impl Answer {
    /// Nothing is remembered of it.
    pub(super) fn once(finding: Result<Caller, Refused>) -> Self {
        Self { finding, until: None }
    }

    /// The credential is worth nothing, and that is remembered for a moment, unless it could merely not be checked.
    pub(super) fn refused(why: Refused, now: UnixTime) -> Self {
        let until = why.is_of_credential().then(|| now.after(REFUSED_FOR));
        Self { finding: Err(why), until }
    }
}

/// What is asked.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) by: &'a Arc<Authentication>,
    /// What [`Slow::credential`] found.
    pub(super) credential: &'a [u8],
    pub(super) incoming: Incoming<'a>,
    /// By which [`Slow::server`] is asked on this worker.
    pub(super) server: Option<&'a Rc<AuthClient>>,
    pub(super) now: UnixTime,
}

/// What a credential is worth.
pub(crate) type Finding = Result<Rc<Caller>, Refused>;

/// Whether it is meant for no other client: a cookie is set.
pub(super) fn is_for_one(finding: &Finding) -> bool {
    match finding {
        Ok(caller) => caller.sets_cookies(),
        Err(refused) => refused.denial().is_some_and(|denial| denial.sets_cookies()),
    }
}

/// What a look at a request tells of who it is from.
pub(crate) enum Look {
    Known(Finding),
    /// Somebody else has to say.
    Wait(Inquiry),
    /// The request's body has to be seen.
    Body(Sealed),
}

/// Whether a request may wait for what another one has begun to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    WithOthers,
    Alone,
}

/// What comes of a question.
#[derive(Debug)]
pub(crate) enum Heard {
    Found(Finding),
    /// The answer is for the client whose request began to ask. This one is to ask alone.
    ForAnother,
}

/// Whose request has begun to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    ByThis,
    ByAnother,
}

/// A question that somebody else answers in a while.
#[derive(Clone)]
pub(crate) struct Inquiry {
    answer: Shared<LocalBoxFuture<'static, Finding>>,
    begun: Begun,
    /// How long to wait for it.
    pub(crate) within: Duration,
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inquiry").field("within", &self.within).finish_non_exhaustive()
    }
}

impl Inquiry {
    /// One that nobody else waits for.
    pub(super) fn alone(answer: LocalBoxFuture<'static, Finding>, within: Duration) -> Self {
        Self { answer: answer.shared(), begun: Begun::ByThis, within }
    }

    /// One that nobody begins, and that has no answer.
    pub(super) fn unasked(within: Duration) -> Self {
        Self::alone(std::future::pending().boxed_local(), within)
    }

    /// Ready with the answer.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        Pin::new(&mut self.answer).poll(cx).map(|finding| match self.begun {
            Begun::ByAnother if is_for_one(&finding) => Heard::ForAnother,
            _ => Heard::Found(finding),
        })
    }
}

/// What stands for a credential, where that itself is not to be kept: nobody can make it of the credential, or guess at the credential
/// by it, without this process's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; digest::SHA256_OUTPUT_LEN]);

/// Makes fingerprints, which mean nothing to another one.
pub(super) struct Fingerprints(hmac::Key);

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprints")
    }
}

impl Fingerprints {
    /// With a key that nobody knows.
    pub(super) fn new() -> Self {
        let mut key = [0; digest::SHA256_OUTPUT_LEN];
        aws_lc_rs::rand::fill(&mut key).expect("the system has random numbers");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// That of `credential`.
    pub(super) fn of(&self, credential: &[u8]) -> Fingerprint {
        let tag = hmac::sign(&self.0, credential);
        Fingerprint(tag.as_ref().try_into().expect("SHA-256 has as many bytes"))
    }
}

impl Fingerprint {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What one worker waits for of one authentication.
#[derive(Default)]
pub(super) struct Inquiries(RefCell<Open>);

#[derive(Default)]
struct Open {
    /// By what stands for the credential.
    inquiries: FxHashMap<Fingerprint, WeakShared<LocalBoxFuture<'static, Finding>>>,
    /// With so many of them those are taken out that nobody waits for: each is looked at a few times, however many there are.
    swept_at: usize,
}

/// So few are not swept.
const FEW: usize = 64;

impl fmt::Debug for Inquiries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} inquiries", self.0.borrow().inquiries.len())
    }
}

impl Inquiries {
    /// Waits for what others wait for already, or for what `ask` begins. Nothing is asked before it is polled.
    pub(super) fn join(
        &self,
        credential: Fingerprint,
        within: Duration,
        ask: impl FnOnce() -> LocalBoxFuture<'static, Finding>,
    ) -> Inquiry {
        let Open { inquiries, swept_at } = &mut *self.0.borrow_mut();
        let known = inquiries.get(&credential).and_then(WeakShared::upgrade);
        // One that has ended stands in nobody's way: what it said is remembered, or to be asked anew.
        if let Some(answer) = known.filter(|it| it.peek().is_none()) {
            return Inquiry { answer, begun: Begun::ByAnother, within };
        }
        if inquiries.len() >= *swept_at {
            inquiries.retain(|_, it| it.upgrade().is_some());
            *swept_at = FEW.max(2 * inquiries.len());
        }
        let answer = ask().shared();
        if let Some(weak) = answer.downgrade() {
            inquiries.insert(credential, weak);
        }
        Inquiry { answer, begun: Begun::ByThis, within }
    }
}
