//! How much of a body a route lets pass, and how an empty one is told.

use std::collections::BTreeSet;

use model::BodyLimit;
use testkit::{Protocol, Talk};

use crate::Stage;

#[test]
fn a_route_has_a_body_limit_of_its_own() {
    let stage = Stage::routed(|route| {
        route.policies.body = Some(BodyLimit::Bytes(4));
    });
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, Talk::new("POST", "/").body("abcd")).status, 200);
        assert_eq!(stage.ask(protocol, Talk::new("POST", "/").body("abcde")).status, 413);
    }
}

#[test]
fn an_empty_body_is_told_where_one_is_expected_and_as_the_client_said_elsewhere() {
    let stage = Stage::routed(|_| {});
    for protocol in Protocol::ALL {
        for (method, told) in
            [("POST", Some("0")), ("PUT", Some("0")), ("PATCH", Some("0")), ("GET", None)]
        {
            let seen = stage.seen(protocol, Talk::new(method, "/"));
            assert_eq!(seen.field("content-length"), told, "{protocol:?} {method}");
            assert_eq!(seen.field("transfer-encoding"), None);
        }
        let seen = stage.seen(protocol, Talk::new("DELETE", "/").field("Content-Length", "0"));
        assert_eq!(seen.field("content-length"), Some("0"), "{protocol:?}");
    }
}

#[test]
fn a_routes_limit_holds_instead_of_the_listeners_and_while_a_body_comes() {
    let limited = |listener: u64, route: BodyLimit| {
        Stage::with(|wanted| {
            wanted.listener.limits.body = BodyLimit::Bytes(listener);
            wanted.routes[0].policies.body = Some(route);
        })
    };
    let (more, less) = (limited(4, BodyLimit::Bytes(8)), limited(8, BodyLimit::Bytes(4)));
    let unlimited = limited(4, BodyLimit::Unlimited);
    for protocol in Protocol::ALL {
        for (stage, body, status) in [
            (&more, "12345678", 200),
            (&more, "123456789", 413),
            (&less, "1234", 200),
            (&less, "12345", 413),
            (&unlimited, "123456789", 200),
        ] {
            let told = stage.ask(protocol, Talk::new("POST", "/").body(body)).status;
            assert_eq!(told, status, "{protocol:?} {body}");
            // With something behind it, its length is not told before.
            let talk = Talk::new("POST", "/").body(body).trailer("X-Sum", "1");
            assert_eq!(stage.ask(protocol, talk).status, status, "{protocol:?} {body}, untold");
        }
    }
    for stage in [&more, &less, &unlimited] {
        let journal = stage.origin.journal();
        let bodies: BTreeSet<_> = journal.iter().map(|it| &it.body).collect();
        assert_eq!(bodies.len(), 1, "what was refused never arrived whole: {bodies:?}");
    }
}
