//! What a route's policies do to a request and to its responses: a file of glue for each. What they decide is
//! the crate `policy`'s, pure and without an edge; here it meets heads and bodies.
//!
//! [`request`] is the request phase, for both protocols: its lines are the order. The response phase is [`response`](crate::response), through which every response passes.

pub(crate) mod body;
pub(crate) mod deny;
pub(crate) mod headers;
pub(crate) mod mapping;
pub(crate) mod rewrite;

use model::Policies;
use policy::Deny;
use telemetry::Ending;

use crate::routing::Request;

/// The policies of a route that have a say in its requests before its action, compiled.
#[derive(Debug)]
pub(crate) struct Plan {
    deny: Option<Deny>,
}

impl Plan {
    /// What `policies` say; `None` where no request has to be looked at.
    pub(crate) fn compile(policies: &Policies) -> Option<Box<Self>> {
        let plan = Self { deny: Deny::new(&policies.deny) };
        let Self { deny } = &plan;
        deny.is_some().then(|| Box::new(plan))
    }
}

/// Asks each policy of the request's phase whether `request` may pass, in the order that users are told.
///
/// # Errors
/// The refusal of the first that refuses it.
pub(crate) fn request(plan: &Plan, request: &Request<'_>) -> Result<(), Ending> {
    deny::request(plan.deny.as_ref(), request)
}
