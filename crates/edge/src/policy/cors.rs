//! `cors`: what browsers are told of a route, beforehand where they ask (a preflight), and by every response.

use policy::cors::{Asked, Cors, Grant, Preflight};
use telemetry::Ending;
use wire::head::{Fields, RequestHead, list};

use crate::fields::FieldSink;
use crate::policy::headers::is_edited;
use crate::policy::{Passage, Phase};
use crate::routing::{Request, preflight};

/// Under these names the route speaks, and no instance.
const NAMES: &[u8] = b"access-control-";

/// Who may use the responses to `request`.
pub(super) fn grant(cors: &Cors, request: &Request<'_>) -> Grant {
    cors.grant(origin(request.head))
}

/// Answers a preflight.
///
/// # Errors
/// [`Ending::PreflightRefused`] where pages of its origin may not use the route.
pub(super) fn request(grant: Option<Grant>, request: &Request<'_>) -> Result<Passage, Ending> {
    match grant {
        None => Ok(Passage::Action),
        Some(_) if preflight(request.head).is_none() => Ok(Passage::Action),
        Some(Grant::Nobody) => Err(Ending::PreflightRefused),
        Some(Grant::Anybody | Grant::Asker) => Ok(Passage::Preflight),
    }
}

/// Whether a field of an instance's response gives way to what [`response`] says.
pub(super) fn replaces(name: &[u8]) -> bool {
    name.get(..NAMES.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(NAMES))
}

/// Writes what a response tells; `instance` are the fields of an instance's, which may say some of it.
pub(super) fn response(phase: Phase<'_>, instance: Option<&Fields>, out: &mut impl FieldSink) {
    let (Some(cors), Some(grant)) = (&phase.plan.cors, phase.carried.cors) else { return };
    let headers = headers(phase.head);
    let preflight = preflight(phase.head).map(|method| Preflight { method, headers: &headers });
    let asked = Asked { origin: origin(phase.head), preflight };
    cors.tell(grant, asked, &mut |name, value| {
        if !is_edited(phase.edits, name.as_bytes()) {
            out.put(name.as_bytes(), value);
        }
    });
    if is_edited(phase.edits, b"vary") {
        return;
    }
    for name in cors.vary(asked) {
        if !instance.is_some_and(|fields| varies_by(fields, name)) {
            out.put(b"Vary", name.as_bytes());
        }
    }
}

/// The origin of the page that a request is from: what is said twice is not believed.
fn origin(head: &RequestHead) -> Option<&[u8]> {
    let mut origins = head.fields.named(b"origin");
    origins.next().filter(|_| origins.next().is_none())
}

/// The headers that a preflight asks for, as one list.
fn headers(head: &RequestHead) -> Vec<u8> {
    let lists: Vec<&[u8]> = head.fields.named(b"access-control-request-headers").collect();
    lists.join(&b", "[..])
}

fn varies_by(fields: &Fields, name: &str) -> bool {
    let is_it = |item: &[u8]| item == b"*" || item.eq_ignore_ascii_case(name.as_bytes());
    fields.named(b"vary").flat_map(list).any(is_it)
}
