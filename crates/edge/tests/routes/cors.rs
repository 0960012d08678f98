//! Pages of other origins: what browsers are told, and that everything which a client gets tells it.

use std::time::Duration;

use model::{Action, BodyLimit, Cors, OriginMatch, Redirect, Respond};
use testkit::{Origin, Protocol, Reply, Step, Talk, TestEdge};

use crate::{Stage, edits, networks};

const SHOP: &str = "https://shop.example";

/// Pages of the shop may use the route.
pub(crate) fn shop() -> Cors {
    Cors {
        origins: vec![OriginMatch::Exact(SHOP.into())],
        methods: Vec::new(),
        headers: Vec::new(),
        expose: vec!["x-total".into()],
        credentials: true,
        max_age: Some(Duration::from_secs(600)),
    }
}

fn any() -> Cors {
    Cors { origins: vec![OriginMatch::Any], credentials: false, ..shop() }
}

fn preflight(method: &str, origin: &str) -> Talk {
    Talk::new("OPTIONS", "/cart")
        .field("Origin", origin)
        .field("Access-Control-Request-Method", method)
        .field("Access-Control-Request-Headers", "x-one, x-two")
}

fn from_shop(talk: Talk) -> Talk {
    talk.field("Origin", SHOP)
}

/// The response may be used by pages of the shop, which is said once.
fn is_for_shop(reply: &Reply, what: &str) {
    assert_eq!(reply.fields("access-control-allow-origin"), [SHOP], "{what}");
    assert_eq!(reply.fields("access-control-allow-credentials"), ["true"], "{what}");
    assert_eq!(reply.fields("vary"), ["Origin"], "{what}");
}

#[test]
fn a_preflight_is_answered_here_also_where_the_route_names_methods_and_one_of_others_is_refused() {
    for methods in [vec![], vec!["PUT".to_owned()]] {
        let stage = Stage::routed(|route| {
            route.matcher.methods = methods;
            route.policies.cors = Some(shop());
        });
        for protocol in Protocol::ALL {
            let reply = stage.ask(protocol, preflight("PUT", SHOP));
            assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{protocol:?}");
            for (name, value) in [
                ("access-control-allow-origin", SHOP),
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-methods", "PUT"),
                ("access-control-allow-headers", "x-one, x-two"),
                ("access-control-max-age", "600"),
            ] {
                assert_eq!(reply.fields(name), [value], "{protocol:?} {name}");
            }
            assert_eq!(reply.fields("vary").len(), 3, "{protocol:?}");
            let reply = stage.ask(protocol, preflight("PUT", "https://evil.example"));
            assert_eq!(reply.status, 403, "{protocol:?}");
            assert_eq!(reply.field("access-control-allow-origin"), None, "{protocol:?}");
            assert_eq!(reply.fields("vary").len(), 3, "{protocol:?}");
        }
        assert!(stage.origin.journal().is_empty());
    }
}

#[test]
fn a_preflight_for_a_method_that_no_route_takes_finds_none_and_other_options_are_forwarded() {
    let stage = Stage::routed(|route| {
        route.matcher.methods = vec!["PUT".into(), "OPTIONS".into()];
        route.policies.cors = Some(shop());
    });
    for protocol in Protocol::ALL {
        let plain = stage.seen(protocol, from_shop(Talk::new("OPTIONS", "/cart")));
        assert_eq!(plain.method, "OPTIONS", "{protocol:?}");
    }
    let stage = Stage::routed(|route| {
        route.matcher.methods = vec!["PUT".into()];
        route.policies.cors = Some(shop());
    });
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, preflight("DELETE", SHOP)).status, 404, "{protocol:?}");
        let unasked = Talk::new("OPTIONS", "/cart").field("Access-Control-Request-Method", "PUT");
        assert_eq!(stage.ask(protocol, unasked).status, 404, "{protocol:?}");
    }
}

#[test]
fn what_an_instance_says_of_it_is_replaced_and_its_vary_is_kept() {
    let origin = Origin::start(|request| {
        let vary = match request.target.as_str() {
            "/origin" => "Accept-Encoding, origin",
            _ => "Accept-Encoding",
        };
        vec![Step::send(format!(
            "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 1\r\n\
             Vary: {vary}\r\nContent-Length: 2\r\n\r\nok"
        ))]
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.routes[0].policies.cors = Some(shop());
    });
    for protocol in Protocol::ALL {
        let ask = |talk: Talk| talk.over(protocol, edge.address());
        let reply = ask(from_shop(Talk::get("/")));
        assert_eq!(reply.fields("access-control-allow-origin"), [SHOP], "{protocol:?}");
        assert_eq!(reply.fields("access-control-expose-headers"), ["x-total"], "{protocol:?}");
        assert_eq!(reply.fields("access-control-max-age"), [""; 0], "{protocol:?}");
        assert_eq!(reply.fields("vary"), ["Accept-Encoding", "Origin"], "{protocol:?}");
        let reply = ask(Talk::get("/origin").field("Origin", "https://evil.example"));
        assert_eq!(reply.status, 200, "only browsers obey: {protocol:?}");
        assert_eq!(reply.fields("access-control-allow-origin"), [""; 0], "{protocol:?}");
        assert_eq!(reply.fields("vary"), ["Accept-Encoding, origin"], "{protocol:?}");
    }
}

#[test]
fn any_page_is_told_so_and_nothing_depends_on_it() {
    let stage = Stage::routed(|route| route.policies.cors = Some(any()));
    for protocol in Protocol::ALL {
        for talk in [Talk::get("/"), Talk::get("/").field("Origin", "null")] {
            let reply = stage.ask(protocol, talk);
            assert_eq!(reply.fields("access-control-allow-origin"), ["*"], "{protocol:?}");
            assert_eq!(reply.fields("vary"), [""; 0], "{protocol:?}");
        }
    }
}

#[test]
fn every_response_tells_it_redirects_refusals_and_failures_too() {
    let own = Respond { status: 200, body: "in".into(), content_type: "text/plain".into() };
    let redirect = Redirect { to: "/elsewhere".into(), status: 302 };
    for action in [Action::Respond(own), Action::Redirect(redirect)] {
        let stage = Stage::routed(|route| {
            route.policies.cors = Some(shop());
            route.action = action;
        });
        for protocol in Protocol::ALL {
            is_for_shop(&stage.ask(protocol, from_shop(Talk::get("/"))), "our own response");
        }
    }
    let stage = Stage::routed(|route| {
        route.policies.cors = Some(shop());
        route.policies.deny = networks(&["127.0.0.0/8"]);
    });
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, from_shop(Talk::get("/")));
        assert_eq!(reply.status, 403, "{protocol:?}");
        is_for_shop(&reply, "a refusal");
        assert_eq!(stage.ask(protocol, preflight("PUT", SHOP)).status, 403, "deny is first");
    }
    let origin = Origin::start(|_| vec![Step::Reset]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.routes[0].policies.cors = Some(shop());
        wanted.routes[0].policies.body = Some(BodyLimit::Bytes(1));
    });
    for protocol in Protocol::ALL {
        let reply = from_shop(Talk::get("/")).over(protocol, edge.address());
        assert_eq!(reply.status, 502, "{protocol:?}");
        is_for_shop(&reply, "a failure");
        let large = from_shop(Talk::new("POST", "/")).body("abc").over(protocol, edge.address());
        assert_eq!(large.status, 413, "{protocol:?}");
        is_for_shop(&large, "a body that is too large");
    }
}

#[test]
fn the_routes_own_edits_have_the_last_word() {
    let stage = Stage::routed(|route| {
        route.policies.cors = Some(shop());
        route.policies.response_headers =
            edits(&[("access-control-allow-origin", "https://other.example")], &["vary"]);
    });
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, from_shop(Talk::get("/")));
        let told = reply.fields("access-control-allow-origin");
        assert_eq!(told, ["https://other.example"], "{protocol:?}");
        assert_eq!(reply.fields("vary"), [""; 0], "{protocol:?}");
    }
}
