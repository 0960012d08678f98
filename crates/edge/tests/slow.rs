//! Who is slow, and who only takes long: timeouts look at progress.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use model::{ListenerTimeouts, ServiceTimeouts};
use testkit::frames::{END_STREAM, block, kind};
use testkit::h2_client::request;
use testkit::origin::FullQueue;
use testkit::{FrameClient, H2Client, Origin, RawClient, Request, Step, TestEdge, eventually};

/// Every timeout of these tests. What is to outlast it takes several times as long.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_millis(1200);
const TOTAL: usize = 64 * 1024 * 1024;

fn one(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> (Origin, TestEdge) {
    let origin = Origin::start(script);
    let edge = start(origin.address());
    (origin, edge)
}

fn start(target: SocketAddr) -> TestEdge {
    TestEdge::with(&[target], |wanted| {
        wanted.listener.timeouts = ListenerTimeouts {
            header: SHORT,
            body_idle: SHORT,
            body_progress: 256,
            idle: SHORT,
            write_idle: SHORT,
        };
        wanted.service.timeouts =
            ServiceTimeouts { connect: SHORT, first_byte: SHORT, idle: SHORT, tunnel_idle: SHORT };
        wanted.service.retry.attempts = 1;
    })
}

/// Answers with how much it was sent, or with a body that nobody can wait for.
fn counting(request: &Request) -> Vec<Step> {
    match &*request.target {
        "/large" => vec![
            Step::send(format!("HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n")),
            Step::Pour(TOTAL),
        ],
        _ => vec![Step::answer(200, &request.body.len().to_string())],
    }
}

fn nothing_is_open(origin: &Origin, edge: &TestEdge) {
    let live = edge.live(origin.address());
    eventually("nothing is open", || live.in_flight() == 0 && edge.edge.connections() == 0);
}

#[test]
fn a_head_that_trickles_in_is_cut_however_steadily_it_does() {
    let (origin, edge) = one(counting);
    let mut client = RawClient::connect(edge.address());
    let begun = Instant::now();
    client.send("GET / HTTP/1.1\r\n");
    while begun.elapsed() < LONG && client.try_send("X: y\r\n") {
        std::thread::sleep(SHORT / 10);
    }
    let answer = client.try_answer();
    // What was sent after it was closed may have reset the connection, answer included.
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 408));
    assert!(client.is_closed());
    nothing_is_open(&origin, &edge);
    assert!(origin.journal().is_empty());
}

#[test]
fn a_head_that_never_ends_is_told_so() {
    let (_origin, edge) = one(counting);
    let mut client = RawClient::connect(edge.address());
    assert_eq!(client.send("GET / HTTP/1.1\r\nHo").answer().status, 408);
    assert!(client.is_closed());
}

#[test]
fn http_2_that_never_gets_to_a_request_is_ended() {
    let (origin, edge) = one(counting);
    let mut half = RawClient::connect(edge.address());
    half.send("PRI * HTTP/2.0\r\n\r\n");
    let mut silent = FrameClient::connect(edge.address());
    let mut open = FrameClient::connect(edge.address());
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    open.send(kind::HEADERS, END_STREAM, 1, &block(&fields));
    silent.next_of(kind::GOAWAY).expect("it is told");
    nothing_is_open(&origin, &edge);
    assert!(origin.journal().is_empty());
}

#[test]
fn a_body_that_stands_still_is_cut_and_its_instance_not_blamed() {
    let (origin, edge) = one(counting);
    let mut client = RawClient::connect(edge.address());
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\nabc");
    assert_eq!(client.answer().status, 408);
    assert!(client.is_closed());
    let client = H2Client::connect(edge.address());
    let mut asked = client.begin(request("PUT", "/"), false);
    asked.send(b"abc", false);
    assert_eq!(client.answer(asked).status, 408);
    // A byte now and then is no progress.
    let mut client = RawClient::connect(edge.address());
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n");
    let begun = Instant::now();
    while begun.elapsed() < LONG && client.try_send("x") {
        std::thread::sleep(SHORT / 10);
    }
    assert!(client.try_answer().is_ok_and(|answer| answer.status == 408) || client.is_closed());
    nothing_is_open(&origin, &edge);
    assert!(origin.journal().is_empty(), "the instance never had it whole");
    assert_eq!(edge.live(origin.address()).outcomes().failures, 0);
}

#[test]
fn an_upload_that_moves_is_never_cut() {
    let (_origin, edge) = one(counting);
    let pieces = LONG.as_millis() / 50;
    let mut client = RawClient::connect(edge.address());
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", pieces * 512));
    let h2 = H2Client::connect(edge.address());
    let mut asked = h2.begin(request("PUT", "/"), false);
    for n in 1..=pieces {
        std::thread::sleep(Duration::from_millis(50));
        client.send([b'x'; 512]);
        asked.send(&[b'x'; 512], n == pieces);
    }
    assert_eq!(client.answer().text(), (pieces * 512).to_string());
    assert_eq!(h2.answer(asked).text(), (pieces * 512).to_string());
}

#[test]
fn a_body_of_unknown_length_may_crawl() {
    let (origin, edge) = one(counting);
    let pieces = LONG.as_millis() / 100;
    let mut client = RawClient::connect(edge.address());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let h2 = H2Client::connect(edge.address());
    let mut asked = h2.begin(request("POST", "/"), false);
    for n in 1..=pieces {
        std::thread::sleep(Duration::from_millis(100));
        client.send("1\r\nx\r\n");
        asked.send(b"x", n == pieces);
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().text(), pieces.to_string());
    assert_eq!(h2.answer(asked).text(), pieces.to_string());
    // One that stands still is cut all the same.
    let mut client = RawClient::connect(edge.address());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    assert_eq!(client.answer().status, 408);
    assert_eq!(edge.live(origin.address()).outcomes().failures, 0);
}

#[test]
fn what_is_progress_is_configured() {
    let origin = Origin::start(counting);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.timeouts.body_idle = SHORT;
        wanted.listener.timeouts.body_progress = 1;
    });
    let pieces = LONG.as_millis() / 100;
    let mut client = RawClient::connect(edge.address());
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {pieces}\r\n\r\n"));
    for _ in 0..pieces {
        std::thread::sleep(Duration::from_millis(100));
        client.send("x");
    }
    assert_eq!(client.answer().text(), pieces.to_string());
}

#[test]
fn an_answer_that_moves_is_never_cut() {
    let (_origin, edge) = one(|_| {
        let pieces = LONG.as_millis() as usize / 100;
        let piece = [Step::Wait(Duration::from_millis(100)), Step::send("x")];
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {pieces}\r\n\r\n");
        [Step::send(head)].into_iter().chain(std::iter::repeat_n(piece, pieces).flatten()).collect()
    });
    let whole = (LONG.as_millis() / 100) as usize;
    assert_eq!(RawClient::connect(edge.address()).get("/").body.len(), whole);
    assert_eq!(H2Client::connect(edge.address()).get("/").body.len(), whole);
}

#[test]
fn an_answer_that_is_not_read_is_cut_and_was_never_held_whole() {
    let (origin, edge) = one(counting);
    let mut client = RawClient::connect(edge.address());
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it has arrived", || origin.journal().len() == 1);
    nothing_is_open(&origin, &edge);
    assert!(origin.poured() < TOTAL / 2, "{} bytes were taken", origin.poured());
    assert!(client.try_answer().is_err(), "it is visibly not whole");
    let before = origin.poured();
    let client = H2Client::connect(edge.address());
    let mut unread = client.begin(request("GET", "/large"), true);
    assert!(!client.part(&mut unread).is_empty());
    let live = edge.live(origin.address());
    eventually("the stream is given up", || live.in_flight() == 0);
    assert!(origin.poured() - before < TOTAL / 2);
    assert_eq!(live.outcomes().failures, 0, "the instance is not blamed");
}

#[test]
fn an_answer_that_is_read_slowly_but_steadily_comes_whole() {
    let (_origin, edge) = one(counting);
    let mut client = RawClient::connect(edge.address());
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    // More than all buffers on the way hold, and several times as long as the timeout; a busy machine
    // makes each turn much longer than it sleeps.
    for _ in 0..16 {
        std::thread::sleep(SHORT / 5);
        client.take(TOTAL / 16).expect("it goes on");
    }
}

#[test]
fn idle_connections_are_closed() {
    let (origin, edge) = one(counting);
    let mut client = RawClient::connect(edge.address());
    assert_eq!(client.get("/").status, 200);
    let h2 = H2Client::connect(edge.address());
    assert_eq!(h2.get("/").status, 200);
    assert!(client.is_closed());
    assert!(h2.ending().is_none(), "it ends in peace");
    nothing_is_open(&origin, &edge);
}

#[test]
fn an_exchange_that_takes_long_does_not_idle() {
    let origin = Origin::start(|_| vec![Step::Wait(LONG), Step::answer(200, "at last")]);
    let edge = TestEdge::with(&[origin.address()], |wanted| wanted.listener.timeouts.idle = SHORT);
    assert_eq!(RawClient::connect(edge.address()).get("/").text(), "at last");
    assert_eq!(H2Client::connect(edge.address()).get("/").text(), "at last");
}

#[test]
fn an_instance_that_does_not_accept_is_a_504() {
    let full = FullQueue::default();
    let edge = start(full.address());
    assert_eq!(RawClient::connect(edge.address()).get("/").status, 504);
    assert_eq!(H2Client::connect(edge.address()).get("/").status, 504);
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_sent() {
    let (origin, edge) = one(counting);
    let mut client = RawClient::connect(edge.address());
    client.send(
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
    );
    // The first head that comes is the final one: no 100 before it.
    assert_eq!(client.head().status, 413);
    assert!(origin.journal().is_empty());
}
