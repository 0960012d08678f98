//! A client that ends its half after a whole request has not left: it gets its response. One that
//! resets its connection has.

use std::num::NonZeroU32;
use std::time::Duration;

use edge::Bar;
use testkit::{Authority, Origin, RawClient, Step, TestEdge, eventually};
use wire::tls::Alpn;

const ASK: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn slow() -> Origin {
    Origin::start(|request| match &*request.target {
        "/hangs" => vec![Step::Echo],
        "/large" => vec![
            Step::send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n"),
            Step::Wait(Duration::from_millis(20)),
            Step::Pour(2_000_000),
        ],
        _ => vec![Step::Wait(Duration::from_millis(50)), Step::answer(200, "here it is")],
    })
}

#[test]
fn a_client_that_ends_its_half_gets_its_response() {
    let origin = slow();
    let edge = TestEdge::start(&[origin.address()]);
    for _ in 0..10 {
        let mut client = RawClient::connect(edge.address());
        client.send(ASK).end();
        assert_eq!(client.answer().text(), "here it is");
        assert!(client.is_closed(), "nothing follows");
    }
    let mut client = RawClient::connect(edge.address());
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").end();
    assert_eq!(client.answer().body.len(), 2_000_000);
    let mut client = RawClient::connect(edge.address());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").end();
    assert_eq!(client.answer().text(), "here it is");
}

#[test]
fn all_that_it_had_asked_for_is_answered() {
    let origin = slow();
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send(ASK.repeat(3)).end();
    for _ in 0..3 {
        assert_eq!(client.answer().text(), "here it is");
    }
    assert!(client.is_closed());
}

#[test]
fn over_tls_close_notify_is_no_departure_either() {
    let origin = slow();
    let authority = Authority::default();
    let tls = authority.server(&[&["a.example"]], &[Alpn::Http1]);
    let edge = TestEdge::with(&[origin.address()], |wanted| wanted.tls = Some(tls));
    for _ in 0..5 {
        let config = authority.client(&[Alpn::Http1]);
        let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
        client.send(ASK).end();
        assert_eq!(client.answer().text(), "here it is");
    }
}

#[test]
fn a_request_that_is_cut_short_is_not_answered() {
    let origin = slow();
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nhi").end();
    assert!(client.is_closed());
    eventually("it is given up", || edge.live(origin.address()).in_flight() == 0);
    assert!(origin.journal().is_empty(), "no instance had it whole");
}

#[test]
fn a_reset_frees_the_instance_at_once() {
    let origin = slow();
    let edge = TestEdge::start(&[origin.address()]);
    let live = edge.live(origin.address());
    let mut client = RawClient::connect(edge.address());
    client.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it is asked", || live.in_flight() == 1);
    client.reset();
    eventually("it is free", || live.in_flight() == 0);
    assert_eq!(live.outcomes().failures, 0);
}

#[test]
fn a_client_that_sends_no_more_keeps_no_place_in_a_queue() {
    let origin = slow();
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.max_connections = NonZeroU32::new(1);
        wanted.service.queue.timeout = Duration::from_secs(60);
    });
    let mut first = RawClient::connect(edge.address());
    first.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it is asked", || edge.live(origin.address()).in_flight() == 1);
    let queued = || edge.edge.services().next().expect("there is one").live.queued();
    let mut second = RawClient::connect(edge.address());
    second.send(ASK);
    eventually("the second waits", || queued() == 1);
    second.end();
    eventually("its place is free", || queued() == 0);
    assert!(second.read_to_end().expect("it is not reset").is_empty());
}

/// A client that has ended its half may still read; one that has gone looks the same. When the instance is
/// to go, it gets a little time more, and a rollback of a release that hangs does not wait for the rest.
#[test]
fn an_instance_that_is_to_go_is_not_held_by_a_client_that_sends_no_more() {
    let origin = slow();
    let edge = TestEdge::start(&[origin.address()]);
    let live = edge.live(origin.address());
    let mut left = RawClient::connect(edge.address());
    left.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n").end();
    let mut stays = RawClient::connect(edge.address());
    stays.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("both are asked", || live.in_flight() == 2);
    live.put(Bar::Drained);
    eventually("one is given up", || live.in_flight() == 1);
    assert!(left.read_to_end().expect("it is not reset").is_empty());
    assert_eq!(live.outcomes().failures, 0, "the instance is not blamed");
    origin.close_connections();
    assert_eq!(stays.answer().status, 502, "who still sends is waited for");
}

#[test]
fn a_client_that_ends_its_half_while_its_instance_is_to_go_gets_its_response() {
    let origin = slow();
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send(ASK).end();
    eventually("it is asked", || !origin.journal().is_empty());
    edge.live(origin.address()).put(Bar::Drained);
    assert_eq!(client.answer().text(), "here it is");
}
