//! What a route's policies do to a request and to its responses: a file of glue for each. What they decide is
//! the crate `policy`'s, pure and without an edge; here it meets heads and bodies.
//!
//! [`request`] is the request phase and [`response`] the response phase, for both protocols: their lines are the
//! order. A route without policies has no [`PolicyPlan`], and pays one branch for each phase.

pub(crate) mod body;
mod cors;
pub(crate) mod deny;
pub(crate) mod headers;
pub(crate) mod mapping;
pub(crate) mod rewrite;

use model::{HeaderEdits, Policies, Route};
use policy::cors::Grant;
use policy::{Cors, Deny};
use telemetry::Ending;
use wire::head::{Fields, RequestHead};

use crate::fields::FieldSink;
use crate::routing::Request;

/// The policies of a route that have a say in its requests before its action, or in its responses, compiled.
#[derive(Debug)]
pub(crate) struct PolicyPlan {
    deny: Option<Deny>,
    cors: Option<Cors>,
}

impl PolicyPlan {
    /// What `policies` say; `None` where no request has to be looked at.
    pub(crate) fn compile(policies: &Policies) -> Option<Self> {
        let Policies { deny, cors, rewrite: _, request_headers: _, response_headers: _, body: _ } =
            policies;
        let plan = Self { deny: Deny::new(deny), cors: cors.as_ref().map(Cors::new) };
        let Self { deny, cors } = &plan;
        (deny.is_some() || cors.is_some()).then_some(plan)
    }
}

/// What becomes of a request that no policy refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It comes to its route's action.
    Action,
    /// It is a preflight, and its response is what the response phase writes.
    Preflight,
}

/// What the request phase found out of a request, for its responses.
#[derive(Debug)]
pub(crate) struct Carried {
    cors: Option<Grant>,
}

/// What the request phase decides.
pub(crate) struct Decided {
    /// Kept for all responses, those of refusals and failures included.
    pub(crate) carried: Carried,
    pub(crate) passage: Result<Passage, Ending>,
}

/// The request phase: asks each policy whether `request` may pass, in the order that users are told.
pub(crate) fn request(plan: &PolicyPlan, request: &Request<'_>) -> Decided {
    // A refusal by any policy is a response, too, and its client must be able to read it.
    let carried = Carried { cors: plan.cors.as_ref().map(|cors| cors::grant(cors, request)) };
    let passage = pass(plan, request, &carried);
    Decided { carried, passage }
}

/// The order. What it does not have yet stands between its lines: behind `cors` come limits that need no subject,
/// authentication, bans, requirements, limits by subject and the cache.
fn pass(plan: &PolicyPlan, request: &Request<'_>, carried: &Carried) -> Result<Passage, Ending> {
    deny::request(plan.deny.as_ref(), request)?;
    cors::request(carried.cors, request)
}

/// An exchange whose route has policies that have a say in its responses.
#[derive(Clone, Copy)]
pub(crate) struct Phase<'a> {
    pub(crate) plan: &'a PolicyPlan,
    pub(crate) carried: &'a Carried,
    /// The request's head.
    pub(crate) head: &'a RequestHead,
    /// What the route's `response_headers` edit: they have the last word.
    pub(crate) edits: &'a HeaderEdits,
}

/// The route that an exchange has taken.
#[derive(Clone, Copy)]
pub(crate) struct Routed<'a> {
    pub(crate) route: &'a Route,
    /// There where it has policies that speak in responses.
    pub(crate) phase: Option<Phase<'a>>,
}

impl Phase<'_> {
    /// Whether a field of an instance's response gives way to what [`response`] writes.
    pub(crate) fn replaces(&self, name: &[u8]) -> bool {
        self.plan.cors.is_some() && cors::replaces(name)
    }
}

/// The response phase: writes what the policies of a route tell in each of its responses, an instance's as well as a
/// redirect's, a refusal's or a failure's, in their order. `instance` are an instance's fields. Heads of 1xx tell
/// nothing; the final one comes behind them.
pub(crate) fn response(phase: Phase<'_>, instance: Option<&Fields>, out: &mut impl FieldSink) {
    cors::response(phase, instance, out);
}
