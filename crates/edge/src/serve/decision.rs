//! What becomes of a request before anything of it is sent: one decision, for requests and for `plimsoll explain`.
//!
//! Its order is the order that users are told: methods that no gateway serves, the path, what a CA looks for, bans of addresses, `redirect_https`, hosts of other
//! listeners, the route,
//! its policies, what an intermediary owes to those before it, the route's action. It reads, and neither counts
//! anything nor responds; of limits it takes, unless it is told only to look.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::rc::Rc;

use model::{Action, Listener, Redirect, Respond};
use telemetry::Ending;
use wire::head::{Fields, Method, RequestHead};

use crate::bans::Standing;
use crate::challenges::Challenges;
use crate::hops::{self, Pseudonym};
use crate::peer::{Peer, Sender};
use crate::policy::{self, Carried, Passage, PolicyPlan};
use crate::routing::{Ambiguous, BadPath, Request, RouteIndex, RouteTable};
use crate::snapshot::hosts::Whereabouts;

/// A request that is compared with no route.
pub(crate) enum Unroutable {
    /// Its method is not served.
    Method,
    /// Its path cannot be compared.
    Path(BadPath),
}

impl Unroutable {
    /// How its exchange ends.
    pub(crate) fn ending(self) -> Ending {
        match self {
            Self::Method => Ending::MethodNotAllowed,
            Self::Path(_) => Ending::BadRequest,
        }
    }
}

/// The request as the routes see it, if they do.
///
/// # Errors
/// See [`Unroutable`].
#[inline]
pub(crate) fn routable(head: &RequestHead, client: IpAddr) -> Result<Request<'_>, Unroutable> {
    if matches!(head.method(), Method::Connect | Method::Trace) {
        return Err(Unroutable::Method);
    }
    Request::new(head, client).map_err(Unroutable::Path)
}

/// The port of the listener's `redirect_https`, where that redirects the request: not where it came by TLS, or a
/// trusted proxy says that it came to it by https.
#[inline]
pub(crate) fn https_port(
    listener: &Listener,
    peer: &Peer,
    sender: Sender,
    fields: &Fields,
) -> Option<NonZeroU16> {
    let port = listener.redirect_https?;
    (!peer.is_secure(sender, fields, &listener.trusted_proxies)).then_some(port)
}

/// What decides beside the request itself.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// See [`https_port`].
    pub(crate) https_port: Option<NonZeroU16>,
    pub(crate) challenges: &'a Challenges,
    pub(crate) routes: &'a RouteTable,
    /// Whether the client's address is banned.
    pub(crate) standing: Standing,
    /// Whether its host is asked for at this listener.
    pub(crate) whereabouts: Whereabouts,
    /// What the edge calls itself.
    pub(crate) pseudonym: &'a Pseudonym,
}

/// What becomes of a request.
pub(crate) struct Decision<'a> {
    /// The route that it takes, where it takes one.
    pub(crate) route: Option<RouteIndex>,
    /// What the request phase of that route's policies found out, where it has any.
    pub(crate) carried: Option<Rc<Carried>>,
    pub(crate) next: Result<Next<'a>, Refused>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next<'a> {
    /// It goes to one of the services that share the requests of this route.
    Forward(RouteIndex),
    /// It is responded to here.
    Local(Local<'a>),
    /// Who asks this route is to be proven, which may take a while; then [`passed`] goes on.
    Proof(RouteIndex),
}

/// A response of our own, as a route or a listener says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Local<'a> {
    /// A CA finds what it looks for.
    Challenge,
    /// The client is sent to the same place over TLS, at this port.
    RedirectHttps(NonZeroU16),
    /// To a preflight.
    Preflight,
    /// To an `OPTIONS` that may be forwarded no further.
    Options,
    Redirect(&'a Redirect),
    Respond(&'a Respond),
}

impl Local<'_> {
    /// The response's status.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::RedirectHttps(_) => 308,
            Self::Preflight => 204,
            Self::Options | Self::Challenge => 200,
            Self::Redirect(redirect) => redirect.status,
            Self::Respond(respond) => respond.status,
        }
    }

    /// How its exchange ends.
    pub(crate) fn ending(self) -> Ending {
        match self {
            Self::RedirectHttps(_) | Self::Redirect(_) => Ending::Redirect,
            Self::Preflight => Ending::Preflight,
            Self::Options | Self::Challenge | Self::Respond(_) => Ending::Respond,
        }
    }
}

/// What refuses a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    /// The readings of its path lead to different routes.
    Ambiguous(Ambiguous),
    /// A policy of its route.
    Policy(Ending),
    /// Anything else.
    Plain(Ending),
}

impl Refused {
    /// How its exchange ends.
    pub(crate) fn ending(self) -> Ending {
        match self {
            Self::Ambiguous(_) => Ending::BadRequest,
            Self::Policy(ending) | Self::Plain(ending) => ending,
        }
    }
}

/// Decides. `plan_of` has the compiled policies of a route, and what they go by beside the request.
#[inline]
pub(crate) fn decide<'a>(
    setting: Setting<'a>,
    request: &Request<'_>,
    plan_of: impl FnOnce(RouteIndex) -> Option<(&'a PolicyPlan, policy::Context<'a>)>,
) -> Decision<'a> {
    let before_routes = |next| Decision { route: None, carried: None, next };
    if setting.challenges.has(request.head) {
        return before_routes(Ok(Next::Local(Local::Challenge)));
    }
    if setting.standing == Standing::Banned {
        return before_routes(Err(Refused::Plain(Ending::Banned)));
    }
    if let Some(port) = setting.https_port {
        return before_routes(match request.head.authority() {
            [] => Err(Refused::Plain(Ending::BadRequest)),
            _ => Ok(Next::Local(Local::RedirectHttps(port))),
        });
    }
    if setting.whereabouts == Whereabouts::Elsewhere {
        return before_routes(Err(Refused::Plain(Ending::Misdirected)));
    }
    let index = match setting.routes.find(request) {
        Ok(Some(index)) => index,
        Ok(None) => return before_routes(Err(Refused::Plain(Ending::NoRoute))),
        Err(ambiguous) => return before_routes(Err(Refused::Ambiguous(ambiguous))),
    };
    let mut decision =
        Decision { route: Some(index), carried: None, next: Ok(Next::Forward(index)) };
    if let Some((plan, context)) = plan_of(index) {
        let mut carried = Carried::default();
        let passage = policy::request(plan, request, context, &mut carried);
        decision.carried = Some(carried.into());
        decision.next = passed(setting, request, index, passage);
    } else {
        decision.next = act(setting, request, index);
    }
    decision
}

/// What becomes of a request that takes the route `index`, by what its policies say.
#[inline]
pub(crate) fn passed<'a>(
    setting: Setting<'a>,
    request: &Request<'_>,
    index: RouteIndex,
    passage: Result<Passage, Ending>,
) -> Result<Next<'a>, Refused> {
    match passage {
        Ok(Passage::Action) => act(setting, request, index),
        Ok(Passage::Preflight) => Ok(Next::Local(Local::Preflight)),
        Ok(Passage::Proof) => Ok(Next::Proof(index)),
        Err(ending) => Err(Refused::Policy(ending)),
    }
}

/// What becomes of a request that no policy of the route `index` refuses.
#[inline]
fn act<'a>(
    setting: Setting<'a>,
    request: &Request<'_>,
    index: RouteIndex,
) -> Result<Next<'a>, Refused> {
    Ok(match &setting.routes.route(index).action {
        // What an intermediary owes to those before it (RFC 9110 §7.6).
        Action::Forward(_) if setting.pseudonym.is_in(&request.head.fields) => {
            return Err(Refused::Plain(Ending::Loop));
        }
        Action::Forward(_) if hops::max_forwards(request.head) == Some(0) => {
            Next::Local(Local::Options)
        }
        Action::Forward(_) => Next::Forward(index),
        Action::Redirect(redirect) => Next::Local(Local::Redirect(redirect)),
        Action::Respond(respond) => Next::Local(Local::Respond(respond)),
    })
}
