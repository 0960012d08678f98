//! `auth` and `require`: who asks must prove who it is. What is believed is the crate `policy`'s to decide; here credentials are
//! found in requests, what was proven is remembered, and refusals say what would be accepted.
//!
//! A credential that was believed is not looked into again before it expires: each worker remembers so many of them.

pub(crate) mod account;
mod basic;
pub(crate) mod caller;
mod certificate;
pub(crate) mod client;
pub(super) mod credential;
pub(super) mod demand;
mod denial;
mod desk;
mod forward;
pub(crate) mod inquiry;
mod introspect;
pub(crate) mod keyring;
mod line;
mod plan;
mod prover;
pub(crate) mod signed;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use model::{AuthName, Authentication, HeaderEdits, Proof, RefusedAs};
use policy::time::UnixTime;
use store::Store;
use telemetry::Ending;
use wire::tls::{ClientCertificate, ClientTrust};

use crate::bans::BanBoard;
use crate::fields::FieldSink;
use crate::live::inquiry::InquiryLive;
use crate::peer::Peer;
use crate::policy::auth::caller::Caller;
use crate::policy::auth::demand::Demand;
use crate::policy::auth::denial::Denial;
use crate::policy::auth::desk::Desk;
use crate::policy::auth::keyring::Keyring;
use crate::policy::headers::is_edited;

pub(crate) use crate::policy::auth::demand::Progress;
pub(crate) use crate::policy::auth::plan::{AuthPlan, WorkerAuth};
pub(crate) use crate::policy::auth::prover::Refused;

/// Every authentication of a configuration, compiled.
#[derive(Debug, Default)]
pub(crate) struct AuthTable {
    pub(crate) plans: Vec<Arc<AuthPlan>>,
    claim_headers: Arc<[Box<str>]>,
    /// Where all of them have done what is slow.
    desk: Arc<Desk>,
}

impl AuthTable {
    /// Those of `auth`, in the order of their names, with the keys in `keyring`. What was the same `before` is taken over;
    /// what has other keys has believed nobody yet, so that nothing that a withdrawn key has signed is believed on. `live` has what is
    /// observed of each.
    pub(crate) fn compile(
        auth: &BTreeMap<AuthName, Arc<Authentication>>,
        keyring: &Keyring,
        before: &Self,
        mut live: impl FnMut(&AuthName) -> Arc<InquiryLive>,
    ) -> Self {
        let desk = before.desk.clone();
        let plan = |authentication: &Arc<Authentication>| {
            let live = live(&authentication.name);
            let same = before.plans.iter().find(|it| it.is_of(authentication, keyring));
            let new = || Arc::new(AuthPlan::compile(authentication, &desk, keyring, live));
            same.cloned().unwrap_or_else(new)
        };
        let headers: BTreeSet<&str> = auth.values().flat_map(|it| told_headers(it)).collect();
        Self {
            plans: auth.values().map(plan).collect(),
            claim_headers: headers.into_iter().map(Box::from).collect(),
            desk,
        }
    }

    /// The headers in which any of them tells instances of claims.
    pub(super) fn claim_headers(&self) -> Arc<[Box<str>]> {
        self.claim_headers.clone()
    }
}

/// The headers in which instances are told of who asks.
fn told_headers(authentication: &Authentication) -> impl Iterator<Item = &str> {
    let of_response = match &authentication.proof {
        Proof::Forward(forward) => forward.headers.as_slice(),
        _ => &[],
    };
    let of_claims = authentication.claims.iter().map(|it| it.header.as_str());
    of_claims.chain(of_response.iter().map(String::as_str))
}

/// What is known beside a request, for those policies that need it.
#[derive(Clone, Copy)]
pub(crate) struct AuthContext<'a> {
    /// Every authentication, by its place.
    pub(crate) auths: &'a [Rc<WorkerAuth>],
    /// Who is banned, whatever is proven.
    pub(crate) bans: &'a BanBoard,
    /// Whose request it is, as far as the connection tells.
    pub(crate) peer: &'a Peer,
    /// Whose certificates its listener believes, where it asks for them.
    pub(crate) clients: Option<&'a ClientTrust>,
    /// Where nonces are used up.
    pub(crate) store: &'a Store,
    pub(crate) now: UnixTime,
}

impl<'a> AuthContext<'a> {
    /// The certificate that the client has shown, if its listener believes it still.
    fn certificate(&self) -> Result<&'a ClientCertificate, Refused> {
        let shown = self.peer.certificate().ok_or(Refused::Missing)?;
        shown.believed(self.clients, self.now).ok_or(Refused::Inactive)
    }
}

/// What became of a request that was asked who it is from.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It was proven.
    Proven(Rc<Caller>),
    /// It was, and who it is, or what has proven it, is banned.
    Banned(Rc<Caller>),
    /// There is no way in which it could be.
    Nobody,
    /// It was not.
    Unproven(Unproven),
}

/// Why nothing is proven, as its client is told.
#[derive(Debug)]
pub(crate) struct Unproven {
    /// The way by which that was found.
    pub(crate) by: Arc<Authentication>,
    pub(crate) ending: Ending,
    /// What the service says that was asked, where that refused it.
    denial: Option<Rc<Denial>>,
}

impl Unproven {
    /// The status, where that of its ending is `status`.
    fn status(&self, status: u16) -> u16 {
        match self.denial.as_ref().map_or(status, |denial| denial.status) {
            401 => refused_as(&self.by),
            status => status,
        }
    }
}

/// The status for a client that proved nothing, where `status` would be 401, and for one that is banned.
pub(super) fn status(asked: Option<&Asked>, status: u16) -> u16 {
    match asked {
        Some(Asked::Unproven(unproven)) if status == 401 => unproven.status(status),
        // As for any other token that is worth nothing.
        Some(Asked::Banned(caller)) if status == BANNED => refused_as(&caller.by),
        _ => status,
    }
}

/// The status of [`Ending::Banned`] where nothing is known of who asks.
const BANNED: u16 = 403;

fn refused_as(by: &Authentication) -> u16 {
    match by.refused {
        RefusedAs::Unauthorized => 401,
        RefusedAs::Forbidden => 403,
    }
}

/// What a client is told that was let in by none of the ways.
#[derive(Clone, Copy)]
pub(super) enum Refusal<'a> {
    Unproven(&'a Unproven),
    /// Who asks is banned, by whatever that was proven.
    Banned(&'a Authentication),
}

impl<'a> Refusal<'a> {
    /// What follows from what was asked.
    pub(super) fn of(asked: Option<&'a Asked>) -> Option<Self> {
        match asked? {
            Asked::Unproven(unproven) => Some(Self::Unproven(unproven)),
            Asked::Banned(caller) => Some(Self::Banned(&caller.by)),
            Asked::Proven(_) | Asked::Nobody => None,
        }
    }

    /// The way by which that was found.
    fn by(self) -> &'a Authentication {
        match self {
            Self::Unproven(unproven) => &unproven.by,
            Self::Banned(by) => by,
        }
    }

    /// Whether its client is asked to prove who it is.
    fn is_challenged(self) -> bool {
        let status = match self {
            Self::Banned(_) => 401,
            Self::Unproven(unproven) => {
                unproven.ending.told().map_or(0, |told| unproven.status(told.status))
            }
        };
        status == 401 && self.by().refused == RefusedAs::Unauthorized
    }

    /// What the service says that refused it.
    fn denial(self) -> Option<&'a Denial> {
        match self {
            Self::Unproven(unproven) => unproven.denial.as_deref(),
            Self::Banned(_) => None,
        }
    }
}

/// Writes what a service says that refused the request, and what would be accepted (RFC 9110 §11.6.1), each way by itself.
pub(super) fn challenge(
    demand: &Demand,
    refusal: Refusal<'_>,
    edits: &HeaderEdits,
    out: &mut impl FieldSink,
) {
    if let Some(denial) = refusal.denial() {
        denial.write(edits, out);
    }
    if !refusal.is_challenged() || is_edited(edits, b"www-authenticate") {
        return;
    }
    let by = refusal.by();
    for way in demand.ways().filter(|way| way.refused == RefusedAs::Unauthorized) {
        let realm = &way.name;
        let is_it = way.name == by.name;
        let text = match way.proof {
            Proof::Jwt(_) | Proof::Introspect(_) => {
                // RFC 6750 §3.1: who sent no token is told of no error.
                let is_missing =
                    matches!(refusal, Refusal::Unproven(it) if it.ending == Ending::AuthMissing);
                let error = if is_it && !is_missing { ", error=\"invalid_token\"" } else { "" };
                format!("Bearer realm=\"{realm}\"{error}")
            }
            // There is no registered scheme for keys (RFC 9110 §16.4.1), and a challenge there must be.
            Proof::ApiKey(_) => format!("ApiKey realm=\"{realm}\""),
            Proof::Basic(_) => format!("Basic realm=\"{realm}\", charset=\"UTF-8\""),
            // Nor for requests that are signed.
            Proof::Hmac(_) => format!("Hmac realm=\"{realm}\""),
            Proof::Signature(_) => format!("Signature realm=\"{realm}\""),
            // Nor for what the handshake has shown, or has not.
            Proof::Certificate(_) => format!("Certificate realm=\"{realm}\""),
            Proof::Forward(_) => {
                let said = refusal.denial().filter(|_| is_it);
                let mut said = said.into_iter().flat_map(Denial::challenges).peekable();
                if said.peek().is_some() {
                    said.for_each(|challenge| out.put(b"WWW-Authenticate", challenge));
                    continue;
                }
                format!("Forward realm=\"{realm}\"")
            }
        };
        out.put(b"WWW-Authenticate", text.as_bytes());
    }
}
