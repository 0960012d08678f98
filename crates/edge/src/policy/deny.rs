//! `deny`: clients from some networks are refused with 403.

use policy::Deny;

use crate::exchange::fault::Fault;
use crate::routing::Request;

/// # Errors
/// [`Fault::Denied`] where the client's address is denied.
pub(super) fn request(deny: Option<&Deny>, request: &Request<'_>) -> Result<(), Fault> {
    match deny {
        Some(deny) if deny.refuses(request.client) => Err(Fault::Denied),
        _ => Ok(()),
    }
}
