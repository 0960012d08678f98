//! Connections of HTTP/2 to an instance that takes few streams on each: more are opened, and what is
//! still beyond waits, without a word against the instance.

use std::time::Duration;

use model::{Queue, UpstreamProtocol};
use testkit::h2_client::request;
use testkit::{H2Client, H2Origin, H2Step, RawClient, TestEdge, eventually};

fn start(streams: u32, timeout: Duration) -> (H2Origin, TestEdge) {
    let origin = H2Origin::with_streams(streams, |head| match head.uri.path() {
        "/hang" => vec![H2Step::Hang],
        _ => vec![H2Step::Head(200, &[]), H2Step::Data(b"fine".to_vec()), H2Step::End],
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.protocol = UpstreamProtocol::H2;
        wanted.service.queue = Queue { length: 1000, timeout };
        wanted.service.retry.attempts = 1;
    });
    (origin, edge)
}

#[test]
fn more_streams_than_one_connection_takes_go_over_another() {
    let (origin, edge) = start(2, Duration::from_secs(5));
    let client = H2Client::connect(edge.address());
    let hanging: Vec<_> = (0..6).map(|_| client.begin(request("GET", "/hang"), true)).collect();
    eventually("all have arrived", || origin.journal().len() == 6);
    assert_eq!(client.get("/").text(), "fine");
    assert!(origin.connections() >= 4, "{} connections", origin.connections());
    assert!(origin.connections() <= 16, "{} connections", origin.connections());
    drop(hanging);
}

#[test]
fn many_at_once_share_the_connection_that_the_first_of_them_opens() {
    let (origin, edge) = start(100, Duration::from_secs(5));
    let client = H2Client::connect(edge.address());
    let hanging: Vec<_> = (0..50).map(|_| client.begin(request("GET", "/hang"), true)).collect();
    eventually("all have arrived", || origin.journal().len() == 50);
    assert_eq!(origin.connections(), 1);
    drop(hanging);
}

#[test]
fn what_finds_all_streams_taken_waits_and_its_wait_blames_nobody() {
    let (origin, edge) = start(1, Duration::from_millis(300));
    let client = H2Client::connect(edge.address());
    // One client's connection belongs to one worker, which opens eight connections.
    let mut hanging: Vec<_> = (0..8).map(|_| client.begin(request("GET", "/hang"), true)).collect();
    eventually("all have arrived", || origin.journal().len() == 8);
    assert_eq!(client.get("/").status, 503, "it waited for too long");
    let live = edge.live(origin.address());
    assert_eq!(live.outcomes().failures, 0, "the instance did nothing wrong");
    assert!(live.is_eligible());
    // One that waits goes on as soon as a stream has ended.
    let waiting = client.begin(request("GET", "/"), true);
    hanging.pop().expect("eight hang").reset(h2::Reason::CANCEL);
    assert_eq!(client.answer(waiting).text(), "fine");
    drop(hanging);
    eventually("nothing is in flight", || live.in_flight() == 0);
    assert_eq!(RawClient::connect(edge.address()).get("/").text(), "fine");
}

#[test]
fn an_instance_that_is_gone_is_found_out_by_each_and_none_waits_for_ever() {
    let (origin, edge) = start(100, Duration::from_secs(5));
    let address = origin.address();
    drop(origin);
    let client = H2Client::connect(edge.address());
    let asked: Vec<_> = (0..50).map(|_| client.begin(request("GET", "/"), true)).collect();
    for asked in asked {
        assert_eq!(client.answer(asked).status, 502);
    }
    assert_eq!(edge.live(address).outcomes().failures, 50);
}
