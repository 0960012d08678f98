//! Responses that are made here: redirects, those of routes, and of a listener that sends all to https.

use model::{Action, HostMatch, Matcher, Redirect, Respond};
use testkit::{Protocol, RawClient, Talk};

use crate::Stage;

#[test]
fn a_redirect_keeps_path_and_query_where_its_target_has_none() {
    let stage = Stage::routed(|route| {
        let to = "https://shop.example".into();
        route.action = Action::Redirect(Redirect { to, status: 301 });
    });
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/cart?a=b"));
        assert_eq!((reply.status, reply.body.as_str()), (301, ""), "{protocol:?}");
        assert_eq!(reply.field("location"), Some("https://shop.example/cart?a=b"));
    }
    assert!(stage.origin.journal().is_empty());
}

#[test]
fn a_route_responds_by_itself() {
    let respond = Respond {
        status: 200,
        body: "User-agent: *\n".into(),
        content_type: "text/x-robots".into(),
    };
    let stage = Stage::routed(|route| route.action = Action::Respond(respond));
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/robots.txt"));
        assert_eq!((reply.status, reply.body.as_str()), (200, "User-agent: *\n"), "{protocol:?}");
        assert_eq!(reply.field("content-type"), Some("text/x-robots"));
        assert_eq!(reply.field("content-length"), Some("14"));
        assert!(reply.field("x-request-id").is_some());
        let head = stage.ask(protocol, Talk::new("HEAD", "/robots.txt"));
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
    assert!(stage.origin.journal().is_empty());
}

#[test]
fn a_listener_redirects_everything_to_https() {
    let stage = Stage::with(|wanted| {
        wanted.listener.redirect_https = std::num::NonZeroU16::new(8443);
        wanted.routes[0].matcher =
            Matcher { hosts: vec![HostMatch::Exact("other.example".into())], ..Matcher::default() };
    });
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/a?b=c").host("shop.example"));
        assert_eq!(reply.status, 308, "{protocol:?}");
        assert_eq!(reply.field("location"), Some("https://shop.example:8443/a?b=c"));
    }
    assert!(stage.origin.journal().is_empty());
}

#[test]
fn a_redirect_to_a_place_of_its_own_leads_there_with_the_status_that_the_route_says() {
    for status in [301, 302, 303, 307, 308] {
        let to = "https://shop.example/moved?to=here";
        let stage = Stage::routed(|route| {
            route.action = Action::Redirect(Redirect { to: to.into(), status });
        });
        for protocol in Protocol::ALL {
            for method in ["GET", "HEAD", "POST"] {
                let reply = stage.ask(protocol, Talk::new(method, "/cart?a=b"));
                assert_eq!(reply.status, status, "{protocol:?} {method}");
                assert_eq!(reply.field("location"), Some(to), "{protocol:?} {method}");
            }
        }
    }
}

#[test]
fn no_path_leads_a_redirect_to_another_host() {
    let stage = Stage::routed(|route| {
        let to = "https://shop.example".into();
        route.action = Action::Redirect(Redirect { to, status: 308 });
    });
    for protocol in Protocol::ALL {
        for (asked, location) in [
            ("//evil.example/x", "https://shop.example//evil.example/x"),
            ("/@evil.example", "https://shop.example/@evil.example"),
            ("/:81/x", "https://shop.example/:81/x"),
            ("/?%0d%0aX:1", "https://shop.example/?%0d%0aX:1"),
        ] {
            let reply = stage.ask(protocol, Talk::get(asked));
            assert_eq!(reply.field("location"), Some(location), "{protocol:?}");
        }
    }
    let raw = RawClient::connect(stage.edge.address()).get("/a|b\"<");
    assert_eq!(raw.field("location"), Some("https://shop.example/a%7Cb%22%3C"));
}

#[test]
fn a_route_that_responds_reads_what_is_sent_and_has_no_body_where_none_may_be() {
    for (status, body) in [(204, ""), (304, ""), (410, "gone"), (503, "soon")] {
        let own = Respond { status, body: body.into(), content_type: "text/plain".into() };
        let stage = Stage::routed(|route| route.action = Action::Respond(own));
        for protocol in Protocol::ALL {
            let reply = stage.ask(protocol, Talk::new("POST", "/").body("much".repeat(1000)));
            assert_eq!((reply.status, &*reply.body), (status, body), "{protocol:?}");
            let retry_after = (status == 503).then_some("1");
            assert_eq!(reply.field("retry-after"), retry_after, "{protocol:?}");
        }
    }
}

#[test]
fn a_listener_that_redirects_serves_no_route_and_keeps_the_method() {
    let own = Respond { status: 200, body: "ok".into(), content_type: "text/plain".into() };
    let stage = Stage::with(|wanted| {
        wanted.listener.redirect_https = std::num::NonZeroU16::new(443);
        wanted.routes[0].action = Action::Respond(own);
    });
    for protocol in Protocol::ALL {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            let reply = stage.ask(protocol, Talk::new(method, "/x").host("shop.example:8080"));
            assert_eq!(reply.status, 308, "{protocol:?} {method}");
            assert_eq!(reply.field("location"), Some("https://shop.example/x"));
        }
        let reply = stage.ask(protocol, Talk::new("TRACE", "/").host("shop.example"));
        assert_eq!(reply.status, 405, "{protocol:?}");
    }
}
