//! What would become of a request, for `plimsoll explain`: works on what is served, or on an intent
//! that nobody serves, and asks nothing of the workers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use balance::{Attempt, Field, Refusal, Share, SlowStart, Standing};
use model::{Action, Intent, Listener, Route, Service};
use telemetry::Ending;
use wire::buffer::Pool;
use wire::head::{HeadBuilder, RequestHead};
use wire::target::{is_authority, is_target};

use crate::Edge;
use crate::choice;
use crate::choice::sticky::{self, StickyKey};
use crate::policy;
use crate::routing::{Ambiguous, BadPath, Candidate, Request, RouteTable};
use crate::snapshot::ServicePlan;
use crate::snapshot::live::Live;

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
    /// Who asks.
    pub client: IpAddr,
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// On clear text.
    Clear,
    /// Over TLS.
    Tls,
}

/// What would become of a request.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The listener that it would come in at, where that can be told: the one with this port, or
    /// else, as ports are often mapped, the only one of this transport. If it has
    /// `redirect_https`, no route is asked.
    pub listener: Option<Arc<Listener>>,
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
    /// What the route's policies refuse it with.
    pub refusal: Option<PolicyRefusal>,
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
pub struct PolicyRefusal {
    /// The status that the client gets.
    pub status: u16,
    /// Why, as the access log has it.
    pub ending: Ending,
}

/// A service that may get a request.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The service.
    pub service: Arc<Service>,
    /// Its weight among the services that share the route.
    pub weight: u32,
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
}

/// What decides for an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// The client's sticky cookie.
    Cookie,
    /// The hash of a part of the request.
    Key,
    /// Load, rotation or chance: the next request may get another.
    Turn,
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
    let request = Request::new(&head, question.client.to_canonical())?;
    let mut explanation = routed(&table, &request);
    let listeners = intent.listeners.values().map(|listener| {
        let ports = listener.bind.iter().map(|address| address.port());
        (listener.clone(), ports.collect())
    });
    explanation.listener = listener_of(question.entrance, listeners.collect());
    if let Some(Action::Forward(destination)) =
        explanation.route.as_deref().map(|route| &route.action)
    {
        let forward = |share: &model::Share| {
            let service = intent.services.get(&share.service)?.clone();
            Some(Forward { service, weight: share.weight, choice: None })
        };
        explanation.forwards = destination.shares.iter().filter_map(forward).collect();
    }
    Ok(explanation)
}

impl Edge {
    /// What would become of the request now; `None` while nothing is served.
    ///
    /// # Errors
    /// When the question makes no sense.
    pub fn explain(&self, question: Question<'_>) -> Result<Option<Explanation>, ExplainError> {
        let Some(snapshot) = &self.current else { return Ok(None) };
        let head = head_of(question)?;
        let request = Request::new(&head, question.client.to_canonical())?;
        let mut explanation = routed(&snapshot.routes, &request);
        let listeners = snapshot.listeners.values().map(|plan| {
            let ports = self.addresses(plan.listener.name.as_str()).map(|address| address.port());
            (plan.listener.clone(), ports.collect())
        });
        explanation.listener = listener_of(question.entrance, listeners.collect());
        if let Ok(Some(index)) = snapshot.routes.find(&request) {
            let forward = |(place, weight): &(usize, u32)| {
                let plan = &snapshot.services[*place];
                let choice = choose(plan, &self.shared.sticky_key, &request, self.now());
                Forward { service: plan.service.clone(), weight: *weight, choice: Some(choice) }
            };
            let shares = &snapshot.shares[index.0 as usize];
            explanation.forwards = shares.of.iter().map(forward).collect();
        }
        Ok(Some(explanation))
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

fn routed(table: &RouteTable, request: &Request<'_>) -> Explanation {
    let found = table.find(request);
    let ambiguity = found.err().map(|Ambiguous { reading, route }| Ambiguity {
        path: String::from_utf8_lossy(&request.readings[reading]).into_owned(),
        route: route.map(|index| table.route(index).to_string()),
    });
    let route = found.ok().flatten().map(|index| table.route(index).clone());
    let policies = route.as_ref().and_then(|route| policy::Plan::compile(&route.policies));
    let refused = policies.and_then(|plan| policy::request(&plan, request).err());
    let refusal =
        refused.and_then(|ending| Some(PolicyRefusal { status: ending.told()?.status, ending }));
    Explanation {
        listener: None,
        host: String::from_utf8_lossy(&request.host()).into_owned(),
        path: String::from_utf8_lossy(&request.path).into_owned(),
        candidates: table.explain(request),
        ambiguity,
        route,
        refusal,
        forwards: Vec::new(),
    }
}

/// The instance that would be chosen, by a copy of the policy. Under `round_robin` it is the next one
/// where all weigh the same; otherwise each worker has its own rotation.
fn choose(
    plan: &ServicePlan,
    key: &StickyKey,
    request: &Request<'_>,
    now: Duration,
) -> Result<Choice, Refusal> {
    let service = &plan.service;
    let named = sticky::named(key, service, request.head);
    let stays = named.and_then(|id| {
        plan.instances.iter().find(|live| live.is_eligible() && sticky::is_named(id, &live.name))
    });
    if let Some(live) = stays {
        return match live.is_full(service.max_connections) {
            true => Err(Refusal::Full),
            false => Ok(Choice { live: live.clone(), by: ChosenBy::Cookie }),
        };
    }
    let view = View { plan, slow_start: service.slow_start.map(SlowStart::new), now };
    let mut picker = plan.picker.clone();
    let hash = choice::key_of(&service.balance, request);
    let place = picker.pick(&view, hash, &[], &mut || fastrand::u64(..))?;
    let by = if picker.is_by_key() { ChosenBy::Key } else { ChosenBy::Turn };
    Ok(Choice { live: plan.instances[place].clone(), by })
}

/// The instances of a service as the balancing sees them, but for latencies, which each worker
/// knows for itself.
struct View<'a> {
    plan: &'a ServicePlan,
    slow_start: Option<SlowStart>,
    now: Duration,
}

impl View<'_> {
    fn live(&self, instance: usize) -> &Live {
        &self.plan.instances[instance]
    }
}

impl Field for View<'_> {
    fn standing(&self, instance: usize) -> Standing {
        choice::standing(self.live(instance))
    }

    fn is_full(&self, instance: usize) -> bool {
        self.live(instance).is_full(self.plan.service.max_connections)
    }

    fn share(&self, instance: usize) -> Share {
        let Some(slow_start) = &self.slow_start else { return Share::FULL };
        let ramped_for = self.live(instance).ramped_for(self.now);
        ramped_for.map_or(Share::FULL, |elapsed| slow_start.share(elapsed))
    }

    fn in_flight(&self, instance: usize) -> u32 {
        self.live(instance).in_flight()
    }

    /// Nobody is sent anywhere, so no turn is taken.
    fn turn(&self, _attempt: Attempt) -> u64 {
        self.plan.live.next_turn()
    }
}
