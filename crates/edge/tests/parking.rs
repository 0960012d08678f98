//! Connections that were idle for a while are parked, and whatever comes then, comes to the right end.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::{Authority, Origin, RawClient, TestEdge, eventually};
use wire::tls::Alpn;

/// Long enough that no test sees it pass.
const FOR_EVER: Duration = Duration::from_secs(75);

fn start(idle: Duration) -> (Origin, TestEdge) {
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |wanted| wanted.listener.timeouts.idle = idle);
    (origin, edge)
}

fn used(edge: &TestEdge, count: usize) -> Vec<RawClient> {
    let connect = |_| {
        let mut client = RawClient::connect(edge.address());
        assert_eq!(client.get("/").status, 200);
        client
    };
    (0..count).map(connect).collect()
}

/// Waits until so many are parked.
fn await_parked(edge: &TestEdge, count: usize) {
    eventually("they are parked", || edge.edge.parked_connections() == count);
}

#[test]
fn idle_connections_come_back_again_and_again() {
    let (origin, edge) = start(FOR_EVER);
    let mut clients = used(&edge, 300);
    for _ in 0..2 {
        await_parked(&edge, 300);
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        for client in &mut clients {
            assert_eq!(client.answer().text(), "fine");
            assert_eq!(client.answer().text(), "fine");
        }
    }
    assert_eq!(edge.edge.connections(), 300, "they are the same connections");
    assert_eq!(origin.journal().len(), 300 + 2 * 600);
}

#[test]
fn a_request_that_comes_in_pieces_is_waited_for() {
    let (origin, edge) = start(FOR_EVER);
    let mut client = used(&edge, 1).remove(0);
    await_parked(&edge, 1);
    client.send("G");
    await_parked(&edge, 0);
    for piece in ["ET / HTTP/1.1\r\n", "Host: a\r\n", "\r\n"] {
        assert_eq!(origin.journal().len(), 1);
        client.send(piece);
    }
    assert_eq!(client.answer().text(), "fine");
}

#[test]
fn a_client_that_goes_away_is_noticed() {
    let (_origin, edge) = start(FOR_EVER);
    let clients = used(&edge, 50);
    await_parked(&edge, 50);
    assert_eq!(edge.edge.connections(), 50);
    drop(clients);
    eventually("all are gone", || edge.edge.connections() == 0);
    await_parked(&edge, 0);
}

#[test]
fn the_idle_time_ends_them_and_is_counted_from_the_last_response() {
    let idle = Duration::from_secs(3);
    let (_origin, edge) = start(idle);
    let mut client = used(&edge, 1).remove(0);
    let answered = Instant::now();
    await_parked(&edge, 1);
    assert!(client.is_closed());
    assert!(answered.elapsed() > idle - Duration::from_millis(100), "{:?}", answered.elapsed());
    eventually("it is gone", || edge.edge.connections() == 0);
}

#[test]
fn stopping_closes_them_at_once() {
    let (_origin, edge) = start(FOR_EVER);
    let mut clients = used(&edge, 50);
    await_parked(&edge, 50);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let cut = runtime.expect("a runtime starts").block_on(edge.edge.stop(testkit::DEADLINE));
    assert_eq!(cut, 0);
    assert!(clients.iter_mut().all(RawClient::is_closed));
}

#[test]
fn a_change_meanwhile_holds_for_what_comes_next() {
    let (origin, mut edge) = start(FOR_EVER);
    let mut client = used(&edge, 1).remove(0);
    await_parked(&edge, 1);
    let other = Origin::polite("other");
    edge.retarget(&[other.address()]);
    assert_eq!(client.get("/").text(), "other");
    await_parked(&edge, 1);
    let address = edge.address();
    edge.republish(|intent| intent.listeners.clear());
    eventually("the listener is closed", || TcpStream::connect(address).is_err());
    let last = client.get("/");
    assert_eq!((last.text().as_str(), last.field("connection")), ("other", Some("close")));
    assert_eq!(origin.journal().len(), 1);
}

#[test]
fn only_connections_that_can_be_brought_back_are_parked() {
    let authority = Authority::default();
    let (origin, edge) = start(FOR_EVER);
    let over_tls = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.timeouts.idle = FOR_EVER;
        wanted.tls = Some(authority.server(&[&["a.example"]], &[Alpn::Http1]));
    });
    let config = authority.client(&[Alpn::Http1]);
    let mut client = RawClient::connect_tls(over_tls.address(), config, "a.example");
    assert_eq!(client.get("/").status, 200);
    // One that has asked for nothing yet, and one in the middle of a request.
    let _silent = RawClient::connect(edge.address());
    let mut begun = used(&edge, 1).remove(0);
    begun.send("GET / HTTP/1.1\r\n");
    // What could be parked is, and was idle for less long than they.
    let _parked = used(&edge, 1);
    await_parked(&edge, 1);
    assert_eq!(over_tls.edge.parked_connections(), 0);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(begun.send("Host: a\r\n\r\n").answer().status, 200);
}
