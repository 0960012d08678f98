//! Services that share the requests of a route.

use std::collections::BTreeSet;

use model::{Action, Destination, Share, Sticky};
use testkit::{Origin, Protocol, Talk, TestEdge};

use crate::jar;

#[test]
fn of_services_that_share_a_route_the_first_keeps_its_client() {
    let (one, two) = (Origin::polite("one"), Origin::polite("two"));
    let mut edge = TestEdge::with(&[one.address()], |wanted| {
        wanted.service.sticky = Some(Sticky::named("plimsoll-api"));
    });
    edge.add_service("next", &[two.address()], |intent| {
        let next = intent.services.get_mut("next").expect("it was added");
        std::sync::Arc::make_mut(next).sticky = Some(Sticky::named("plimsoll-next"));
        let share = |service: &str| Share { service: service.into(), weight: 50 };
        let route = std::sync::Arc::make_mut(&mut intent.routes[0]);
        route.action = Action::Forward(Destination { shares: vec![share("api"), share("next")] });
    });
    testkit::eventually("both are served", || {
        let reply = Talk::get("/").over(Protocol::H1, edge.address());
        reply.body == "two"
    });
    for protocol in Protocol::ALL {
        let mut seen = BTreeSet::new();
        for _ in 0..16 {
            let first = Talk::get("/").over(protocol, edge.address());
            let jar = jar(&first);
            for _ in 0..4 {
                let again = Talk::get("/").field("Cookie", &jar).over(protocol, edge.address());
                assert_eq!(again.body, first.body, "{protocol:?}");
            }
            seen.insert(first.body);
        }
        assert_eq!(seen.len(), 2, "new clients are spread over both");
    }
}

/// An edge over two services that share its only route by these weights, and their origins.
fn shared(weights: [u32; 2]) -> (TestEdge, [Origin; 2]) {
    let origins = [Origin::polite("one"), Origin::polite("two")];
    let mut edge = TestEdge::start(&[origins[0].address()]);
    edge.add_service("next", &[origins[1].address()], |intent| {
        let share = |service: &str, weight| Share { service: service.into(), weight };
        let shares = vec![share("api", weights[0]), share("next", weights[1])];
        let route = std::sync::Arc::make_mut(&mut intent.routes[0]);
        route.action = Action::Forward(Destination { shares });
    });
    edge.settle();
    (edge, origins)
}

#[test]
fn a_share_is_kept_to_and_one_of_nothing_gets_nothing() {
    for (weights, least) in [([1, 0], [200, 0]), ([0, 1], [0, 200]), ([3, 1], [110, 15])] {
        let (edge, origins) = shared(weights);
        for protocol in Protocol::ALL {
            let before = [0, 1].map(|at: usize| origins[at].journal().len());
            for _ in 0..200 {
                assert_eq!(Talk::get("/").over(protocol, edge.address()).status, 200);
            }
            let [one, two] = [0, 1].map(|at| origins[at].journal().len() - before[at]);
            // Three of four are 150 of 200, give or take 6: by chance it is never so few.
            assert!(one >= least[0] && two >= least[1], "{protocol:?} {weights:?}: {one}, {two}");
        }
    }
}
