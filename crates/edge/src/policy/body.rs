//! `body`: how large a request's body may be. One that announces more is refused before an instance is chosen;
//! one of unknown length is cut off where it passes the limit, by what carries it.

use model::{BodyLimit, Listener, Policies};
use telemetry::Ending;
use wire::h1::Framing;

/// The limit of a request's body: the route's, or else its listener's, where that is known.
pub(crate) fn limit(policies: &Policies, listener: Option<&Listener>) -> BodyLimit {
    let inherited = || listener.map_or(BodyLimit::Unlimited, |it| it.limits.body);
    policies.body.unwrap_or_else(inherited)
}

/// The same, unless the body announces more.
///
/// # Errors
/// [`Ending::BodyTooLarge`] where the body announces more.
pub(crate) fn allowed(
    policies: &Policies,
    listener: Option<&Listener>,
    framing: Framing,
) -> Result<BodyLimit, Ending> {
    let allowed = limit(policies, listener);
    match framing {
        Framing::Length(length) if !allowed.allows(length) => Err(Ending::BodyTooLarge),
        _ => Ok(allowed),
    }
}
