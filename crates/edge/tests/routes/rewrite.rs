//! A rewritten target, and what the instance is told of it.

use model::{PathMatch, Rewrite};
use testkit::{Origin, Protocol, RawClient, Step, Talk, TestEdge};

use crate::Stage;

#[test]
fn a_rewrite_changes_target_and_host_and_tells_what_it_took() {
    let stage = Stage::routed(|route| {
        route.matcher.path = PathMatch::Prefix("/chat".into());
        route.policies.rewrite = Rewrite {
            strip_prefix: Some("/chat".into()),
            add_prefix: Some("/v2".into()),
            host: Some("chat.internal".into()),
        };
    });
    for protocol in Protocol::ALL {
        for (asked, target) in
            [("/chat/room?a=b/c", "/v2/room?a=b/c"), ("/chat", "/v2"), ("/chat/%41", "/v2/%41")]
        {
            let seen = stage.seen(protocol, Talk::get(asked).host("a.example:81"));
            assert_eq!(seen.target, target, "{protocol:?}");
            seen.has(&[
                ("host", "chat.internal"),
                ("x-forwarded-host", "a.example:81"),
                ("x-forwarded-prefix", "/chat"),
                ("x-forwarded-port", "81"),
            ]);
        }
    }
}

/// The head of a tunnel is a response like any other: a place that it names is the client's.
#[test]
fn a_place_that_a_switch_of_protocols_names_is_mapped_back() {
    let origin = Origin::start(|_| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\
             Location: http://inside.example/v1/room?a=b\r\nContent-Location: /v1/room\r\n\r\n";
        vec![Step::send(head), Step::Close]
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        let rewrite = &mut wanted.routes[0].policies.rewrite;
        (rewrite.add_prefix, rewrite.host) = (Some("/v1".into()), Some("inside.example".into()));
    });
    let mut client = RawClient::connect(edge.address());
    client.send(
        "GET /room HTTP/1.1\r\nHost: example.com\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    );
    let head = client.head();
    assert_eq!(head.status, 101);
    assert_eq!(head.field("location"), Some("/room?a=b"));
    assert_eq!(head.field("content-location"), Some("/room"));
}
