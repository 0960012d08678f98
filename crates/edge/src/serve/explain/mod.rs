//! What would become of a request, for `plimsoll explain`: works on what is served, or on an intent
//! that nobody serves, and asks nothing of the workers.

mod asked;
mod scene;

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use balance::{Eligibility, Refusal};
use model::{
    Action, AuthName, Generation, Intent, Listener, Requirement, Route, Service, UpstreamProtocol,
};
use policy::bans::Ban;
use store::Store;
use telemetry::Ending;

use self::asked::{Arrival, Asked};
use self::scene::Scene;
use crate::Edge;
use crate::bans::{BanBoard, since_1970};
use crate::challenges::Challenges;
use crate::date::Calendar;
use crate::hops::Pseudonym;
use crate::live::Live;
use crate::live::inquiry::InquiryLive;
use crate::live::settlements::Settlements;
use crate::peer::Approach;
use crate::policy::auth::inquiry::Incoming;
use crate::policy::auth::keyring::Keyring;
use crate::policy::auth::signed::Signable;
use crate::policy::auth::{AuthContext, AuthTable, Progress, WorkerAuth};
use crate::policy::limit::{Effect, LimitContext, Moment};
use crate::policy::{Carried, Context, Passage, PolicyPlan, asking, proven};
use crate::routing::{Ambiguous, BadPath, Candidate, Request, RouteIndex, RouteTable, host_of};
use crate::serve::decision::{
    Decision, Local, Next, Refused, Setting, Unroutable, decide, passed, routable,
};
use crate::snapshot::abuse::{AbuseShelf, AbuseTable};
use crate::snapshot::hosts::Whereabouts;
use crate::snapshot::limits::LimitShelf;
use crate::upstream::sendable::Sendable;

pub use crate::choice::select::ChosenBy;
pub use crate::choice::share::ShareBy;
pub use crate::peer::Transport;
pub use crate::policy::abuse::AbuseStanding;
pub use crate::policy::auth::account::{AuthAccount, AuthStanding, TokenAccount};
pub use crate::policy::limit::LimitStanding;
pub use crate::snapshot::split::ReleaseBy;
pub use ::policy::jwt::{Reason as TokenReason, Refusal as TokenRefusal, TOKEN_BYTES_MAX};
pub use ::policy::time::UnixTime;

/// A request that nobody sends.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Its method.
    pub method: &'a str,
    /// How it comes in, if that is known: over TLS or not, and to which port.
    pub entrance: Option<(Transport, u16)>,
    /// The host that it is for, with its port if it names one; may be empty.
    pub authority: &'a str,
    /// Its path and query.
    pub target: &'a str,
    /// Its other header fields.
    pub fields: &'a [(String, String)],
    /// The other end of its connection: the client, or a proxy before it, whose word on the client counts
    /// where the listener trusts it.
    pub peer: IpAddr,
}

/// What would become of a request.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The listener that it would come in at, where that can be told: the one with this port, or
    /// else, as ports are often mapped, the only one of this transport.
    pub listener: Option<Arc<Listener>>,
    /// The client, as far as it is believed.
    pub client: IpAddr,
    /// The host as routes see it: in lower case, without port.
    pub host: String,
    /// The path as routes see it: in the form in which paths are compared.
    pub path: String,
    /// Another way to read the path that leads to another route, so that the request is refused.
    pub ambiguity: Option<Ambiguity>,
    /// Every route in the order of the file, with why it lost. Empty where none is asked.
    pub candidates: Vec<Candidate>,
    /// The route that it takes, where it takes one.
    pub route: Option<Arc<Route>>,
    /// How the ways of proving who asks fare with it, up to the first that believes it.
    pub auth: Vec<AuthStanding>,
    /// What its route requires of who asks, and is not so.
    pub unmet: Vec<Requirement>,
    /// The ban of its client, or of who asks.
    pub ban: Option<Ban>,
    /// How it would stand with the limits of its route, as far as they would be asked.
    pub limits: Vec<LimitStanding>,
    /// How its client stands with the rules of abuse that count its refusals.
    pub abuse: Vec<AbuseStanding>,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// Another way to read a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// The path as some servers read it.
    pub path: String,
    /// The route that it would take then, as people know it; `None` for 404.
    pub route: Option<String>,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It goes to one of the services that share the route's requests.
    Forwarded(Vec<Forward>),
    /// The client is sent to the same place over TLS, at this port, as the listener says.
    RedirectedToHttps(NonZeroU16),
    /// The client is sent to this place with this status, as the route says.
    Redirected {
        /// Where to.
        to: String,
        /// The response's status.
        status: u16,
    },
    /// Plimsoll responds itself: as the route says, to a preflight, or to an `OPTIONS` that may be forwarded no
    /// further.
    Responded {
        /// The response's status.
        status: u16,
        /// How its exchange ends, as the access log has it.
        ending: Ending,
    },
    /// It is refused.
    Refused {
        /// The response's status.
        status: u16,
        /// Why, as the access log has it.
        ending: Ending,
    },
    /// It depends on what this authentication makes of its credential, which takes a while to find out and is asked for real requests
    /// only.
    Depends(AuthName),
}

/// A service that may get a request.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The service.
    pub service: Arc<Service>,
    /// Its weight among the services that share the route.
    pub weight: u32,
    /// What gives it the request; `None` where another service gets it for certain.
    pub by: Option<ShareBy>,
    /// The instance that would be chosen now, or why none would; `None` where nothing is served.
    pub choice: Option<Result<Choice, Unserved>>,
}

/// Why no instance would be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// None can serve now.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The request cannot be sent to this service, as the access log has it.
    #[error("{}", .0.meaning().trim_end_matches('.'))]
    Unsendable(Ending),
}

impl Unserved {
    /// The status that the client gets then.
    pub fn status(self) -> u16 {
        match self {
            Self::Refusal(_) => status_of(Ending::NoInstance),
            Self::Unsendable(ending) => status_of(ending),
        }
    }
}

/// An instance that would be chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The instance.
    pub live: Arc<Live>,
    /// What decides for it.
    pub by: ChosenBy,
    /// What decides for its release, where two share the requests and the one that the request falls to
    /// has an instance that can serve.
    pub release: Option<ReleaseBy>,
    /// How it stands. Where none of its service's instances is healthy, the others are tried all the same.
    pub eligibility: Eligibility,
}

/// Why a question makes no sense.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExplainError {
    /// The path cannot be compared with routes, and such a request is refused with 400.
    #[error("such a request is refused with 400: {0}")]
    Path(#[from] BadPath),
    /// No request can ask for this.
    #[error("such a request is refused with 400: its target or its host is malformed")]
    Target,
    /// Its header fields frame a body in no way that can be read.
    #[error("such a request is refused with 400: {0}")]
    Framing(wire::h1::Fault),
    /// No request can have such a header field.
    #[error("no request can have such a header field: `{0}`")]
    Field(String),
    /// The routes cannot be compiled.
    #[error("the routes' expressions cannot be compiled together")]
    Routes(#[from] regex::Error),
}

/// What would become of the request if `intent` were served. Says nothing of instances.
///
/// # Errors
/// When the question makes no sense.
pub fn explain(intent: &Intent, question: Question<'_>) -> Result<Explanation, ExplainError> {
    let table = RouteTable::compile(&intent.routes)?;
    // Nothing is fetched for a configuration that is not served.
    let unobserved = |name: &AuthName| Arc::new(InquiryLive::new(name.clone(), 0));
    let auths =
        AuthTable::compile(&intent.auth, &Keyring::default(), &AuthTable::default(), unobserved);
    let abuse = AbuseShelf::default().compile(intent, Generation(0), 1, Duration::ZERO);
    // And it shares nothing.
    let mut shelf = LimitShelf::new(Arc::new(Settlements::new(1, Instant::now())));
    let mut limits = shelf.compile(Generation(0), 1, Duration::ZERO, &Store::alone());
    let plan_of = |it: &Arc<Route>| PolicyPlan::compile(&it.policies, &auths, limits.of_route(it));
    let plans: Vec<_> = intent.routes.iter().map(plan_of).collect();
    let listeners = intent.listeners.values().map(|listener| {
        let ports = listener.bind.iter().map(|address| address.port());
        (listener.clone(), ports.collect())
    });
    let asked = Asked::new(question, listeners.collect())?;
    let served = Served {
        routes: &table,
        // The name of an edge that does not run has passed by no request.
        pseudonym: &Pseudonym::draw(),
        challenges: &Challenges::default(),
        bans: &BanBoard::default(),
        auths: &unremembered(&auths),
        abuse: &abuse,
        now: Duration::ZERO,
        // What certificates name is not known of what is not served.
        whereabouts: Whereabouts::Here,
    };
    let shares = |route: RouteIndex| {
        let Action::Forward(to) = &table.route(route).action else { return Vec::new() };
        let by = if to.shares.len() == 1 { ShareBy::Alone } else { ShareBy::Chance };
        let forward = |share: &model::Share| {
            let service = intent.services.get(&share.service)?.clone();
            let by = (by == ShareBy::Alone || share.weight > 0).then_some(by);
            Some(Forward { service, weight: share.weight, by, choice: None })
        };
        to.shares.iter().filter_map(forward).collect()
    };
    let plan_of = |route: RouteIndex| plans[route.0 as usize].as_ref();
    let mut explanation = served.explain(&asked, plan_of, |route, _| shares(route))?;
    explanation.leave_open_what_is_fetched();
    explanation.leave_open_what_is_shown();
    Ok(explanation)
}

impl Edge {
    /// What would become of the request now; `None` while nothing is served. Takes no turn, draws no
    /// number that a request would have drawn, and claims nothing.
    ///
    /// # Errors
    /// When the question makes no sense.
    pub fn explain(&self, question: Question<'_>) -> Result<Option<Explanation>, ExplainError> {
        let Some(snapshot) = &self.current else { return Ok(None) };
        let listeners = snapshot.listeners.values().map(|plan| {
            let ports = self.addresses(plan.listener.name.as_str()).map(|address| address.port());
            (plan.listener.clone(), ports.collect())
        });
        let asked = Asked::new(question, listeners.collect())?;
        let (routes, pseudonym) = (&snapshot.routes, &self.shared.pseudonym);
        let auths = unremembered(&snapshot.auths);
        let bans = BanBoard::of(self.bans.clone());
        let at = asked.arrival.listener.as_ref();
        let at = at.and_then(|listener| snapshot.listeners.get(&listener.name));
        let whereabouts =
            at.map_or(Whereabouts::Here, |plan| plan.whereabouts(asked.head.authority()));
        let (challenges, abuse, now) = (&*self.shared.challenges, &snapshot.abuse, self.now());
        let (bans, auths) = (&bans, &*auths);
        let served = Served { routes, pseudonym, challenges, bans, auths, abuse, now, whereabouts };
        let scene = Scene { snapshot, key: &self.shared.sticky_key, now: self.now() };
        let plan_of = |route: RouteIndex| {
            snapshot.policies[route.0 as usize].as_deref().map(|policies| &policies.plan)
        };
        let explained =
            served.explain(&asked, plan_of, |route, request| scene.forwards(route, request));
        let mut explanation = explained?;
        explanation.leave_open_what_is_shown();
        Ok(Some(explanation))
    }
}

/// What requests are put to.
struct Served<'a> {
    routes: &'a RouteTable,
    pseudonym: &'a Pseudonym,
    challenges: &'a Challenges,
    bans: &'a BanBoard,
    auths: &'a [Rc<WorkerAuth>],
    abuse: &'a AbuseTable,
    /// Time since the edge began.
    now: Duration,
    whereabouts: Whereabouts,
}

/// Those of `auths` as a worker has them that has seen no request. They ask nobody.
fn unremembered(auths: &AuthTable) -> Vec<Rc<WorkerAuth>> {
    auths.plans.iter().map(|plan| Rc::new(WorkerAuth::new(plan.clone(), None))).collect()
}

impl<'a> Served<'a> {
    /// Decides as for a request, and says what from. `forwards` has the services that share a route's requests.
    fn explain(
        &self,
        asked: &Asked,
        plan_of: impl FnOnce(RouteIndex) -> Option<&'a PolicyPlan>,
        forwards: impl FnOnce(RouteIndex, &Request<'_>) -> Vec<Forward>,
    ) -> Result<Explanation, ExplainError> {
        let Asked { head, framing, arrival } = asked;
        let Arrival { listener, https_port, peer, sender } = arrival;
        let client = &sender.client;
        let explanation = |path: &[u8], outcome| Explanation {
            listener: listener.clone(),
            client: *client,
            host: String::from_utf8_lossy(&host_of(head.authority())).into_owned(),
            path: String::from_utf8_lossy(path).into_owned(),
            candidates: Vec::new(),
            ambiguity: None,
            route: None,
            auth: Vec::new(),
            unmet: Vec::new(),
            ban: None,
            limits: Vec::new(),
            abuse: Vec::new(),
            outcome,
        };
        let request = match routable(head, *client) {
            Ok(request) => request,
            Err(Unroutable::Path(bad)) => return Err(bad.into()),
            Err(method @ Unroutable::Method) => {
                return Ok(explanation(head.path(), Outcome::refused(method.ending())));
            }
        };
        let (routes, https_port, pseudonym) = (self.routes, *https_port, self.pseudonym);
        let context = Context {
            auth: AuthContext {
                auths: self.auths,
                bans: self.bans,
                // Nothing is known of a handshake.
                peer,
                clients: None,
                // Of what is only looked at nothing is used up.
                store: &Store::alone(),
                now: Calendar::new().now(),
            },
            limit: LimitContext { at: Moment::After(self.now), worker: 0, effect: Effect::Look },
        };
        let plan_of = |route| plan_of(route).map(|plan| (plan, context));
        let standing = self.bans.standing(*client, || context.auth.now);
        let (challenges, whereabouts) = (self.challenges, self.whereabouts);
        let setting = Setting { https_port, challenges, routes, standing, whereabouts, pseudonym };
        let mut plan = None;
        let mut decided = decide(setting, &request, |route| {
            let found = plan_of(route);
            plan = found.map(|(plan, _)| plan);
            found
        });
        let trusted_proxies = listener.as_ref().map_or(&[][..], |it| &it.trusted_proxies);
        let approach = Approach { peer, sender: *sender, fields: &head.fields, trusted_proxies };
        let incoming = Incoming { request: &request, approach };
        let signable = Signable { incoming, framing: *framing };
        let awaited = match (decided.next, plan) {
            (Ok(Next::Proof(index)), Some(plan)) => {
                let asked = who(plan, signable, context, &mut decided);
                asked.map(|passage| decided.next = passed(setting, &request, index, passage)).err()
            }
            _ => None,
        };
        let route = decided.route.map(|index| routes.route(index).clone());
        let limits = plan.zip(decided.carried.as_deref());
        let limits = limits.map_or(Vec::new(), |(plan, carried)| plan.limit_standings(carried));
        let caller = decided.carried.as_deref().and_then(Carried::caller);
        let auth = plan.map_or(Vec::new(), |plan| plan.accounts(signable, context.auth));
        let unmet = plan.zip(caller).map_or(Vec::new(), |(plan, caller)| plan.unmet(caller));
        let ban = self.bans.which(|bans| {
            let now = since_1970(context.auth.now);
            let of_caller = || caller.and_then(|caller| caller.ban(bans, now));
            bans.which_of_address(*client, now).or_else(of_caller)
        });
        let abuse = {
            let subject = caller.and_then(|caller| caller.subject.as_deref());
            let rules = self.abuse.of(decided.route).iter();
            rules.map(|it| it.standing(*client, subject, trusted_proxies, self.now)).collect()
        };
        let outcome = match decided.next {
            Err(refused) => Outcome::refused_with(refused.ending(), decided.carried.as_deref()),
            Ok(Next::Local(local)) => Outcome::of(local),
            Ok(Next::Proof(_)) => match awaited {
                Some(auth) => Outcome::Depends(auth),
                None => Outcome::refused(Ending::AuthUnready),
            },
            Ok(Next::Forward(index)) => {
                let (policies, listener) = (&routes.route(index).policies, listener.as_deref());
                let sendable = |protocol| {
                    let caller = decided.carried.as_deref().and_then(Carried::caller);
                    let sent = Sendable::new(policies, caller, listener, head, *framing, protocol);
                    sent.map(|_| ())
                };
                Outcome::forwarded(forwards(index, &request), sendable)
            }
        };
        let ambiguity = match decided.next {
            Err(Refused::Ambiguous(Ambiguous { reading, route })) => Some(Ambiguity {
                path: String::from_utf8_lossy(&request.readings[reading]).into_owned(),
                route: route.map(|index| routes.route(index).to_string()),
            }),
            _ => None,
        };
        let candidates = match (decided.next, https_port) {
            (Ok(Next::Local(Local::Challenge)), _) | (_, Some(_)) => Vec::new(),
            (_, None) => routes.explain(&request),
        };
        Ok(Explanation {
            candidates,
            ambiguity,
            route,
            auth,
            unmet,
            ban,
            limits,
            abuse,
            ..explanation(&request.path, outcome)
        })
    }
}

/// Asks who asks, as far as nobody has to be waited for, and goes on with the route's policies from there.
///
/// # Errors
/// The authentication that has to ask somebody else.
fn who(
    plan: &PolicyPlan,
    signable: Signable<'_>,
    context: Context<'_>,
    decided: &mut Decision<'_>,
) -> Result<Result<Passage, Ending>, AuthName> {
    let Some(mut question) = asking(plan) else { return Ok(Err(Ending::AuthUnready)) };
    match question.go_on(signable, context.auth) {
        Progress::Answered(answered) => {
            let mut carried = decided.carried.take().and_then(Rc::into_inner).unwrap_or_default();
            let passage = proven(plan, signable.incoming.request, answered, context, &mut carried);
            decided.carried = Some(carried.into());
            Ok(passage)
        }
        // Nothing is used up, and nothing is known of a body.
        Progress::Wait(_) | Progress::Body(_) => match question.way() {
            Some(way) => Err(way.name.clone()),
            None => Ok(Err(Ending::AuthUnready)),
        },
    }
}

impl Explanation {
    /// Of a configuration that nobody serves nothing is fetched: that keys are not there is no refusal.
    fn leave_open_what_is_fetched(&mut self) {
        let Outcome::Refused { ending: Ending::AuthUnready, .. } = self.outcome else { return };
        let lacks = |it: &&AuthStanding| it.account == AuthAccount::NoKeys;
        if let Some(way) = self.auth.iter().find(lacks) {
            self.outcome = Outcome::Depends(way.auth.clone());
        }
    }

    /// Nothing is known of a handshake: that no certificate was shown is no refusal where the listener asks for one.
    fn leave_open_what_is_shown(&mut self) {
        let Outcome::Refused { ending: Ending::AuthMissing, .. } = self.outcome else { return };
        let asks = self.listener.as_ref().is_some_and(|it| it.client_auth.is_some());
        let needs = |it: &&AuthStanding| it.account == AuthAccount::CertificateNeeded;
        if let Some(way) = self.auth.iter().find(needs).filter(|_| asks) {
            self.outcome = Outcome::Depends(way.auth.clone());
        }
    }
}

impl Outcome {
    fn refused(ending: Ending) -> Self {
        Self::Refused { status: status_of(ending), ending }
    }

    /// It is refused, with the status that the route's policies have for that.
    fn refused_with(ending: Ending, carried: Option<&Carried>) -> Self {
        let status = status_of(ending);
        Self::Refused { status: carried.map_or(status, |it| it.status(status)), ending }
    }

    fn of(local: Local<'_>) -> Self {
        let (status, ending) = (local.status(), local.ending());
        match local {
            Local::RedirectHttps(port) => Self::RedirectedToHttps(port),
            Local::Redirect(redirect) => Self::Redirected { to: redirect.to.clone(), status },
            Local::Challenge | Local::Preflight | Local::Options | Local::Respond(_) => {
                Self::Responded { status, ending }
            }
        }
    }

    /// It goes to one of these services, as far as it is `sendable` over their protocols.
    fn forwarded(
        mut forwards: Vec<Forward>,
        sendable: impl Fn(UpstreamProtocol) -> Result<(), Ending>,
    ) -> Self {
        let mut all = None;
        for (place, forward) in forwards.iter_mut().enumerate() {
            let refused = sendable(forward.service.protocol).err();
            if let Some(ending) = refused {
                forward.choice = Some(Err(Unserved::Unsendable(ending)));
            }
            all = if place == 0 { refused } else { all.filter(|it| Some(*it) == refused) };
        }
        all.map_or(Self::Forwarded(forwards), Self::refused)
    }
}

/// The status that the client gets of an exchange that ends so before its response has begun.
fn status_of(ending: Ending) -> u16 {
    ending.told().map_or(0, |told| told.status)
}
