//! A webhook: told what is deployed, it says by its status whether that is to go on.

use model::Condition;
use outbound::Response;
use rollout::Measurement;

use super::{Situation, shown};

/// Statuses of 4xx that speak of the request, and not of what it asks about: credentials, the address, the moment.
const OF_THE_REQUEST: [u16; 8] = [401, 403, 404, 405, 407, 408, 425, 429];

/// What it is told.
pub(super) fn body(condition: &Condition, situation: &Situation) -> Vec<u8> {
    let Situation { service, version, previous, deploy, stage, step, share } = situation;
    let body = serde_json::json!({
        "condition": condition.name, "service": service.as_str(), "version": version, "previous": previous,
        "deploy": deploy, "stage": stage, "step": step, "share": share,
    });
    body.to_string().into_bytes()
}

/// What it says.
///
/// # Errors
/// Why that is not known.
pub(super) fn read(response: &Response) -> Result<Measurement, String> {
    let status = response.status.as_u16();
    let said = format!("status {status}{}", shown(&response.body));
    match status {
        200..300 => Ok(Measurement::Met(format!("status {status}"))),
        400..500 if !OF_THE_REQUEST.contains(&status) => Ok(Measurement::Breached(said)),
        _ => Err(said),
    }
}
