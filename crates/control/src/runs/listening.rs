//! How long attempts take on which route while nothing is deployed: the workers hand single attempts over for a part of each
//! span of the past.
//!
//! They hand over to one judge at a time, and to a deploy's before all others: where one listens, this does not begin, and what
//! it was to hear is not lost to the deploy, which tells the past itself.

use std::sync::Arc;
use std::time::Duration;

use edge::ServiceLive;
use edge::live::judged::Hearing;
use rollout::{Fate, Side};

use super::account::{Routes, observed};
use super::past::Recollection;

/// Whether attempts are being handed over for the past.
#[derive(Debug, Default)]
pub(crate) struct Listening(Option<Hearing>);

impl Listening {
    /// Begins if it is time to, and nobody listens.
    pub(crate) fn begin(&mut self, live: &ServiceLive, past: &Recollection, now: Duration) {
        if self.0.is_some() || live.judged.is_on() {
            return;
        }
        if let Some(expected) = past.wants_to_hear(now) {
            let hearing = live.judged.begin(None);
            // No sample of these yet, but of those to come as many as there is room for.
            live.judged.take(&hearing, expected);
            self.0 = Some(hearing);
        }
    }

    /// Ends, and tells `past` what was heard.
    pub(crate) fn end(&mut self, live: Option<&Arc<ServiceLive>>, past: &mut Recollection) {
        let (Some(hearing), Some(live)) = (self.0.take(), live) else { return };
        let samples = live.judged.take(&hearing, 0);
        live.judged.end(hearing);
        let routes = Routes::of(Some(live));
        // When, and on which side, is nothing that the past keeps.
        let observed = samples
            .all
            .into_iter()
            .filter_map(|sample| observed(sample, Duration::ZERO, Side::Stable, &routes));
        for attempt in observed.filter(|it| it.fate != Fate::Failed) {
            past.hear(attempt.place.route, attempt.latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Matcher, PathMatch};
    use testkit::edge::route;
    use testkit::{Origin, Protocol, Talk, TestEdge};

    use super::super::account::Told;
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn edge() -> (Origin, TestEdge) {
        let origin = Origin::polite("api");
        let edge = TestEdge::with(&[origin.address()], |wanted| {
            let on = |path: &str| {
                let path = PathMatch::Exact(path.to_owned());
                model::Route { matcher: Matcher { path, ..Matcher::default() }, ..route() }
            };
            wanted.routes = vec![on("/"), on("/export")];
        });
        (origin, edge)
    }

    fn live(edge: &TestEdge) -> Arc<ServiceLive> {
        edge.edge.services().next().expect("there is one").live.clone()
    }

    fn ask(edge: &TestEdge) {
        for path in ["/", "/export", "/", "/"] {
            for protocol in Protocol::ALL {
                assert_eq!(Talk::get(path).over(protocol, edge.address()).status, 200);
            }
        }
    }

    #[test]
    fn what_attempts_take_by_route_is_known_of_the_past() {
        let (origin, edge) = edge();
        let (live, instance) = (live(&edge), edge.live(origin.address()));
        let (mut past, mut listening) = (Recollection::default(), Listening::default());
        listening.begin(&live, &past, S(1));
        assert!(!live.judged.is_on(), "it is too early");
        listening.begin(&live, &past, S(9));
        assert!(live.judged.is_on());
        ask(&edge);
        testkit::eventually("all are told", || instance.outcomes().ok == 8);
        listening.end(Some(&live), &mut past);
        assert!(!live.judged.is_on(), "requests pay nothing for it between");
        let counted = Told::default().take(&[instance], &Routes::of(Some(&live)));
        past.note(&counted);
        past.turn(S(10));
        let past = past.past();
        let heard = past.spans.iter().flat_map(|span| &span.routes);
        let mut counts: Vec<u64> = heard.map(|route| route.latencies.count()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [2, 6], "by route: {past:?}");
    }

    #[test]
    fn nothing_is_taken_from_the_judge_of_a_deploy() {
        let (origin, edge) = edge();
        let (live, instance) = (live(&edge), edge.live(origin.address()));
        let (mut past, mut listening) = (Recollection::default(), Listening::default());
        let of_deploy = live.judged.begin(None);
        listening.begin(&live, &past, S(9));
        ask(&edge);
        testkit::eventually("all are told", || instance.outcomes().ok == 8);
        listening.end(Some(&live), &mut past);
        assert!(live.judged.is_on());
        assert_eq!(live.judged.take(&of_deploy, 0).all.len(), 8);
    }
}
