//! Large bodies, most of which go from socket to socket without being copied where both are on clear
//! text and of HTTP/1.

use std::time::Duration;

use testkit::{Authority, H2Client, Origin, RawClient, Step, TestEdge, eventually};
use wire::tls::Alpn;

const BYTES: usize = 3 * 1024 * 1024 + 17;

/// A body in which no two stretches are alike.
fn body() -> Vec<u8> {
    let words = (0u32..).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes());
    words.take(BYTES).collect()
}

fn answer(framing: &str, body: &[u8]) -> Step {
    let mut text = format!("HTTP/1.1 200 OK\r\n{framing}\r\n").into_bytes();
    text.extend_from_slice(body);
    Step::send(text)
}

/// Waits until most of `count` such bodies was seen to go without being copied: all but what comes with a
/// head, and what is too little to be worth it.
fn most_is_spliced(edge: &TestEdge, count: usize) {
    let most = (count * (BYTES - BYTES / 4)) as u64;
    let all = (count * BYTES) as u64;
    eventually("it is spliced", || edge.edge.spliced_bytes() >= most);
    assert!(edge.edge.spliced_bytes() <= all, "{} bytes", edge.edge.spliced_bytes());
}

#[test]
fn large_answers_arrive_as_they_were_and_the_connection_goes_on() {
    let origin = Origin::start(|request| match &*request.target {
        "/length" => vec![answer(&format!("Content-Length: {BYTES}\r\n"), &body())],
        "/close" => vec![answer("", &body()), Step::Close],
        _ => vec![Step::answer(200, "small")],
    });
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    for path in ["/length", "/length", "/close"] {
        assert!(client.get(path).body == body(), "{path}");
        assert_eq!(client.get("/small").text(), "small");
    }
    // The one that ends with its connection is chunked for this client.
    most_is_spliced(&edge, 2);
}

#[test]
fn large_uploads_arrive_as_they_were() {
    let origin = Origin::start(|request| vec![Step::answer(200, &request.body.len().to_string())]);
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    for method in ["POST", "PUT"] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n"));
        client.send(body());
        assert_eq!(client.answer().text(), BYTES.to_string());
    }
    assert!(origin.journal().iter().all(|request| request.body == body()));
    most_is_spliced(&edge, 2);
}

#[test]
fn what_is_encrypted_or_framed_anew_is_copied_and_arrives_as_it_was() {
    let origin = Origin::start(|_| vec![answer(&format!("Content-Length: {BYTES}\r\n"), &body())]);
    let authority = Authority::default();
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.tls = Some(authority.server(&[&["a.example"]], &[Alpn::Http1]));
    });
    let config = authority.client(&[Alpn::Http1]);
    let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
    assert!(client.get("/").body == body());
    let plain = TestEdge::start(&[origin.address()]);
    assert!(H2Client::connect(plain.address()).get("/").body == body());
    assert!(RawClient::connect(plain.address()).get("/").body == body());
    most_is_spliced(&plain, 1);
}

#[test]
fn a_large_answer_that_breaks_off_is_cut_and_never_filled_up() {
    let half = &body()[..BYTES / 2];
    let broken = answer(&format!("Content-Length: {BYTES}\r\n"), half);
    let origin = Origin::start(move |_| vec![broken.clone(), Step::Close]);
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.head();
    assert_eq!(head.field("content-length"), Some(&*BYTES.to_string()));
    // What arrives before the cut is not more than there was. It may be reset rather than ended.
    let arrived = client.read_to_end().unwrap_or_default();
    assert!(half.starts_with(&arrived));
}

#[test]
fn bytes_after_a_large_answer_reach_nobody() {
    let origin = Origin::start(|request| match &*request.target {
        "/large" => {
            let mut more = body();
            more.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse");
            vec![answer(&format!("Content-Length: {BYTES}\r\n"), &more)]
        }
        _ => vec![Step::answer(200, "true")],
    });
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    assert!(client.get("/large").body == body());
    assert_eq!(client.get("/").text(), "true");
}

#[test]
fn a_client_that_reads_slowly_holds_the_instance_back() {
    let sent = answer(&format!("Content-Length: {}\r\n", 64 * BYTES), &body().repeat(64));
    let origin = Origin::start(move |_| vec![sent.clone()]);
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    let live = edge.live(origin.address());
    assert_eq!(client.take(BYTES).unwrap(), body());
    assert_eq!(live.in_flight(), 1, "the rest waits");
    drop(client);
    eventually("it is given up when the client leaves", || live.in_flight() == 0);
}

#[test]
fn a_large_answer_to_a_client_that_stops_reading_ends_by_the_timeout() {
    let sent = answer(&format!("Content-Length: {}\r\n", 64 * BYTES), &body().repeat(64));
    let origin = Origin::start(move |_| vec![sent.clone()]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.timeouts.write_idle = Duration::from_millis(200);
    });
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    let live = edge.live(origin.address());
    eventually("the exchange ends", || live.in_flight() == 0);
}
