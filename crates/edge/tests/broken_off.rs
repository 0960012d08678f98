//! What an instance had sent before it broke off arrives, and nobody takes it for whole.

use std::io::ErrorKind;
use std::time::Duration;

use testkit::h2_client::request;
use testkit::{Authority, H2Client, Origin, RawClient, Step, TestEdge};
use wire::tls::Alpn;

/// Far more than is on its way at once between an edge and a client that reads slowly.
const SENT: usize = 3 * 1024 * 1024;

fn half(framing: &str, body: &str) -> Vec<Step> {
    vec![Step::send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n{body}")), Step::Close]
}

/// Breaks off in the middle of each of its responses.
fn origin() -> Origin {
    Origin::start(|request| match &*request.target {
        "/length" => half("Content-Length: 100\r\n", "ok"),
        "/chunked" => half("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n"),
        "/chunk" => half("Transfer-Encoding: chunked\r\n", "64\r\nok"),
        "/bare" => half("Content-Length: 100\r\n", ""),
        "/reset" => vec![
            Step::send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok"),
            Step::Wait(Duration::from_millis(100)),
            Step::Reset,
        ],
        "/large" => vec![
            Step::send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 * SENT)),
            Step::Pour(SENT),
            Step::Close,
        ],
        _ => vec![
            Step::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Step::send(format!("{SENT:x}\r\n")),
            Step::Pour(SENT),
            Step::send("\r\n"),
            Step::Close,
        ],
    })
}

fn ask(client: &mut RawClient, path: &str) {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.head().status, 200, "{path}");
}

/// Reads slowly what comes until the end, which must be one of peace.
fn read_slowly(client: &mut RawClient) -> usize {
    let mut read = 0;
    loop {
        match client.some().expect("it is not reset").len() {
            0 => return read,
            n => read += n,
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_short_response_that_breaks_off_arrives_as_far_as_it_came() {
    let origin = origin();
    let edge = TestEdge::start(&[origin.address()]);
    for _ in 0..20 {
        for (path, body) in [
            ("/length", "ok"),
            ("/chunked", "2\r\nok\r\n"),
            ("/chunk", "2\r\nok\r\n"),
            ("/reset", "ok"),
            ("/bare", ""),
        ] {
            let mut client = RawClient::connect(edge.address());
            ask(&mut client, path);
            let rest = client.read_to_end().expect("it ends, and is not reset");
            assert_eq!(String::from_utf8_lossy(&rest), body, "{path}");
        }
    }
}

#[test]
fn a_large_response_that_breaks_off_reaches_a_client_that_reads_slowly() {
    let origin = origin();
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    ask(&mut client, "/large");
    assert_eq!(read_slowly(&mut client), SENT);
    let mut client = client_of(&edge);
    ask(&mut client, "/chunks");
    assert!(read_slowly(&mut client) > SENT, "framing included");
}

fn client_of(edge: &TestEdge) -> RawClient {
    RawClient::connect(edge.address())
}

#[test]
fn over_tls_as_well() {
    let origin = origin();
    let authority = Authority::default();
    let tls = authority.server(&[&["a.example"]], &[Alpn::Http1, Alpn::Http2]);
    let edge = TestEdge::with(&[origin.address()], |wanted| wanted.tls = Some(tls));
    for path in ["/length", "/large"] {
        let config = authority.client(&[Alpn::Http1]);
        let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
        ask(&mut client, path);
        // A client of TLS sees the end as one of peace only after `close_notify`.
        let whole = if path == "/large" { SENT } else { 2 };
        assert_eq!(read_slowly(&mut client), whole, "{path}");
    }
    let client =
        H2Client::connect_tls(edge.address(), authority.client(&[Alpn::Http2]), "a.example");
    let answer = client.get("/large");
    assert_eq!((answer.body.len(), answer.cut.is_some()), (SENT, true));
}

#[test]
fn over_http_2_what_was_sent_comes_before_the_reset() {
    let origin = origin();
    let edge = TestEdge::start(&[origin.address()]);
    let client = H2Client::connect(edge.address());
    for (path, sent) in [("/length", 2), ("/chunked", 2), ("/bare", 0), ("/large", SENT)] {
        let answer = client.ask(request("GET", path), b"", None);
        assert_eq!((answer.status, answer.body.len()), (200, sent), "{path}");
        assert!(answer.cut.is_some(), "{path} is visibly not whole");
    }
}

#[test]
fn one_that_only_its_end_would_end_is_reset_after_all_of_it_has_arrived() {
    let origin = origin();
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send("GET /chunks HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().field("content-length"), None);
    let mut read = 0;
    let end = loop {
        match client.some() {
            Ok(bytes) if bytes.is_empty() => break None,
            Ok(bytes) => read += bytes.len(),
            Err(error) => break Some(error.kind()),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert_eq!((read, end), (SENT, Some(ErrorKind::ConnectionReset)));
}

#[test]
fn a_client_that_does_not_read_holds_no_broken_response_for_ever() {
    let origin = origin();
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.timeouts.write_idle = Duration::from_millis(300);
    });
    let mut client = RawClient::connect(edge.address());
    client.send("GET /chunks HTTP/1.0\r\nHost: a\r\n\r\n");
    let live = edge.live(origin.address());
    testkit::eventually("it is given up", || live.outcomes().failures + live.outcomes().ok > 0);
    testkit::eventually("its connection too", || edge.edge.connections() == 0);
}
