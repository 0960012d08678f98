//! Servers that authentications ask: whether something takes connections there. They are asked nothing.

use std::collections::BTreeSet;

use config::Severity;
use model::{Authentication, Host, JwtKeys, KeysAt, Proof, Url};

use super::{Finding, Notes};
use crate::reach::{self, Reach};

pub(super) fn look(notes: &Notes<'_>) -> Vec<Finding> {
    let asked = notes.intent.auth.values().filter_map(|auth| Some((auth, asked(auth)?)));
    let (auths, targets): (Vec<_>, Vec<_>) =
        asked.map(|(auth, url)| ((auth.name.as_str(), url), target(url))).unzip();
    let each: BTreeSet<&String> = targets.iter().collect();
    let each: Vec<String> = each.into_iter().cloned().collect();
    let faults = reach::faults(&each).into_iter();
    let of_auths = |fault: reach::Fault| {
        let is_its = |(_, target): &(_, &String)| **target == fault.target;
        let of = auths.iter().zip(&targets).filter(is_its).map(|((auth, url), _)| (*auth, *url));
        of.map(|(auth, url)| found(notes, auth, url, fault.reach)).collect::<Vec<_>>()
    };
    faults.flat_map(of_auths).collect()
}

fn found(notes: &Notes<'_>, auth: &str, url: &Url, reach: Reach) -> Finding {
    let why = match reach {
        Reach::Refused => "nothing listens there yet: until then its routes respond with 503",
        other => other.told(),
    };
    let about = format!("authentication `{auth}`");
    // It may be up by the time that the file is served.
    notes.finding(&["auth", auth], about, Severity::Warning, format!("{url}: {why}"))
}

/// Where `auth` asks, if it asks anybody.
fn asked(auth: &Authentication) -> Option<&Url> {
    match &auth.proof {
        Proof::Forward(forward) => Some(&forward.server.url),
        Proof::Introspect(introspection) => Some(&introspection.server.url),
        Proof::Jwt(jwt) => match &jwt.keys {
            JwtKeys::Fetched(fetched) => match &fetched.at {
                KeysAt::Jwks(url) | KeysAt::Discovery { document: url, .. } => Some(url),
            },
            JwtKeys::Secret(_) | JwtKeys::File(_) => None,
        },
        Proof::ApiKey(_)
        | Proof::Basic(_)
        | Proof::Hmac(_)
        | Proof::Signature(_)
        | Proof::Certificate(_) => None,
    }
}

/// The host and the port.
fn target(url: &Url) -> String {
    match &url.host {
        Host::Address(address) => std::net::SocketAddr::new(*address, url.port).to_string(),
        Host::Name(name) => format!("{name}:{}", url.port),
    }
}
