//! Edits of response headers, and what every response has.

use model::{Action, PathMatch, Redirect, Respond, Route};
use testkit::edge::route;
use testkit::{Origin, Protocol, RawClient, Reply, Step, Talk, TestEdge};

use crate::edits;

#[test]
fn edits_of_response_headers_hold_for_the_instances_response_and_its_trailers() {
    let origin = Origin::start(|_| {
        vec![Step::send(
            "HTTP/1.1 200 OK\r\nServer: x\r\nX_Powered_By: y\r\nX-Frame-Options: ALLOW\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Powered-By: z\r\nX-Sum: 1\r\n\r\n",
        )]
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.routes[0].policies.response_headers =
            edits(&[("x-frame-options", "DENY")], &["server", "x-powered-by"]);
    });
    for protocol in Protocol::ALL {
        let reply = Talk::get("/").over(protocol, edge.address());
        assert_eq!(reply.field("x-frame-options"), Some("DENY"), "{protocol:?}");
        assert_eq!((reply.field("server"), reply.field("x_powered_by")), (None, None));
        assert_eq!((reply.trailers("x-powered-by"), reply.trailers("x-sum")), (vec![], vec!["1"]));
    }
}

/// A response whose date and id are as every response's.
fn check_own(reply: &Reply, what: &str) {
    let date = reply.field("date").unwrap_or_else(|| panic!("{what} has no date"));
    assert!(date.ends_with(" GMT") && date.len() == 29, "{what}: {date}");
    let id = reply.field("x-request-id").unwrap_or_else(|| panic!("{what} has no id"));
    assert_eq!(id.len(), 32, "{what}");
    assert_eq!(reply.field("x-frame-options"), Some("DENY"), "{what}");
    assert_eq!(reply.field("server"), None, "{what}");
}

#[test]
fn every_response_has_date_id_and_the_routes_headers_also_our_own() {
    let origin = Origin::start(|request| match request.target.as_str() {
        "/reset" => vec![Step::Reset],
        "/nonsense" => vec![Step::send("hello\r\n\r\n")],
        _ => vec![Step::send("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok")],
    });
    let edited = |action: Action, path: &str| {
        let mut edited = Route { action, ..route() };
        edited.matcher.path = PathMatch::Exact(path.to_owned());
        edited.policies.response_headers =
            edits(&[("x-frame-options", "DENY")], &["server", "retry-after"]);
        edited
    };
    let to_api = || route().action;
    let redirect = Action::Redirect(Redirect { to: "https://a.example".into(), status: 302 });
    let respond = Respond { status: 503, body: "soon".into(), content_type: "text/plain".into() };
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        let mut small = edited(to_api(), "/small");
        small.policies.body = Some(model::BodyLimit::Bytes(1));
        wanted.routes = vec![
            small,
            edited(to_api(), "/fine"),
            edited(to_api(), "/reset"),
            edited(to_api(), "/nonsense"),
            edited(redirect, "/redirect"),
            edited(Action::Respond(respond), "/respond"),
        ];
    });
    for protocol in Protocol::ALL {
        for (path, status) in [
            ("/fine", 200),
            ("/reset", 502),
            ("/nonsense", 502),
            ("/redirect", 302),
            ("/respond", 503),
        ] {
            let reply = Talk::get(path).over(protocol, edge.address());
            assert_eq!(reply.status, status, "{protocol:?} {path}");
            assert_eq!(reply.field("retry-after"), None, "an edit reaches what we write");
            check_own(&reply, path);
        }
        let reply = Talk::new("POST", "/small").body("abc").over(protocol, edge.address());
        assert_eq!(reply.status, 413, "{protocol:?}");
        check_own(&reply, "/small");
        let reply = Talk::get("/nowhere").over(protocol, edge.address());
        assert_eq!((reply.status, reply.field("x-frame-options")), (404, None), "no route's");
        assert!(reply.field("date").is_some() && reply.field("x-request-id").is_some());
    }
    let refused = RawClient::connect(edge.address()).send("GET / HTTP/1.1\r\n\r\n").answer();
    assert_eq!(refused.status, 400);
    assert!(refused.field("date").is_some() && refused.field("x-request-id").is_some());
}

#[test]
fn an_instances_date_is_kept_and_its_id_is_ours() {
    let origin = Origin::start(|_| {
        vec![Step::send(
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Request-Id: theirs\r\n\
             Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
        )]
    });
    let edge = TestEdge::start(&[origin.address()]);
    for protocol in Protocol::ALL {
        let reply = Talk::get("/").over(protocol, edge.address());
        assert_eq!(reply.field("date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"), "{protocol:?}");
        let journal = origin.journal();
        let told = journal.last().expect("it was asked").field("x-request-id");
        assert_eq!(reply.field("x-request-id"), told);
        assert_eq!((reply.field("trailer"), reply.trailers("x-sum")), (Some("X-Sum"), vec!["1"]));
    }
    let old = RawClient::connect(edge.address()).send("GET / HTTP/1.0\r\n\r\n").answer();
    assert_eq!(old.field("trailer"), None, "HTTP/1.0 has none");
}
