//! What a route's policies do to a request and to its responses: a file of glue for each. What they decide is
//! the crate `policy`'s, pure and without an edge; here it meets heads and bodies.
//!
//! [`request`] is the request phase and [`response`] the response phase, for both protocols: their lines are the
//! order. A route without policies has no [`PolicyPlan`], and pays one branch for each phase.

pub(crate) mod abuse;
pub(crate) mod auth;
pub(crate) mod body;
mod cors;
pub(crate) mod deny;
pub(crate) mod headers;
pub(crate) mod limit;
pub(crate) mod mapping;
pub(crate) mod rewrite;

use std::sync::Arc;
use std::time::Duration;

use model::{BanToken, HeaderEdits, Policies, Requirement, Route};
use policy::bans::Ban;
use policy::cors::Grant;
use policy::time::UnixTime;
use policy::{Cors, Deny};
use telemetry::Ending;
use wire::head::{Fields, RequestHead};
use wire::name::reads_as;
use wire::traffic::Traffic;

use crate::bans;
use crate::fields::FieldSink;
use crate::policy::auth::account::AuthStanding;
use crate::policy::auth::caller::Caller;
use crate::policy::auth::demand::{self, Answered, Asking, Who};
use crate::policy::auth::signed::Signable;
use crate::policy::auth::{Asked, AuthContext, AuthTable};
use crate::policy::limit::{LimitContext, LimitStanding, Limits, Of, Round, Taken};
use crate::routing::Request;

/// The policies of a route that have a say in its requests before its action, or in its responses, compiled.
#[derive(Debug)]
pub(crate) struct PolicyPlan {
    deny: Option<Deny>,
    cors: Option<Cors>,
    who: Who,
    limits: Option<Limits>,
    ban_token: BanToken,
    /// The headers in which any route of the file tells instances of claims: nobody else may say anything under these
    /// names.
    claim_headers: Arc<[Box<str>]>,
}

impl PolicyPlan {
    /// What `policies` say, whose limits are compiled; `None` where no request has to be looked at.
    pub(crate) fn compile(
        policies: &Policies,
        auths: &AuthTable,
        limits: Option<Limits>,
    ) -> Option<Self> {
        let Policies {
            deny,
            cors,
            auth: _,
            require: _,
            limits: _,
            abuse: _,
            rewrite: _,
            request_headers: _,
            response_headers: _,
            body: _,
            ban_token,
        } = policies;
        let plan = Self {
            deny: Deny::new(deny),
            cors: cors.as_ref().map(Cors::new),
            who: Who::new(policies, auths),
            limits,
            ban_token: *ban_token,
            claim_headers: auths.claim_headers(),
        };
        // Where nobody is asked, nobody has proven anything by a token.
        let Self { deny, cors, who, limits, ban_token: _, claim_headers } = &plan;
        let asks = who.demand().is_some();
        let has_say = deny.is_some() || cors.is_some() || asks || limits.is_some();
        (has_say || !claim_headers.is_empty()).then_some(plan)
    }

    /// How a request of which `carried` was found out would stand with the route's limits.
    pub(crate) fn limit_standings(&self, carried: &Carried) -> Vec<LimitStanding> {
        self.limits.as_ref().map_or(Vec::new(), |it| it.standings(&carried.taken))
    }

    /// How a request fares with the ways of proving who asks, for people.
    pub(crate) fn accounts(
        &self,
        signable: Signable<'_>,
        context: AuthContext<'_>,
    ) -> Vec<AuthStanding> {
        self.who.demand().map_or(Vec::new(), |demand| demand.accounts(signable, context))
    }

    /// What the route requires and who asks does not meet.
    pub(crate) fn unmet(&self, caller: &Caller) -> Vec<Requirement> {
        self.who.demand().map_or(Vec::new(), |demand| demand.unmet(caller))
    }

    /// The limits that the route goes by, if it goes by any.
    pub(crate) fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }
}

/// What is known beside a request, for those policies that need it.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) auth: AuthContext<'a>,
    pub(crate) limit: LimitContext,
}

/// What becomes of a request that no policy refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It comes to its route's action.
    Action,
    /// It is a preflight, and its response is what the response phase writes.
    Preflight,
    /// Who asks is still to be proven, which may take a while; then [`proven`] goes on.
    Proof,
}

/// What the request phase found out of a request, for its responses.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    cors: Option<Grant>,
    asked: Option<Asked>,
    /// Empty where the route goes by no limit.
    taken: Taken,
}

impl Carried {
    /// Who asks, where that was proven.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        match &self.asked {
            Some(Asked::Proven(caller) | Asked::Banned(caller)) => Some(caller),
            _ => None,
        }
    }

    /// The status that is told in the place of `status`.
    pub(crate) fn status(&self, status: u16) -> u16 {
        auth::status(self.asked.as_ref(), status)
    }
}

/// The request phase: asks each policy whether `request` may pass, in the order that users are told. What it does not have yet stands between its
/// lines: behind limits by subject comes the cache. What was found out is in `carried`, which was empty, for all responses, those of refusals and
/// failures included.
pub(crate) fn request(
    plan: &PolicyPlan,
    request: &Request<'_>,
    context: Context<'_>,
    carried: &mut Carried,
) -> Result<Passage, Ending> {
    // A refusal by any policy is a response, too, and its client must be able to read it.
    carried.cors = plan.cors.as_ref().map(|cors| cors::grant(cors, request));
    deny::request(plan.deny.as_ref(), request)?;
    if cors::request(carried.cors, request)? == Passage::Preflight {
        return Ok(Passage::Preflight);
    }
    limits(plan, Round::Before, request, context.limit, carried)?;
    match &plan.who {
        Who::NotAsked => beyond(plan, request, context.limit, carried),
        Who::AtOnce(asked) => {
            let answered = demand::request(asked, request.head, context.auth);
            proven(plan, request, answered, context, carried)
        }
        Who::Awaited(_) => Ok(Passage::Proof),
    }
}

/// Asks who asks, where that may take a while: what [`Passage::Proof`] is followed by. Nothing is asked yet.
pub(crate) fn asking(plan: &PolicyPlan) -> Option<Asking<'_>> {
    plan.who.demand().map(Asking::begin)
}

/// The order, from where it is known who asks.
pub(crate) fn proven(
    plan: &PolicyPlan,
    request: &Request<'_>,
    answered: Answered,
    context: Context<'_>,
    carried: &mut Carried,
) -> Result<Passage, Ending> {
    // Who is banned is told so, whatever else may be missing.
    let Answered { asked, verdict } = answered.unless_banned(context.auth.bans, context.auth.now);
    carried.asked = Some(asked);
    verdict?;
    beyond(plan, request, context.limit, carried)
}

/// The order, behind authentication.
fn beyond(
    plan: &PolicyPlan,
    request: &Request<'_>,
    context: LimitContext,
    carried: &mut Carried,
) -> Result<Passage, Ending> {
    limits(plan, Round::After, request, context, carried)?;
    Ok(Passage::Action)
}

/// Takes what a request takes of limits in one of their rounds.
#[inline]
fn limits(
    plan: &PolicyPlan,
    round: Round,
    request: &Request<'_>,
    context: LimitContext,
    carried: &mut Carried,
) -> Result<(), Ending> {
    let Some(limits) = &plan.limits else { return Ok(()) };
    let caller = match &carried.asked {
        Some(Asked::Proven(caller)) => Some(&**caller),
        _ => None,
    };
    let asking = limit::Asking { request, caller, context };
    limits.take(round, asking, &mut carried.taken)
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

impl<'a> Phase<'a> {
    /// The ban that follows at `now` from the final response of an instance with `status`: of the token of who has logged out.
    pub(crate) fn ban_of(&self, status: u16, now: UnixTime) -> Option<Ban> {
        let is_it = self.plan.ban_token == BanToken::OnSuccess && (200..300).contains(&status);
        self.carried.caller().filter(|_| is_it)?.token_ban(bans::since_1970(now))
    }

    /// Whether any field of an instance's response could give way to what [`response`] writes.
    pub(crate) fn may_replace(&self) -> bool {
        self.plan.cors.is_some() || self.plan.limits.as_ref().is_some_and(limit::may_replace)
    }

    /// Whether a field of an instance's response gives way to what [`response`] writes.
    pub(crate) fn replaces(&self, name: &[u8]) -> bool {
        let of_limits = |it| limit::replaces(it, name);
        self.plan.cors.is_some() && cors::replaces(name)
            || self.plan.limits.as_ref().is_some_and(of_limits)
    }

    /// Takes what an instance's response says that its request has cost; `now` is time since the edge began.
    #[inline]
    pub(crate) fn charge_told(&self, fields: &Fields, now: impl FnOnce() -> Duration) {
        if let Some(limits) = self.plan.limits.as_ref().filter(|it| it.has_told_costs()) {
            limits.charge_told(&self.carried.taken, fields, now());
        }
    }

    /// Takes the bytes that have passed; `now` is time since the edge began.
    pub(crate) fn charge_bytes(&self, traffic: Traffic, now: impl FnOnce() -> Duration) {
        if let Some(limits) = self.plan.limits.as_ref().filter(|it| it.counts_bytes()) {
            limits.charge_bytes(&self.carried.taken, traffic, now());
        }
    }

    /// The limit that refused the request, or would have.
    pub(crate) fn limit_over(&self) -> Option<&'a str> {
        self.plan.limits.as_ref()?.over(&self.carried.taken)
    }

    /// Whether any field of the request could be kept from instances.
    pub(crate) fn hides_any(&self) -> bool {
        let is_credential_hidden = |caller: &Caller| !caller.keeps_credential();
        !self.plan.claim_headers.is_empty()
            || self.carried.caller().is_some_and(is_credential_hidden)
    }

    /// Whether a field of the request, or of its trailers, is kept from instances: under the names by which they are told of claims nobody
    /// else speaks, and some do not see credentials.
    pub(crate) fn hides(&self, name: &[u8]) -> bool {
        let is_claim = self.plan.claim_headers.iter().any(|it| reads_as(name, it.as_bytes()));
        is_claim || self.carried.caller().is_some_and(|it| it.hides(name))
    }

    /// Writes what an instance is told of who asks, and what is left of the cookies where one is the credential.
    pub(crate) fn tell(&self, out: &mut impl FieldSink, edits: &HeaderEdits) {
        if let Some(caller) = self.carried.caller() {
            caller.tell(self.head, edits, out);
        }
    }
}

/// The response phase: writes what the policies of a route tell in each of its responses, an instance's as well as a
/// redirect's, a refusal's or a failure's, in their order. `instance` are an instance's fields. Heads of 1xx tell
/// nothing; the final one comes behind them.
pub(crate) fn response(phase: Phase<'_>, instance: Option<&Fields>, out: &mut impl FieldSink) {
    cors::response(phase, instance, out);
    if let Some(limits) = &phase.plan.limits {
        let of = if instance.is_some() { Of::Instance } else { Of::Edge };
        limit::response(limits, &phase.carried.taken, of, phase.edits, out);
    }
    let Some(demand) = phase.plan.who.demand() else { return };
    if let Some(Asked::Proven(caller)) = &phase.carried.asked {
        caller.tell_client(phase.edits, out);
    }
    if instance.is_some() {
        return;
    }
    if let Some(refusal) = auth::Refusal::of(phase.carried.asked.as_ref()) {
        auth::challenge(demand, refusal, phase.edits, out);
    }
}
