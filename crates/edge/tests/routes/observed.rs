//! What is observed of a route's policies, by the route's identity.

use std::sync::Arc;

use model::{Intent, PathMatch, Route};
use telemetry::Ending;
use testkit::{Protocol, Talk, TestEdge};

use crate::{Stage, networks};

/// How often each route that has policies has denied a client, by its path.
fn denied(edge: &TestEdge) -> Vec<(String, u64)> {
    let routes = edge.edge.routes();
    routes.map(|(route, live)| (route.to_string(), live.refusals().of(Ending::Denied))).collect()
}

fn at(path: &str) -> Route {
    let mut route = testkit::edge::route();
    route.matcher.path = PathMatch::Exact(path.into());
    route.policies.deny = networks(&["127.0.0.0/8"]);
    route
}

fn serve(edge: &mut TestEdge, routes: Vec<Route>) {
    edge.republish(|intent: &mut Intent| {
        intent.routes = routes.into_iter().map(Arc::new).collect();
    });
    edge.settle();
}

#[test]
fn a_route_keeps_what_is_observed_of_it_as_long_as_it_is_served() {
    let mut stage = Stage::with(|wanted| wanted.routes = vec![at("/a"), at("/b")]);
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, Talk::get("/a")).status, 403, "{protocol:?}");
    }
    let count = |path: &str, n| (path.to_owned(), n);
    assert_eq!(denied(&stage.edge), [count("/a", 2), count("/b", 0)]);

    // Another place in the file, another action or policy: the same route.
    let mut changed = at("/a");
    changed.policies.deny = networks(&["127.0.0.1/32"]);
    serve(&mut stage.edge, vec![at("/c"), changed]);
    assert_eq!(denied(&stage.edge), [count("/c", 0), count("/a", 2)]);

    // One without policies is not looked at, and nothing is kept of it.
    serve(&mut stage.edge, vec![testkit::edge::route()]);
    assert_eq!(denied(&stage.edge), []);
    serve(&mut stage.edge, vec![at("/a")]);
    assert_eq!(denied(&stage.edge), [count("/a", 0)]);
}
