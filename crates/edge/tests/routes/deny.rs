//! Clients that a route denies.

use model::{Action, HeaderEdits, Redirect, Respond};
use testkit::{Protocol, Talk};

use crate::{Stage, networks};

#[test]
fn a_denied_client_reaches_no_instance() {
    for (denied, status) in
        [("127.0.0.0/8", 403), ("::ffff:127.0.0.1/128", 403), ("10.0.0.0/8", 200)]
    {
        let stage = Stage::routed(|route| {
            route.policies.deny = networks(&[denied]);
            route.policies.response_headers =
                HeaderEdits { set: vec![("x-edit".into(), "1".into())], remove: Vec::new() };
        });
        for protocol in Protocol::ALL {
            let reply = stage.ask(protocol, Talk::new("GET", "/"));
            assert_eq!(
                (reply.status, reply.field("x-edit")),
                (status, Some("1")),
                "{protocol:?} {denied}"
            );
        }
        assert_eq!(stage.origin.journal().is_empty(), status == 403, "{denied}");
    }
}

#[test]
fn a_route_denies_whatever_it_would_do() {
    let respond = Respond { status: 200, body: "in".into(), content_type: "text/plain".into() };
    let redirect = Redirect { to: "/elsewhere".into(), status: 302 };
    for action in [Action::Respond(respond), Action::Redirect(redirect)] {
        let stage = Stage::routed(|route| {
            route.policies.deny = networks(&["127.0.0.1/32"]);
            route.action = action;
        });
        for protocol in Protocol::ALL {
            assert_eq!(stage.ask(protocol, Talk::new("GET", "/")).status, 403, "{protocol:?}");
        }
    }
}

#[test]
fn the_client_that_a_trusted_proxy_names_is_the_one_that_is_denied() {
    let stage = Stage::behind_a_proxy(|route| {
        route.policies.deny = networks(&["203.0.113.0/24"]);
    });
    for protocol in Protocol::ALL {
        for (named, status) in
            [("203.0.113.7", 403), ("198.51.100.7", 200), ("203.0.113.7, 198.51.100.7", 200)]
        {
            let talk = Talk::new("GET", "/").field("X-Forwarded-For", named);
            assert_eq!(stage.ask(protocol, talk).status, status, "{protocol:?} {named}");
        }
    }
}
