//! What clients can make us hold: bounded for each connection, each client and each worker, however
//! little they send.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use testkit::frames::{END_HEADERS, END_STREAM, block, kind};
use testkit::{FrameClient, H2Client, Origin, RawClient, Step, TestEdge, eventually};

const REFUSED_STREAM: u32 = 7;
const MIB: usize = 1024 * 1024;
const GET: &str = "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n";

fn start(memory: usize) -> (Origin, TestEdge) {
    let origin = Origin::start(|request| match &*request.target {
        "/hang" => vec![Step::Echo],
        "/large" => vec![
            Step::send("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
            Step::Pour(99_999_999),
        ],
        _ => vec![Step::answer(200, "fine")],
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.memory = memory;
        // What ends is not to be asked for again.
        wanted.service.retry.attempts = 1;
    });
    (origin, edge)
}

fn get(path: &'static str) -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a")])
}

/// All is given back, and others are served as before.
fn goes_on(origin: &Origin, edge: &TestEdge) {
    eventually("nothing is in flight", || {
        // A client that has ended its side may still want its response.
        origin.close_connections();
        edge.live(origin.address()).in_flight() == 0
    });
    eventually("no connection is open", || edge.edge.connections() == 0);
    eventually("nothing is held", || edge.edge.memory_held() == 0);
    assert_eq!(RawClient::connect(edge.address()).get("/").text(), "fine");
    assert_eq!(H2Client::connect(edge.address()).get("/").text(), "fine");
}

/// Opens `count` streams on a connection that allows each of them 20,000 bytes and reads none.
fn streams(address: SocketAddr, count: u32, blocks: impl Fn(u32) -> Vec<u8>) -> FrameClient {
    let mut client = FrameClient::connect(address);
    // SETTINGS_INITIAL_WINDOW_SIZE 20,000.
    client.send(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0x4e, 0x20]);
    for n in 0..count {
        client.send(kind::HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &blocks(n));
    }
    client
}

/// How many were refused.
fn refused(edge: &TestEdge) -> u32 {
    edge.edge.counters().map(|counters| counters.refused.get() as u32).sum()
}

#[test]
fn answers_that_are_not_read_hold_a_small_buffer_each() {
    let (origin, edge) = start(512 * MIB);
    let clients: Vec<_> = (0..4).map(|_| streams(edge.address(), 128, |_| get("/large"))).collect();
    let live = edge.live(origin.address());
    eventually("all have begun", || live.in_flight() == 4 * 128);
    // Each connection may hold four, however many streams of it stand still.
    testkit::stands_still(|| origin.poured());
    assert!(edge.edge.memory_held() <= 4 * 4 * MIB, "{} bytes", edge.edge.memory_held());
    assert_eq!(H2Client::connect(edge.address()).get("/").text(), "fine", "others are served");
    drop(clients);
    goes_on(&origin, &edge);
}

#[test]
fn references_to_a_large_field_are_counted_as_what_they_stand_for() {
    let (origin, edge) = start(512 * MIB);
    // A literal that is added to the table (RFC 7541 §6.2.1): 3,900 bytes of `y`, its length as
    // 127 + 3773 in the form of §5.1.
    let mut field = vec![0x40, 1, b'x', 0x7f, 0xbd, 0x1d];
    field.extend([b'y'; 3900]);
    let mut client = streams(edge.address(), 128, |n| match n {
        0 => [get("/hang"), field.clone()].concat(),
        // The first entry of the dynamic table, eight times.
        _ => [get("/hang"), vec![0x80 | 62; 8]].concat(),
    });
    let live = edge.live(origin.address());
    eventually("each is open or refused", || refused(&edge) + live.in_flight() == 128);
    let refused = refused(&edge);
    assert!((30..=110).contains(&refused), "{refused} of 128 were refused");
    let reset = client.next_of(kind::RST_STREAM).expect("the connection lives");
    assert_eq!(reset.reason(), Some(REFUSED_STREAM));
    eventually("it shows", || edge.edge.memory_held() > MIB);
    assert!(edge.edge.memory_held() <= 6 * MIB, "{} bytes", edge.edge.memory_held());
    assert_eq!(H2Client::connect(edge.address()).get("/").text(), "fine", "others are served");
    drop(client);
    goes_on(&origin, &edge);
}

#[test]
fn one_client_has_a_part_of_the_memory_and_what_is_beyond_is_refused() {
    let (origin, edge) = start(32 * MIB);
    // 16 MiB for each of two workers, of which one address may hold 4 MiB: 170 requests.
    let mut clients: Vec<_> = (0..600).map(|_| RawClient::connect(edge.address())).collect();
    for client in &mut clients {
        client.send(GET);
    }
    let live = edge.live(origin.address());
    eventually("as many as may be are open", || live.in_flight() >= 300);
    eventually("each was let in or refused", || refused(&edge) + live.in_flight() == 600);
    assert!(live.in_flight() <= 2 * 171, "{} are open", live.in_flight());
    assert!(edge.edge.memory_held() <= 2 * 4 * MIB, "{} bytes", edge.edge.memory_held());
    drop(clients);
    goes_on(&origin, &edge);
}

#[test]
fn who_is_refused_for_want_of_memory_is_told_so() {
    // Not enough for one exchange.
    let (origin, edge) = start(64 * 1024);
    let mut client = RawClient::connect(edge.address());
    let answer = client.get("/");
    assert_eq!(answer.status, 503);
    assert!(answer.field("retry-after").is_some());
    assert!(client.is_closed());
    assert!(origin.journal().is_empty());
    assert_eq!(edge.live(origin.address()).outcomes().failures, 0);
}

#[test]
fn a_client_has_so_many_connections_and_no_more() {
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.limits.connections_per_client = 3;
    });
    let mut inside: Vec<_> = (0..3).map(|_| RawClient::connect(edge.address())).collect();
    inside.iter_mut().for_each(|client| assert_eq!(client.get("/").text(), "fine"));
    let (_, listener) = edge.edge.listeners().next().expect("there is one");
    assert!(RawClient::connect(edge.address()).is_closed());
    assert_eq!(listener.refused.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(inside[0].get("/").text(), "fine", "who is inside is served");
    inside.pop();
    eventually("there is room", || edge.edge.connections() == 2);
    let mut next = RawClient::connect(edge.address());
    assert_eq!(next.get("/").text(), "fine");
}

#[test]
fn a_proxy_that_is_trusted_stands_for_many_clients() {
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.limits.connections_per_client = 1;
        wanted.listener.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    });
    let mut clients: Vec<_> = (0..5).map(|_| RawClient::connect(edge.address())).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/").text(), "fine"));
}

#[test]
fn the_client_that_the_proxy_protocol_names_is_the_one_that_is_counted() {
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.limits.connections_per_client = 1;
        wanted.listener.proxy_protocol = model::ProxyProtocol::FromAnyone;
    });
    let from = |host: u8| {
        let mut client = RawClient::connect(edge.address());
        client.send(format!("PROXY TCP4 192.0.2.{host} 192.0.2.9 5 80\r\n"));
        client
    };
    let (mut one, mut other) = (from(1), from(2));
    assert_eq!(one.get("/").text(), "fine");
    assert_eq!(other.get("/").text(), "fine");
    let mut again = from(1);
    assert!(!again.try_send(GET) || again.try_answer().is_err());
    assert_eq!(one.get("/").text(), "fine");
}

#[test]
fn a_window_that_opens_byte_by_byte_does_not_keep_a_stream() {
    const SHORT: Duration = Duration::from_millis(300);
    let origin = Origin::start(|_| {
        vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"), Step::Pour(99_999)]
    });
    let edge =
        TestEdge::with(&[origin.address()], |wanted| wanted.listener.timeouts.write_idle = SHORT);
    let mut client = FrameClient::connect(edge.address());
    client.send(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    client.send(kind::HEADERS, END_HEADERS | END_STREAM, 1, &get("/"));
    client.next_of(kind::HEADERS).expect("an answer begins");
    let begun = Instant::now();
    let live = edge.live(origin.address());
    while live.in_flight() > 0 {
        assert!(begun.elapsed() < testkit::DEADLINE, "it is kept for ever");
        client.send(8, 0, 1, &[0, 0, 0, 1]);
        std::thread::sleep(SHORT / 10);
    }
    assert_eq!(live.outcomes().failures, 0, "the instance is not blamed");
}

const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "http"), (":path", "/hang"), (":authority", "a")];

/// An edge whose only instance is busy with another request, so that no body is read.
fn start_busy(memory: usize) -> (Origin, TestEdge, RawClient) {
    let origin = Origin::start(|request| match &*request.target {
        "/hang" => vec![Step::Echo],
        _ => vec![Step::answer(200, "fine")],
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.memory = memory;
        wanted.service.retry.attempts = 1;
        wanted.service.max_connections = NonZeroU32::new(1);
        wanted.service.queue.timeout = 2 * testkit::DEADLINE;
    });
    let mut first = RawClient::connect(edge.address());
    first.send(GET);
    let live = edge.live(origin.address());
    eventually("it is busy", || live.in_flight() == 1);
    (origin, edge, first)
}

#[test]
fn bodies_that_clients_may_send_ahead_are_counted_before_they_do() {
    let (origin, edge, first) = start_busy(32 * MIB);
    let before = edge.edge.memory_held();
    let mut one = FrameClient::connect(edge.address());
    for n in 0..4 {
        one.send_head(0, 2 * n + 1, POST);
    }
    eventually("their windows are counted", || edge.edge.memory_held() >= before + 4 * 65_535);
    let clients: Vec<_> = (0..60)
        .map(|_| {
            let mut client = FrameClient::connect(edge.address());
            for n in 0..4 {
                client.send_head(0, 2 * n + 1, POST);
                client.send(kind::DATA, 0, 2 * n + 1, &[7; 16_000]);
            }
            client
        })
        .collect();
    eventually("some are refused", || refused(&edge) > 0);
    testkit::stands_still(|| edge.edge.memory_held());
    // Of each of two workers a client has 4 MiB.
    assert!(edge.edge.memory_held() <= 2 * 4 * MIB, "{} bytes", edge.edge.memory_held());
    drop((first, one, clients));
    goes_on(&origin, &edge);
}

#[test]
fn a_client_that_sends_more_ahead_than_it_may_is_ended() {
    const FLOW_CONTROL_ERROR: u32 = 3;
    let (origin, edge, first) = start_busy(512 * MIB);
    let mut client = FrameClient::connect(edge.address());
    for n in 0..5 {
        client.send_head(0, 2 * n + 1, POST);
    }
    // Five times a mebibyte, which neither the streams' windows nor the connection's allow.
    for n in (0..5).cycle().take(5 * 64) {
        client.send(kind::DATA, 0, 2 * n + 1, &[7; 16_384]);
    }
    let ended = std::iter::from_fn(|| client.next_frame().ok())
        .find(|frame| matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY));
    assert_eq!(ended.and_then(|frame| frame.reason()), Some(FLOW_CONTROL_ERROR));
    drop((first, client));
    goes_on(&origin, &edge);
}

#[test]
fn an_upload_that_moves_is_given_wider_windows() {
    const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |_| {});
    let mut client = FrameClient::connect(edge.address());
    client.send_head(0, 1, POST);
    let mut windows = Vec::new();
    let mut left = 65_535;
    while windows.last() != Some(&(256 * 1024)) {
        if left >= 16_384 {
            client.send(kind::DATA, 0, 1, &[7; 16_384]);
            left -= 16_384;
            continue;
        }
        let frame = client.next_frame().expect("the connection lives");
        match (frame.kind, frame.payload.chunks_exact(6).find(|it| it[..2] == INITIAL_WINDOW_SIZE))
        {
            (8, _) if frame.stream == 1 => {
                left += u32::from_be_bytes(frame.payload[..4].try_into().expect("four bytes"));
            }
            (kind::SETTINGS, Some(setting)) => {
                windows.push(u32::from_be_bytes(setting[2..].try_into().expect("four bytes")));
                client.send(kind::SETTINGS, 1, 0, &[]);
            }
            _ => {}
        }
    }
    assert_eq!(windows, [65_535, 256 * 1024]);
    client.send(kind::DATA, END_STREAM, 1, &[7; 100]);
    client.next_of(kind::HEADERS).expect("it is answered");
    drop(client);
    eventually("nothing is held", || edge.edge.memory_held() == 0);
}

#[test]
fn small_frames_hold_more_than_their_bytes_and_are_counted() {
    let (origin, edge, first) = start_busy(512 * MIB);
    let mut client = FrameClient::connect(edge.address());
    let before = edge.edge.memory_held();
    client.send_head(0, 1, POST);
    assert!((0..1000).all(|_| client.send(kind::DATA, 0, 1, b"x")));
    eventually("it shows", || edge.edge.memory_held() >= before + 1000 * 256);
    drop((first, client));
    goes_on(&origin, &edge);
}
