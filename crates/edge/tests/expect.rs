//! `Expect: 100-continue` costs no time: the instance has the head at once and decides, and nobody
//! waits for what has come already.

use testkit::h2_client::request;
use testkit::{H2Client, H2Origin, H2Step, Origin, RawClient, Request, Step, TestEdge, eventually};

const HEAD: &str =
    "POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

fn one(
    script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
) -> (Origin, TestEdge, RawClient) {
    let (origin, edge) = TestEdge::over(script);
    let client = RawClient::connect(edge.address());
    (origin, edge, client)
}

#[test]
fn an_instance_refuses_by_the_head_alone() {
    for status in [401, 413, 417] {
        let (_origin, _edge, mut client) =
            one(move |_| vec![Step::answer(status, "no"), Step::Echo]);
        let answer = client.send(HEAD).answer();
        // Were the head kept back, a 100 would come first.
        assert_eq!((answer.status, answer.text().as_str()), (status, "no"));
        assert_eq!(answer.field("connection"), Some("close"), "the body may come or not");
        assert!(client.is_closed());
    }
}

#[test]
fn the_instance_s_own_100_is_passed_on() {
    let (_origin, _edge, mut client) = one(|_| {
        let go_on = "HTTP/1.1 100 Continue\r\nX-From: the instance\r\n\r\n";
        vec![Step::send(go_on), Step::Echo]
    });
    let informed = client.send(HEAD).head();
    assert_eq!((informed.status, informed.field("x-from")), (100, Some("the instance")));
    client.send("hello");
}

#[test]
fn a_body_that_is_there_is_not_waited_for() {
    let (_origin, edge, mut client) = one(|request| vec![Step::answer(200, &request.target)]);
    let head = HEAD.replace("/unread", "/read");
    // The first head that comes is the final one: nobody is told to go on who has gone on.
    assert_eq!(client.send(format!("{head}hello")).head().status, 200);
    let chunked = head.replace("Content-Length: 5", "Transfer-Encoding: chunked");
    for body in ["5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\n"] {
        let mut client = RawClient::connect(edge.address());
        assert_eq!(client.send(format!("{chunked}{body}")).head().status, 200, "{body:?}");
    }
}

#[test]
fn a_body_that_comes_unasked_goes_on_at_once() {
    let (origin, edge, mut client) = one(|request| vec![Step::answer(200, &request.target)]);
    client.send(HEAD.replace("/unread", "/read"));
    eventually("the instance has the head", || origin.connections() == 1);
    assert_eq!(client.send("hello").head().status, 200);
    assert_eq!(edge.live(origin.address()).outcomes().failures, 0);
}

#[test]
fn an_instance_that_keeps_silent_gets_the_body_all_the_same() {
    let (_origin, _edge, mut client) = one(|request| vec![Step::answer(200, &request.target)]);
    client.send(HEAD.replace("/unread", "/read"));
    assert_eq!(client.head().status, 100, "ours");
    assert_eq!(client.send("hello").answer().text(), "/read");
}

#[test]
fn what_a_client_asked_for_that_has_left_is_not_done_late() {
    let (origin, edge, mut client) = one(|_| vec![Step::answer(200, "done")]);
    client.send(HEAD.replace("/unread", "/read"));
    let live = edge.live(origin.address());
    eventually("the instance has the head", || origin.connections() == 1 && live.in_flight() == 1);
    drop(client);
    eventually("it is given up", || live.in_flight() == 0 && edge.edge.connections() == 0);
    assert!(origin.journal().is_empty(), "it never had it whole");
}

fn expecting() -> http::Request<()> {
    let mut head = request("POST", "/unread");
    head.headers_mut().insert("expect", http::HeaderValue::from_static("100-continue"));
    head.headers_mut().insert("content-length", 5.into());
    head
}

#[test]
fn over_http_2_from_clients() {
    let (_origin, edge, _) = one(|_| vec![Step::answer(417, "no"), Step::Echo]);
    let client = H2Client::connect(edge.address());
    let asked = client.begin(expecting(), false);
    let answer = client.answer(asked);
    assert_eq!((answer.status, answer.informed.len()), (417, 0));
    // What is there already is not waited for: no 100.
    let (_origin, edge, _) =
        one(|request| vec![Step::answer(200, &request.body.len().to_string())]);
    let client = H2Client::connect(edge.address());
    let mut head = expecting();
    *head.uri_mut() = "http://example.com/read".parse().expect("it is one");
    let answer = client.ask(head, b"hello", None);
    assert_eq!((answer.text().as_str(), answer.informed.len()), ("5", 0));
}

#[test]
fn over_http_2_to_instances() {
    let origin = H2Origin::start(|head| match head.headers.get("expect") {
        Some(_) => vec![H2Step::Bare(417, &[])],
        None => vec![H2Step::Bare(500, &[])],
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.protocol = model::UpstreamProtocol::H2;
    });
    assert_eq!(RawClient::connect(edge.address()).send(HEAD).head().status, 417);
}
