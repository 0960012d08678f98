//! What is told of a reload that is watched.

use model::Intent;
use rollout::reload::{Compared, Place, REQUESTS_MIN, Requests, Rise, RiseOf};

use super::{Pace, ReloadEnding};

/// What the words are made of.
pub(crate) struct Words<'a> {
    /// The configuration that is watched.
    pub(crate) intent: &'a Intent,
    pub(crate) pace: &'a Pace,
}

impl Words<'_> {
    /// How a watch ends that saw nothing that is to be rolled back.
    pub(crate) fn ending(&self, compared: &Compared, seen: Requests) -> ReloadEnding {
        let requests = match seen.all {
            1 => "1 request".to_owned(),
            all => format!("{all} requests"),
        };
        match compared {
            Compared::Same => ReloadEnding::Stands(format!(
                "{requests} by what changed, {} failed: no more than before",
                seen.failed
            )),
            Compared::Shared(rise) => ReloadEnding::Stands(format!(
                "{}; so do requests that the file leaves as they were, so that it was not rolled back",
                self.rise(rise)
            )),
            Compared::TooLittle => ReloadEnding::NotCompared(format!(
                "not compared: {requests} by what changed, and it takes {REQUESTS_MIN}"
            )),
            Compared::NoPast => ReloadEnding::NotCompared(
                "not compared: of the time before it too few requests are known".to_owned(),
            ),
        }
    }

    /// What has risen: "route /a/*: 24 of 40 requests failed, before it at most 0.4 % did".
    pub(crate) fn rise(&self, rise: &Rise) -> String {
        let Rise { place, of, hits, requests, usual, .. } = rise;
        let what = match (place, of) {
            (Place::Unrouted, _) => "matched no route".to_owned(),
            (Place::Times(service), _) => match self.pace.slow_from(service) {
                Some(slow) => format!("took {} ms or longer", slow.as_millis()),
                None => "took longer".to_owned(),
            },
            (_, RiseOf::Errors | RiseOf::Slow) => "failed".to_owned(),
            (_, RiseOf::ClientErrors) => "got a 4xx".to_owned(),
        };
        let usual = 100.0 * usual;
        let usual = if usual < 9.95 { format!("{usual:.1}") } else { format!("{usual:.0}") };
        let name = self.name(place);
        format!("{name}: {hits} of {requests} requests {what}, before it at most {usual} % did")
    }

    /// What people call a place.
    fn name(&self, place: &Place) -> String {
        match place {
            Place::Route(id) => {
                let route = self.intent.routes.iter().find(|route| route.id() == *id);
                route.map_or_else(
                    || "a route".to_owned(),
                    |route| format!("route {}", route.in_full()),
                )
            }
            Place::Service(service) | Place::Times(service) => format!("service {service}"),
            Place::Unrouted => "all routes".to_owned(),
        }
    }
}
