//! Where a listener has as many connections as it may, the one that has been idle for longest makes
//! room; one that is busy never does.

use std::net::SocketAddr;

use testkit::frames::{END_STREAM, kind};
use testkit::h2_client::request;
use testkit::{Authority, FrameClient, H2Client, Origin, RawClient, Step, TestEdge, eventually};
use wire::tls::Alpn::{Http1, Http2};

const LIMIT: usize = 4;

fn start(limit: usize) -> (Origin, TestEdge) {
    let origin = Origin::start(|request| match &*request.target {
        "/hang" => vec![Step::Echo],
        _ => vec![Step::answer(200, "fine")],
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.limits.connections = limit;
    });
    (origin, edge)
}

fn used(address: SocketAddr) -> RawClient {
    let mut client = RawClient::connect(address);
    assert_eq!(client.get("/").text(), "fine");
    client
}

#[test]
fn kept_connections_make_room() {
    let (_origin, edge) = start(LIMIT);
    let _inside: Vec<_> = (0..LIMIT).map(|_| used(edge.address())).collect();
    // Those that come find room, however many there are; each time somebody has to go.
    let _new: Vec<_> = (0..LIMIT).map(|_| used(edge.address())).collect();
    eventually("no more are held than may be", || edge.edge.connections() <= LIMIT);
}

#[test]
fn one_that_makes_room_is_closed_and_not_reset() {
    let (_origin, edge) = start(1);
    let mut inside = used(edge.address());
    used(edge.address());
    assert!(inside.read_to_end().is_ok_and(|rest| rest.is_empty()));
}

#[test]
fn connections_that_never_asked_make_room_as_well() {
    let (_origin, edge) = start(LIMIT);
    let _silent: Vec<_> = (0..LIMIT).map(|_| RawClient::connect(edge.address())).collect();
    used(edge.address());
}

#[test]
fn connections_over_http_2_make_room_and_are_told_so() {
    let (_origin, edge) = start(1);
    let mut inside = FrameClient::connect(edge.address());
    let head = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    inside.send_head(END_STREAM, 1, &head);
    inside.next_of(kind::HEADERS).expect("it is answered");
    used(edge.address());
    let goaway = inside.next_of(kind::GOAWAY).expect("it is told");
    assert_eq!(goaway.reason(), Some(0));
}

#[test]
fn connections_over_tls_make_room() {
    let authority = Authority::default();
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.limits.connections = LIMIT;
        wanted.tls = Some(authority.server(&[&["a.example"]], &[Http2, Http1]));
    });
    let connect = || {
        let config = authority.client(&[Http1]);
        let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
        assert_eq!(client.get("/").text(), "fine");
        client
    };
    let _inside: Vec<_> = (0..LIMIT).map(|_| connect()).collect();
    connect();
}

#[test]
fn connections_that_are_busy_stay() {
    let (origin, edge) = start(LIMIT);
    let mut busy = RawClient::connect(edge.address());
    busy.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
    let shared = H2Client::connect(edge.address());
    let asked = shared.begin(request("GET", "/hang"), true);
    let live = edge.live(origin.address());
    eventually("both are busy", || live.in_flight() == 2);
    // All that come have to share what is left.
    for _ in 0..LIMIT {
        used(edge.address());
        let _silent = RawClient::connect(edge.address());
    }
    eventually("the busy ones alone are left", || live.in_flight() == 2);
    assert!(!shared.has_ended());
    drop((busy, asked));
}

#[test]
fn another_listener_is_not_asked_to_make_room() {
    let origin = Origin::polite("fine");
    let mut edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.limits.connections = LIMIT;
    });
    edge.republish(|intent| {
        let web = intent.listeners.values().next().expect("there is one").clone();
        let other = model::Listener { name: "other".into(), ..(*web).clone() };
        intent.listeners.insert("other".into(), other.into());
    });
    let other = edge.edge.addresses("other").next().expect("it is bound");
    let mut beside: Vec<_> = (0..LIMIT).map(|_| used(other)).collect();
    let _inside: Vec<_> = (0..LIMIT).map(|_| used(edge.address())).collect();
    used(edge.address());
    beside.iter_mut().for_each(|client| assert_eq!(client.get("/").text(), "fine"));
}
