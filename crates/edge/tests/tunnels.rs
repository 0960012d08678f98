//! Upgraded connections: bytes both ways until both sides have ended theirs.

use std::time::Duration;

use testkit::{Origin, RawClient, Request, Step, TestEdge, eventually};

const ASK: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

fn one(
    script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
) -> (Origin, TestEdge, RawClient) {
    let origin = Origin::start(script);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.timeouts.tunnel_idle = Duration::from_millis(500);
        wanted.service.timeouts.idle = Duration::from_millis(100);
        wanted.listener.timeouts.idle = Duration::from_millis(100);
    });
    let client = RawClient::connect(edge.address());
    (origin, edge, client)
}

#[test]
fn what_comes_with_either_head_is_not_lost() {
    let (_origin, _edge, mut client) =
        one(|_| vec![Step::send(format!("{AGREE}hello ")), Step::Echo, Step::Close]);
    client.send(format!("{ASK}early "));
    assert_eq!(client.head().status, 101);
    client.send("late").end();
    assert_eq!(client.read_to_end().expect("it ends in peace"), b"hello early late");
}

#[test]
fn an_instance_may_end_its_half_first() {
    let (origin, edge, mut client) =
        one(|_| vec![Step::send(format!("{AGREE}bye")), Step::EndHalf, Step::Echo, Step::Close]);
    client.send(ASK);
    assert_eq!(client.head().status, 101);
    assert_eq!(client.read_to_end().expect("it ends in peace"), b"bye");
    let live = edge.live(origin.address());
    assert!(client.try_send("still here"), "our half is open");
    assert_eq!(live.in_flight(), 1, "so is the tunnel");
    client.end();
    eventually("both have ended", || live.in_flight() == 0);
}

#[test]
fn much_passes_both_ways_at_once() {
    const BYTES: usize = 20 * 1024 * 1024;
    let (_origin, _edge, mut client) =
        one(|_| vec![Step::send(AGREE), Step::Pour(BYTES), Step::Echo, Step::Close]);
    client.send(ASK);
    assert_eq!(client.head().status, 101);
    // The instance does not read before it has sent, so that its way back fills meanwhile.
    client.send(vec![b'y'; 1024 * 1024]).end();
    let all = client.read_to_end().expect("it ends in peace");
    assert!(all.len() == BYTES + 1024 * 1024);
    assert!(
        all[..BYTES].iter().all(|byte| *byte == b'x')
            && all[BYTES..].iter().all(|byte| *byte == b'y')
    );
}

#[test]
fn an_upgrade_that_is_refused_is_an_answer_like_any_other() {
    let (_origin, _edge, mut client) = one(|_| vec![Step::answer(200, "plain")]);
    for _ in 0..3 {
        client.send(ASK);
        assert_eq!(client.answer().text(), "plain");
    }
}

#[test]
fn a_tunnel_has_an_idle_time_of_its_own() {
    let (origin, edge, mut client) = one(|_| vec![Step::send(AGREE), Step::Echo, Step::Close]);
    client.send(ASK);
    assert_eq!(client.head().status, 101);
    for _ in 0..4 {
        // Longer than an exchange or a connection may idle.
        std::thread::sleep(Duration::from_millis(250));
        client.send("x");
        assert_eq!(client.take(1).expect("it is open"), b"x");
    }
    assert!(client.is_closed(), "now nobody speaks any more");
    let live = edge.live(origin.address());
    eventually("it is given up", || live.in_flight() == 0);
}

#[test]
fn an_instance_that_goes_away_ends_both_sides_and_has_failed() {
    let (origin, edge, mut client) =
        one(|_| vec![Step::send(AGREE), Step::Wait(Duration::from_millis(50)), Step::Reset]);
    client.send(ASK);
    assert_eq!(client.head().status, 101);
    assert!(client.is_closed());
    let live = edge.live(origin.address());
    eventually("it is closed", || live.in_flight() == 0 && edge.edge.connections() == 0);
    assert_eq!(live.outcomes().failures, 1, "its client had not ended anything");
}

#[test]
fn a_client_that_goes_away_was_served() {
    let end = |mut client: RawClient| {
        client.end();
    };
    for leave in [RawClient::reset as fn(RawClient), end] {
        let (origin, edge, mut client) = one(|_| vec![Step::send(AGREE), Step::Echo, Step::Reset]);
        client.send(ASK);
        assert_eq!(client.head().status, 101);
        leave(client);
        let live = edge.live(origin.address());
        eventually("it is told", || live.outcomes().total() == 1);
        assert_eq!(live.outcomes().ok, 1);
    }
}

const WEBSOCKET: &str =
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const AGREED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
/// A text of one byte, and an end in order.
const TEXT: [u8; 3] = [0x81, 1, b'a'];
const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xe8];
/// The same of a client, masked with zeroes.
const CLIENT_CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

/// What counts of a WebSocket whose instance says `said` and closes; its client says `told` before that.
fn websocket(said: &[u8], told: &[u8]) -> edge::live::Outcomes {
    let (said, told) = (said.to_vec(), told.to_vec());
    let waits = !told.is_empty();
    let script = move |_: &Request| {
        let mut steps = vec![Step::send(AGREED), Step::Send(said.clone())];
        if waits {
            steps.push(Step::Echo);
        }
        steps.push(Step::Close);
        steps
    };
    let (origin, edge, mut client) = one(script);
    client.send(WEBSOCKET);
    assert_eq!(client.head().status, 101);
    if waits {
        client.send(told).end();
    }
    let _ = client.read_to_end();
    client.try_send(TEXT);
    drop(client);
    let live = edge.live(origin.address());
    eventually("it is told", || live.outcomes().total() == 1);
    live.outcomes()
}

#[test]
fn a_websocket_that_is_ended_without_a_close_frame_has_failed() {
    assert_eq!(websocket(&TEXT, &[]).failures, 1);
    assert_eq!(websocket(&TEXT[..1], &[]).failures, 1, "in the middle of a frame");
}

#[test]
fn a_websocket_that_is_closed_in_order_was_served() {
    assert_eq!(websocket(&[&TEXT[..], &CLOSE].concat(), &[]).ok, 1);
    assert_eq!(websocket(&TEXT, &CLIENT_CLOSE).ok, 1, "its client has closed it");
}
