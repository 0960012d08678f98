//! `deny`: clients from some networks are refused with 403.

use policy::Deny;
use telemetry::Ending;

use crate::routing::Request;

/// # Errors
/// [`Ending::Denied`] where the client's address is denied.
pub(super) fn request(deny: Option<&Deny>, request: &Request<'_>) -> Result<(), Ending> {
    match deny {
        Some(deny) if deny.refuses(request.client) => Err(Ending::Denied),
        _ => Ok(()),
    }
}
