//! One authentication, compiled, and what a worker remembers of it.
//!
//! A credential that was believed is not looked into again before it expires, and nobody is asked twice about one at a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use model::Authentication;
use policy::time::UnixTime;
use policy::verified::{Bounds, Cache};
use telemetry::InquiryOutcome;
use wire::head::RequestHead;

use super::AuthContext;
use super::caller::Caller;
use super::client::{AuthClient, Outside};
use super::desk::Desk;
use super::inquiry::{
    Answer, Finding, Fingerprint, Inquiries, Inquiry, Look, Question, Sharing, is_for_one,
};
use super::keyring::Keyring;
use super::prover::{self, Prover, Refused};
use super::signed::{Sealed, Signable, Signed};
use crate::live::inquiry::InquiryLive;

/// How many credentials that were believed a worker remembers of one authentication, and how many bytes of them.
const REMEMBERED: Bounds = Bounds { count: 16_384, bytes: 16 << 20 };

/// How many refusals of what took a while a worker remembers of one authentication.
const REFUSALS: Bounds = Bounds { count: 4_096, bytes: 4 << 20 };

/// A way of proving who one is, compiled.
#[derive(Debug)]
pub(crate) struct AuthPlan {
    pub(super) authentication: Arc<Authentication>,
    pub(super) prover: Prover,
    /// What is observed of it.
    live: Arc<InquiryLive>,
}

impl AuthPlan {
    /// What `authentication` says. What is slow is done at `desk`, and observed in `live`.
    pub(super) fn compile(
        authentication: &Arc<Authentication>,
        desk: &Arc<Desk>,
        keyring: &Keyring,
        live: Arc<InquiryLive>,
    ) -> Self {
        let prover = Prover::new(authentication, desk, keyring);
        Self { prover, authentication: authentication.clone(), live }
    }

    /// What is observed of finding out who asks, where that takes a while.
    pub(crate) fn inquiries(&self) -> Option<&InquiryLive> {
        matches!(self.prover, Prover::Slow(..)).then_some(&*self.live)
    }

    /// Whether it is what would be compiled.
    pub(super) fn is_of(&self, authentication: &Arc<Authentication>, keyring: &Keyring) -> bool {
        self.authentication == *authentication && self.prover.has_keys_of(keyring)
    }
}

/// A way of proving who one is, as one worker uses it.
#[derive(Debug)]
pub(crate) struct WorkerAuth {
    plan: Arc<AuthPlan>,
    believed: RefCell<Cache<Rc<Caller>>>,
    /// What was not, of what takes a while.
    refused: RefCell<Cache<Refused>>,
    /// What is being asked.
    inquiries: Inquiries,
    asks: Option<Asks>,
}

/// What it takes to ask others.
#[derive(Debug)]
struct Asks {
    /// The worker that asks.
    worker: usize,
    /// By which a server is asked, where it is one.
    server: Option<Rc<AuthClient>>,
}

impl Asks {
    fn new(plan: &AuthPlan, outside: Outside<'_>) -> Self {
        let server = match &plan.prover {
            Prover::Slow(slow, _) => slow.server(),
            Prover::AtOnce(_) | Prover::Certificate(_) | Prover::Signed(_) => None,
        };
        let client =
            |server| Rc::new(AuthClient::new(server, &plan.authentication, &plan.live, outside));
        Self { worker: outside.worker, server: server.map(client) }
    }
}

impl WorkerAuth {
    /// One that has believed nobody yet, and asks no others where there is nothing `outside`.
    pub(crate) fn new(plan: Arc<AuthPlan>, outside: Option<Outside<'_>>) -> Self {
        let (believed, refused) = (Cache::new(REMEMBERED).into(), Cache::new(REFUSALS).into());
        let asks = outside.map(|outside| Asks::new(&plan, outside));
        Self { plan, believed, refused, inquiries: Inquiries::default(), asks }
    }

    /// What it proves by.
    pub(crate) fn plan(&self) -> &Arc<AuthPlan> {
        &self.plan
    }

    /// Who asks, if the request proves it. What takes a while is not asked here.
    pub(super) fn prove(&self, head: &RequestHead, context: AuthContext<'_>) -> Finding {
        let AuthPlan { authentication: by, prover, live: _ } = &*self.plan;
        let now = context.now;
        match prover {
            Prover::AtOnce(prover) => {
                let credential = prover::credential(&by.proof, head)?;
                self.recall(&credential, now, || prover.prove(by, &credential, now))
            }
            Prover::Certificate(certificates) => {
                let leaf = context.certificate()?;
                self.recall(&leaf.fingerprint, now, || certificates.prove(by, leaf, now))
            }
            Prover::Slow(..) | Prover::Signed(_) => Err(Refused::Unready),
        }
    }

    /// Who has `credential`, where it was believed before, or else is by `prove`.
    #[inline]
    fn recall(
        &self,
        credential: &[u8],
        now: UnixTime,
        prove: impl FnOnce() -> Result<Caller, Refused>,
    ) -> Finding {
        let mut believed = self.believed.borrow_mut();
        if let Some(caller) = believed.get(credential, now) {
            return Ok(caller.clone());
        }
        let caller = Rc::new(prove()?);
        let (bytes, until) = (caller.bytes(), caller.expires);
        believed.insert(credential, caller.clone(), bytes, until);
        Ok(caller)
    }

    /// Who asks, if the request proves it, or what is asked to find out. What takes a while is remembered by a fingerprint: nothing that
    /// may be a password is kept.
    pub(super) fn look(
        self: &Rc<Self>,
        signable: Signable<'_>,
        sharing: Sharing,
        context: AuthContext<'_>,
    ) -> Look {
        let AuthPlan { authentication: by, prover, live } = &*self.plan;
        let (incoming, now) = (signable.incoming, context.now);
        let (slow, fingerprints) = match prover {
            Prover::AtOnce(_) | Prover::Certificate(_) => {
                return Look::Known(self.prove(incoming.request.head, context));
            }
            Prover::Signed(signed) => return self.look_at_signed(signed, signable, context),
            Prover::Slow(slow, fingerprints) => (slow, fingerprints),
        };
        let credential = match slow.credential(&by.proof, incoming) {
            Ok(credential) => credential,
            Err(refused) => return Look::Known(Err(refused)),
        };
        let Some(asks) = &self.asks else { return Look::Wait(Inquiry::unasked(slow.within())) };
        let fingerprint = fingerprints.of(&credential);
        if let Some(known) = self.remembered(fingerprint, now) {
            live.count(asks.worker, InquiryOutcome::Cached);
            return Look::Known(known);
        }
        let mut outcome = InquiryOutcome::Shared;
        let mut begin = || {
            outcome = InquiryOutcome::Asked;
            let (credential, server) = (&*credential, asks.server.as_ref());
            let asked = slow.ask(Question { by, credential, incoming, server, now });
            let (this, worker) = (self.clone(), asks.worker);
            let heard = async move {
                let Answer { finding, until } = asked.await;
                let finding = finding.map(Rc::new);
                if finding.as_ref().is_err_and(|why| !why.is_of_credential()) {
                    this.plan.live.count(worker, InquiryOutcome::Failed);
                }
                if let Some(until) = until.filter(|_| !is_for_one(&finding)) {
                    this.remember(fingerprint, &finding, until);
                }
                finding
            };
            heard.boxed_local()
        };
        let inquiry = match sharing {
            Sharing::WithOthers => self.inquiries.join(fingerprint, slow.within(), begin),
            Sharing::Alone => Inquiry::alone(begin(), slow.within()),
        };
        live.count(asks.worker, outcome);
        Look::Wait(inquiry)
    }

    /// Whether the request may be good that is `signed`; where it has no body that matters, all but whether its nonce is new.
    fn look_at_signed(
        &self,
        signed: &Signed,
        signable: Signable<'_>,
        context: AuthContext<'_>,
    ) -> Look {
        match signed.admit(signable, context.now) {
            Ok(sealed) if sealed.needs_body(signable) => Look::Body(sealed),
            Ok(sealed) => match self.open(sealed, signable, b"", context) {
                Ok(inquiry) => Look::Wait(inquiry),
                Err(refused) => Look::Known(Err(refused)),
            },
            Err(refused) => Look::Known(Err(refused)),
        }
    }

    /// What is asked of the request that was `sealed`, now that its whole body is here.
    pub(super) fn open(
        &self,
        sealed: Sealed,
        signable: Signable<'_>,
        body: &[u8],
        context: AuthContext<'_>,
    ) -> Result<Inquiry, Refused> {
        let AuthPlan { authentication: by, prover, live: _ } = &*self.plan;
        let Prover::Signed(signed) = prover else { return Err(Refused::Unready) };
        let once = signed.open(by, sealed, signable, body, context.now)?;
        Ok(once.inquiry(context.store))
    }

    /// What came of it when it was asked last.
    fn remembered(&self, fingerprint: Fingerprint, now: UnixTime) -> Option<Finding> {
        if let Some(caller) = self.believed.borrow_mut().get(fingerprint.as_bytes(), now) {
            return Some(Ok(caller.clone()));
        }
        let mut refused = self.refused.borrow_mut();
        refused.get(fingerprint.as_bytes(), now).map(|refused| Err(refused.clone()))
    }

    /// Remembers what came of what was asked.
    fn remember(&self, fingerprint: Fingerprint, finding: &Finding, until: UnixTime) {
        let (credential, until) = (fingerprint.as_bytes(), Some(until));
        match finding {
            Ok(caller) => {
                let bytes = caller.bytes();
                self.believed.borrow_mut().insert(credential, caller.clone(), bytes, until);
            }
            // That something could not be checked is asked anew.
            Err(refused) if refused.is_of_credential() => {
                let bytes = refused.bytes();
                self.refused.borrow_mut().insert(credential, refused.clone(), bytes, until);
            }
            Err(_) => {}
        }
    }
}
