//! Connections to instances between two requests: how long they are kept.

use std::time::Duration;

use testkit::{Origin, RawClient, Step, TestEdge};

fn hinting(hint: &'static str) -> Origin {
    Origin::start(move |_| {
        vec![Step::send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{hint}\r\nok"))]
    })
}

/// How many connections the origin gets for two requests, a second and a half apart.
fn connections(hint: &'static str, change: impl FnOnce(&mut model::KeepAlive)) -> usize {
    let origin = hinting(hint);
    let edge = TestEdge::with(&[origin.address()], |wanted| change(&mut wanted.service.keep_alive));
    let mut client = RawClient::connect(edge.address());
    assert_eq!(client.get("/").text(), "ok");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(client.get("/").text(), "ok");
    origin.connections()
}

#[test]
fn a_hint_of_the_instance_is_heeded_unless_it_is_not_to_be() {
    assert_eq!(connections("", |_| {}), 1, "kept");
    assert_eq!(connections("Keep-Alive: timeout=2\r\n", |_| {}), 2, "given up before its time");
    assert_eq!(connections("Keep-Alive: timeout=60\r\n", |_| {}), 1, "kept");
    assert_eq!(connections("Keep-Alive: timeout=2\r\n", |it| it.honour_hint = false), 1);
}

#[test]
fn an_idle_connection_is_closed_after_the_configured_time() {
    assert_eq!(connections("", |it| it.idle = Duration::from_millis(200)), 2);
}

#[test]
fn one_that_the_instance_closes_is_not_used() {
    let origin = hinting("");
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    for n in 1..=5 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
        assert_eq!(client.answer().text(), "ok");
        origin.close_connections();
        assert_eq!(origin.connections(), n);
    }
    assert_eq!(edge.live(origin.address()).outcomes().failures, 0);
}
