//! What becomes of connections that come while a listening socket is closed: whoever was let in is
//! served.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::{DEADLINE, Origin, RawClient, TestEdge, eventually};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

/// Connections wait in the kernel's queue while the limit of connections is reached.
fn with_a_full_house(edge: &TestEdge, waiting: usize) -> (RawClient, Vec<RawClient>) {
    let mut inside = RawClient::connect(edge.address());
    assert_eq!(inside.get("/").status, 200);
    let waiting = (0..waiting).map(|_| RawClient::connect(edge.address()));
    let mut waiting: Vec<_> = waiting.collect();
    waiting.iter_mut().for_each(|client| {
        client.send(REQUEST);
    });
    (inside, waiting)
}

/// All get their answer. The other worker may have been waiting for one when the limit was reached.
fn are_served(waiting: Vec<RawClient>) {
    let total = waiting.len();
    let mut closed = 0;
    for mut client in waiting {
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        if answer.field("connection") == Some("close") {
            assert!(client.is_closed());
            closed += 1;
        }
    }
    assert!(closed + 1 >= total, "{closed} of {total} connections end with their answer");
}

#[test]
fn stopping_serves_those_who_wait_to_be_accepted() {
    let origin = Origin::polite("one");
    let edge = TestEdge::with(&[origin.address()], |wanted| wanted.listener.limits.connections = 1);
    let (_inside, waiting) = with_a_full_house(&edge, 20);
    let stopping = std::thread::spawn(move || runtime().block_on(edge.edge.stop(DEADLINE)));
    are_served(waiting);
    assert_eq!(stopping.join().unwrap(), 0, "none was cut off");
}

#[test]
fn taking_a_listener_out_serves_those_who_wait_to_be_accepted() {
    let origin = Origin::polite("one");
    let mut edge =
        TestEdge::with(&[origin.address()], |wanted| wanted.listener.limits.connections = 1);
    let address = edge.address();
    let (_inside, waiting) = with_a_full_house(&edge, 20);
    edge.republish(|intent| intent.listeners.clear());
    are_served(waiting);
    eventually("nobody listens any more", || TcpStream::connect(address).is_err());
}

#[test]
fn a_connection_that_has_asked_for_nothing_yet_may_still_ask() {
    let origin = Origin::polite("one");
    let edge = TestEdge::start(&[origin.address()]);
    let mut fresh = RawClient::connect(edge.address());
    eventually("it is accepted", || edge.edge.connections() == 1);
    let (mut idle, address) = (RawClient::connect(edge.address()), edge.address());
    assert_eq!(idle.get("/").status, 200);
    let stopping = std::thread::spawn(move || runtime().block_on(edge.edge.stop(DEADLINE)));
    assert!(idle.is_closed(), "an idle one is closed");
    assert_eq!(fresh.send(REQUEST).answer().status, 200);
    assert_eq!(stopping.join().unwrap(), 0);
    assert!(TcpStream::connect(address).is_err());
}

/// Connects again and again until nobody listens. How many were served; every one that was let in
/// must be.
fn knock(address: SocketAddr, served: &AtomicUsize) {
    loop {
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
        stream.write_all(REQUEST).expect("whoever was let in can ask");
        let mut answer = [0; 12];
        match stream.read_exact(&mut answer) {
            Ok(()) => assert_eq!(&answer, b"HTTP/1.1 200"),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => panic!("it was reset"),
            Err(error) => panic!("it was let in and got no answer: {error}"),
        }
        served.fetch_add(1, Ordering::Relaxed);
    }
}

/// Closes while 16 clients connect as fast as they can.
fn race(edge: TestEdge, close: impl FnOnce(TestEdge)) {
    let (address, served) = (edge.address(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(|| knock(address, &served))).collect();
        eventually("many were served", || served.load(Ordering::Relaxed) > 200);
        close(edge);
        clients.into_iter().for_each(|client| client.join().expect("nobody was lost"));
    });
}

#[test]
fn nobody_who_was_let_in_is_lost_when_the_edge_stops() {
    for _ in 0..5 {
        let origin = Origin::polite("one");
        race(TestEdge::start(&[origin.address()]), |edge| {
            assert_eq!(runtime().block_on(edge.edge.stop(DEADLINE)), 0);
        });
    }
}

#[test]
fn nobody_who_was_let_in_is_lost_when_a_listener_is_taken_out() {
    for _ in 0..5 {
        let origin = Origin::polite("one");
        let mut kept = None;
        race(TestEdge::start(&[origin.address()]), |mut edge| {
            edge.republish(|intent| intent.listeners.clear());
            // It runs on until all clients have ended.
            kept = Some(edge);
        });
        drop(kept);
    }
}
