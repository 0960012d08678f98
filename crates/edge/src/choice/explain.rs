//! What would become of a request, for `plimsoll explain`: works on what is served, or on an intent
//! that nobody serves, and asks nothing of the workers.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use balance::{Refusal, SlowStart};
use model::{Action, Intent, Listener, Route, Service};
use telemetry::Ending;
use wire::buffer::Pool;
use wire::head::{HeadBuilder, RequestHead};
use wire::target::{is_authority, is_target};

use crate::Edge;
use crate::choice;
use crate::choice::select::{View, Wanted, select};
use crate::choice::share::{self, Chosen};
use crate::live::Live;
use crate::peer::Peer;
use crate::policy::{self, Passage};
use crate::routing::{Ambiguous, BadPath, Candidate, Request, RouteIndex, RouteTable};
use crate::snapshot::{ServicePlan, Snapshot};
use crate::sticky_key::StickyKey;

pub use crate::choice::select::ChosenBy;
pub use crate::choice::share::ShareBy;
pub use crate::peer::Transport;
pub use crate::snapshot::split::ReleaseBy;

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
    /// The port of the listener's `redirect_https`, where that redirects the request; then no route is
    /// asked. It does not where a trusted proxy says that the request came to it by https.
    pub redirect_https: Option<NonZeroU16>,
    /// The client, as far as it is believed.
    pub client: IpAddr,
    /// The host as routes see it: in lower case, without port.
    pub host: String,
    /// The path as routes see it: in the form in which paths are compared.
    pub path: String,
    /// Another way to read the path that leads to another route, so that the request is refused.
    pub ambiguity: Option<Ambiguity>,
    /// Every route in the order of the file, with why it lost.
    pub candidates: Vec<Candidate>,
    /// The route that it takes; `None` for 404.
    pub route: Option<Arc<Route>>,
    /// What the route's policies make of it; `None` where it comes to the route's action.
    pub policy: Option<PolicyResponse>,
    /// The services that share the route's requests, if it forwards them.
    pub forwards: Vec<Forward>,
}

/// Another way to read a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// The path as some servers read it.
    pub path: String,
    /// The route that it would take then, as people know it; `None` for 404.
    pub route: Option<String>,
}

/// A policy does not let the request pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyResponse {
    /// It refuses it.
    Refused {
        /// The status that the client gets.
        status: u16,
        /// Why, as the access log has it.
        ending: Ending,
    },
    /// It answers it: a preflight.
    Preflight,
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
    pub choice: Option<Result<Choice, Refusal>>,
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
    let head = head_of(question)?;
    let listeners = intent.listeners.values().map(|listener| {
        let ports = listener.bind.iter().map(|address| address.port());
        (listener.clone(), ports.collect())
    });
    let arrival = Arrival::of(question, &head, listeners.collect());
    let request = Request::new(&head, arrival.client)?;
    let (_, mut explanation) = routed(&table, &request, arrival);
    if let Some(Action::Forward(destination)) =
        explanation.route.as_deref().map(|route| &route.action)
    {
        let by = match destination.shares.len() {
            1 => ShareBy::Alone,
            _ => ShareBy::Chance,
        };
        let forward = |share: &model::Share| {
            let service = intent.services.get(&share.service)?.clone();
            let by = (by == ShareBy::Alone || share.weight > 0).then_some(by);
            Some(Forward { service, weight: share.weight, by, choice: None })
        };
        explanation.forwards = destination.shares.iter().filter_map(forward).collect();
    }
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
        let head = head_of(question)?;
        let listeners = snapshot.listeners.values().map(|plan| {
            let ports = self.addresses(plan.listener.name.as_str()).map(|address| address.port());
            (plan.listener.clone(), ports.collect())
        });
        let arrival = Arrival::of(question, &head, listeners.collect());
        let request = Request::new(&head, arrival.client)?;
        let (found, mut explanation) = routed(&snapshot.routes, &request, arrival);
        if let Some(index) = found {
            let scene = Scene { snapshot, key: &self.shared.sticky_key, now: self.now() };
            explanation.forwards = scene.forwards(index, &request);
        }
        Ok(Some(explanation))
    }
}

/// How a request comes in.
struct Arrival {
    listener: Option<Arc<Listener>>,
    redirect_https: Option<NonZeroU16>,
    client: IpAddr,
}

impl Arrival {
    fn of(
        question: Question<'_>,
        head: &RequestHead,
        listeners: Vec<(Arc<Listener>, Vec<u16>)>,
    ) -> Self {
        let listener = listener_of(question.entrance, listeners);
        let transport = question.entrance.map_or(Transport::Clear, |(transport, _)| transport);
        let peer = Peer::new(SocketAddr::new(question.peer, 0), None, transport);
        let trusted = listener.as_ref().map_or(&[][..], |listener| &listener.trusted_proxies);
        let sender = peer.sender(&head.fields, trusted);
        let redirects = |_: &NonZeroU16| !peer.is_secure(sender, &head.fields, trusted);
        let port = listener.as_ref().and_then(|listener| listener.redirect_https);
        Self { redirect_https: port.filter(redirects), listener, client: sender.client }
    }
}

/// What is served, as a question is put to it.
struct Scene<'a> {
    snapshot: &'a Snapshot,
    key: &'a StickyKey,
    now: Duration,
}

impl Scene<'_> {
    /// The services that share the route's requests.
    fn forwards(&self, index: RouteIndex, request: &Request<'_>) -> Vec<Forward> {
        let shares = &self.snapshot.shares[index.0 as usize];
        if shares.of.is_empty() {
            return Vec::new();
        }
        let keeps = |place: usize| {
            let ServicePlan { service, instances, .. } = &self.snapshot.services[place];
            share::keeps(self.key, service, instances, request.head)
        };
        let Chosen { share: chosen, by } = share::choose(shares, keeps, |_| 0);
        let forward = |(share, (place, weight)): (usize, &(usize, u32))| {
            let plan = &self.snapshot.services[*place];
            let gets = match by {
                ShareBy::Chance => *weight > 0,
                ShareBy::Alone | ShareBy::Cookie => share == chosen,
            };
            Forward {
                service: plan.service.clone(),
                weight: *weight,
                by: gets.then_some(by),
                choice: Some(self.choose(plan, request)),
            }
        };
        shares.of.iter().enumerate().map(forward).collect()
    }

    /// The instance that would be chosen, by a copy of the policy. Where load decides among several that
    /// are alike, or instances weigh differently, each worker has its own rotation.
    fn choose(&self, plan: &ServicePlan, request: &Request<'_>) -> Result<Choice, Refusal> {
        let slow_start = plan.service.slow_start.map(SlowStart::new);
        let view = View::of_snapshot(plan, slow_start.as_ref(), self.key, self.now);
        let key = choice::key_of(&plan.service.balance, request);
        let drawn = Cell::new(None);
        let wanted = Wanted { head: request.head, key, drawn: &drawn, tried: &[] };
        let chosen = select(&view, wanted, &mut plan.picker.clone(), &mut || fastrand::u64(..))?;
        let live = plan.instances[chosen.place].clone();
        Ok(Choice { live, by: chosen.by, release: chosen.release })
    }
}

fn head_of(question: Question<'_>) -> Result<RequestHead, ExplainError> {
    let mut builder = HeadBuilder::new(&Pool::default());
    for (name, value) in question.fields {
        let is_name = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !is_name || http::HeaderValue::from_bytes(value.as_bytes()).is_err() {
            // Its value may be a secret.
            return Err(ExplainError::Field(name.escape_debug().to_string()));
        }
        builder.field(name.as_bytes(), value.as_bytes());
    }
    let Question { method, authority, target, .. } = question;
    let is_path = is_target(target) && (target.starts_with('/') || target == "*");
    if !is_path || !authority.is_empty() && !is_authority(authority.as_bytes()) {
        return Err(ExplainError::Target);
    }
    Ok(builder.request(method.as_bytes(), authority.as_bytes(), target.as_bytes()))
}

/// The listener with the port, or the only one of the transport.
fn listener_of(
    entrance: Option<(Transport, u16)>,
    listeners: Vec<(Arc<Listener>, Vec<u16>)>,
) -> Option<Arc<Listener>> {
    let (transport, port) = entrance?;
    let is_tls = transport == Transport::Tls;
    let fits = |(listener, _): &(Arc<Listener>, _)| listener.is_tls() == is_tls;
    let fitting: Vec<_> = listeners.into_iter().filter(fits).collect();
    let by_port = fitting.iter().find(|(_, ports)| ports.contains(&port));
    let only = || if let [only] = &fitting[..] { Some(only) } else { None };
    by_port.or_else(only).map(|(listener, _)| listener.clone())
}

fn routed(
    table: &RouteTable,
    request: &Request<'_>,
    arrival: Arrival,
) -> (Option<RouteIndex>, Explanation) {
    let found = table.find(request);
    let ambiguity = found.err().map(|Ambiguous { reading, route }| Ambiguity {
        path: String::from_utf8_lossy(&request.readings[reading]).into_owned(),
        route: route.map(|index| table.route(index).to_string()),
    });
    let Arrival { listener, redirect_https, client } = arrival;
    let index = found.ok().flatten();
    let route = index.map(|index| table.route(index).clone());
    let policies = route.as_ref().and_then(|route| policy::Plan::compile(&route.policies));
    let passage = policies.map(|plan| policy::request(&plan, request).passage);
    let policy = match passage {
        None | Some(Ok(Passage::Action)) => None,
        Some(Ok(Passage::Preflight)) => Some(PolicyResponse::Preflight),
        Some(Err(ending)) => {
            ending.told().map(|told| PolicyResponse::Refused { status: told.status, ending })
        }
    };
    let explanation = Explanation {
        listener,
        redirect_https,
        client,
        host: String::from_utf8_lossy(&request.host()).into_owned(),
        path: String::from_utf8_lossy(&request.path).into_owned(),
        candidates: table.explain(request),
        ambiguity,
        route,
        policy,
        forwards: Vec::new(),
    };
    (index, explanation)
}
