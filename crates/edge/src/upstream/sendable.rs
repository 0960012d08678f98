//! Whether a request can be sent to a service at all: asked of it before an instance is chosen, and by `plimsoll
//! explain`. It knows no instance.

use model::{BodyLimit, Listener, Policies, UpstreamProtocol};
use telemetry::Ending;
use wire::h1::Framing;
use wire::head::RequestHead;

use crate::policy;
use crate::policy::auth::caller::Caller;
use crate::policy::rewrite::Rewriting;

/// A request that can be sent.
pub(crate) struct Sendable<'a> {
    /// How large its body may be.
    pub(crate) body: BodyLimit,
    /// How its target and host are changed.
    pub(crate) rewriting: Rewriting<'a>,
}

impl<'a> Sendable<'a> {
    /// The request with `head` as a route with `policies` has it sent over `protocol` for `caller`, where that was proven. `listener` is the one that it
    /// came in at, where that is known.
    ///
    /// # Errors
    /// [`Ending::BodyTooLarge`] where its body announces more than is allowed, [`Ending::BadRequest`] where the route's
    /// rewrite leaves a path that could be read in two ways, and [`Ending::UriTooLong`] where HTTP/2 cannot carry its
    /// target.
    #[inline]
    pub(crate) fn new(
        policies: &'a Policies,
        caller: Option<&'a Caller>,
        listener: Option<&Listener>,
        head: &'a RequestHead,
        framing: Framing,
        protocol: UpstreamProtocol,
    ) -> Result<Self, Ending> {
        let body = policy::body::allowed(policies, listener, framing)?;
        let rewriting = Rewriting::new(&policies.rewrite, head, caller)?;
        if protocol == UpstreamProtocol::H2 && !rewriting.fits_h2() {
            return Err(Ending::UriTooLong);
        }
        Ok(Self { body, rewriting })
    }
}
