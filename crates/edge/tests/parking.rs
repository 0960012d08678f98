//! Connections that were idle for a while: whatever comes then, comes to the right end.

use std::time::{Duration, Instant};

use testkit::{Origin, RawClient, TestEdge, eventually};

/// Longer than a connection is idle before it is parked.
const A_WHILE: Duration = Duration::from_millis(1500);

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

#[test]
fn idle_connections_come_back_again_and_again() {
    let (origin, edge) = start(Duration::from_secs(75));
    let mut clients = used(&edge, 300);
    for _ in 0..2 {
        std::thread::sleep(A_WHILE);
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
    let (_origin, edge) = start(Duration::from_secs(75));
    let mut client = used(&edge, 1).remove(0);
    std::thread::sleep(A_WHILE);
    for piece in ["G", "ET / HTTP/1.1\r\n", "Host: a\r\n", "\r\n"] {
        client.send(piece);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.answer().text(), "fine");
}

#[test]
fn who_goes_away_is_noticed() {
    let (_origin, edge) = start(Duration::from_secs(75));
    let clients = used(&edge, 50);
    std::thread::sleep(A_WHILE);
    assert_eq!(edge.edge.connections(), 50);
    drop(clients);
    eventually("all are gone", || edge.edge.connections() == 0);
}

#[test]
fn the_idle_time_ends_them_and_is_counted_from_the_last_answer() {
    let idle = A_WHILE * 2;
    let (_origin, edge) = start(idle);
    let mut client = used(&edge, 1).remove(0);
    let answered = Instant::now();
    assert!(client.is_closed());
    assert!(answered.elapsed() > idle - Duration::from_millis(100), "{:?}", answered.elapsed());
    eventually("it is gone", || edge.edge.connections() == 0);
}

#[test]
fn stopping_closes_them_at_once() {
    let (_origin, edge) = start(Duration::from_secs(75));
    let mut clients = used(&edge, 50);
    std::thread::sleep(A_WHILE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let cut = runtime.expect("a runtime starts").block_on(edge.edge.stop(testkit::DEADLINE));
    assert_eq!(cut, 0);
    assert!(clients.iter_mut().all(RawClient::is_closed));
}

#[test]
fn a_change_meanwhile_holds_for_what_comes_next() {
    let (origin, mut edge) = start(Duration::from_secs(75));
    let mut client = used(&edge, 1).remove(0);
    std::thread::sleep(A_WHILE);
    let other = Origin::polite("other");
    edge.retarget(&[other.address()]);
    assert_eq!(client.get("/").text(), "other");
    edge.republish(|intent| intent.listeners.clear());
    std::thread::sleep(A_WHILE);
    let last = client.get("/");
    assert_eq!((last.text().as_str(), last.field("connection")), ("other", Some("close")));
    assert_eq!(origin.journal().len(), 1);
}
