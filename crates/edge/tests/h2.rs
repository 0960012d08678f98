//! HTTP/2 from clients and to instances: bodies, trailers, many streams at once, and how streams
//! and connections end.

use std::net::SocketAddr;
use std::time::Duration;

use h2::Reason;
use http::HeaderMap;
use testkit::frames::{END_STREAM, kind};
use testkit::h2_client::request;
use testkit::{
    DEADLINE, FrameClient, H2Client, H2Origin, H2Step, Origin, RawClient, Request, Step, TestEdge,
    eventually, stands_still,
};

fn one(
    script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
) -> (Origin, TestEdge, H2Client) {
    let (origin, edge) = TestEdge::over(script);
    let client = H2Client::connect(edge.address());
    (origin, edge, client)
}

/// Balances over instances that speak HTTP/2.
fn over_h2(targets: &[SocketAddr]) -> TestEdge {
    TestEdge::with(targets, |wanted| wanted.service.protocol = model::UpstreamProtocol::H2)
}

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &'static str)| {
        (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
    };
    list.iter().map(field).collect()
}

const ECHO: &[H2Step] = &[H2Step::Head(200, &[]), H2Step::Echo, H2Step::End];

#[test]
fn a_body_of_no_stated_length_is_chunked_for_an_instance_of_http_1() {
    let (origin, _edge, client) =
        one(|request| vec![Step::answer(200, &request.body.len().to_string())]);
    let large = "x".repeat(1_000_000);
    assert_eq!(client.ask(request("POST", "/"), large.as_bytes(), None).text(), "1000000");
    let seen = &origin.journal()[0];
    assert_eq!(seen.field("transfer-encoding"), Some("chunked"));
    assert_eq!(seen.field("content-length"), None);
}

#[test]
fn a_hundred_streams_at_once_each_get_their_own() {
    let (_origin, _edge, client) = one(|request| {
        vec![Step::Wait(Duration::from_millis(20)), Step::answer(200, &request.target)]
    });
    let asked: Vec<_> =
        (0..100).map(|n| (n, client.begin(request("GET", &format!("/{n}")), true))).collect();
    for (n, asked) in asked {
        assert_eq!(client.answer(asked).text(), format!("/{n}"));
    }
}

#[test]
fn a_stream_that_the_client_gives_up_ends_its_exchange_and_no_other() {
    let (origin, edge, client) = one(|request| match &*request.target {
        "/hang" => vec![Step::Echo],
        _ => vec![Step::Wait(Duration::from_millis(100)), Step::answer(200, "fine")],
    });
    let live = edge.live(origin.address());
    let other = client.begin(request("GET", "/"), true);
    let given_up = client.begin(request("GET", "/hang"), true);
    eventually("both have arrived", || origin.journal().len() == 2);
    given_up.reset(Reason::CANCEL);
    assert_eq!(client.answer(other).text(), "fine");
    eventually("neither is open", || live.in_flight() == 0);
}

#[test]
fn a_stream_that_is_not_read_holds_its_instance_back_and_no_other_stream() {
    const TOTAL: usize = 64 * 1024 * 1024;
    let (origin, _edge, client) = one(|request| match &*request.target {
        "/large" => vec![
            Step::send(format!("HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n")),
            Step::Pour(TOTAL),
        ],
        _ => vec![Step::answer(200, "small")],
    });
    let mut unread = client.begin(request("GET", "/large"), true);
    let first = client.part(&mut unread).len();
    let poured = stands_still(|| origin.poured());
    assert!(poured < TOTAL / 4, "{poured} bytes were taken though nobody reads them");
    assert_eq!(client.get("/small").text(), "small");
    let rest = client.answer(unread);
    assert!(rest.cut.is_none() && first + rest.body.len() == TOTAL, "all of it comes");
}

#[test]
fn what_is_over_a_limit_costs_its_stream_alone() {
    let (origin, edge, client) = one(|_| vec![Step::answer(200, "")]);
    let mut many = request("GET", "/");
    many.headers_mut().extend((0..101).map(|n| {
        let name = http::HeaderName::from_bytes(format!("a{n}").as_bytes()).expect("a name");
        (Some(name), http::HeaderValue::from_static("b"))
    }));
    assert_eq!(client.ask(many, b"", None).status, 431);
    let mut huge = request("GET", "/");
    huge.headers_mut().insert("x", "x".repeat(40_000).parse().expect("a value"));
    assert_eq!(client.ask(huge, b"", None).status, 431);
    let mut long = request("POST", "/");
    long.headers_mut().insert("content-length", (10 * 1024 * 1024 + 1).into());
    let asked = client.begin(long, false);
    assert_eq!(client.answer(asked).status, 413);
    assert!(origin.journal().is_empty(), "none was forwarded");
    assert_eq!(client.get("/").status, 200, "the connection goes on");
    drop(edge);
}

#[test]
fn stopping_lets_open_streams_end_and_refuses_no_one_silently() {
    let (origin, edge, client) =
        one(|_| vec![Step::Wait(Duration::from_millis(300)), Step::answer(200, "done")]);
    let open = client.begin(request("GET", "/"), true);
    eventually("it has arrived", || origin.journal().len() == 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let stopping = std::thread::spawn(move || runtime.block_on(edge.edge.stop(DEADLINE)));
    assert_eq!(client.answer(open).text(), "done");
    assert!(client.ending().is_none(), "the connection ends in peace");
    assert_eq!(stopping.join().expect("it stops"), 0, "none was cut off");
}

#[test]
fn stopping_tells_connections_to_go_one_after_another_and_serves_who_was_not_told() {
    let origin = Origin::start(|_| vec![Step::answer(200, "done")]);
    let edge = TestEdge::start(&[origin.address()]);
    let clients: Vec<_> = (0..40).map(|_| H2Client::connect(edge.address())).collect();
    clients.iter().for_each(|client| assert_eq!(client.get("/").text(), "done"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let stopping = std::thread::spawn(move || runtime.block_on(edge.edge.stop(DEADLINE)));
    eventually("the first has gone", || clients.iter().any(H2Client::has_ended));
    assert_eq!(clients[39].get("/").text(), "done", "it was not its turn");
    for client in clients {
        assert!(client.ending().is_none(), "the connection ends in peace");
    }
    assert_eq!(stopping.join().expect("it stops"), 0, "none was cut off");
}

#[test]
fn grpc_passes_with_its_trailers_message_by_message() {
    const STATUS: &[(&str, &str)] = &[("grpc-status", "0"), ("grpc-message", "fine")];
    let origin = H2Origin::start(|_| {
        let head = H2Step::Head(200, &[("content-type", "application/grpc")]);
        vec![head, H2Step::Echo, H2Step::Trailers(STATUS)]
    });
    let edge = over_h2(&[origin.address()]);
    let client = H2Client::connect(edge.address());
    let mut call = request("POST", "/pkg.Service/Method");
    call.headers_mut().extend(fields(&[
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", "5S"),
    ]));
    let mut asked = client.begin(call, false);
    for message in ["first", "second", "third"] {
        // Each comes back before the next is sent: nothing waits for the end of the body.
        asked.send(message.as_bytes(), false);
        assert_eq!(client.part(&mut asked), message.as_bytes());
    }
    asked.send(b"", true);
    let end = client.answer(asked);
    assert!(end.cut.is_none());
    assert_eq!(end.trailers.expect("trailers"), fields(STATUS));
    let head = &origin.journal()[0];
    assert_eq!(
        (&head.headers["te"], &head.headers["grpc-timeout"]),
        (&"trailers".parse().expect("a value"), &"5S".parse().expect("a value"))
    );
    assert_eq!(head.uri.authority().map(http::uri::Authority::as_str), Some("example.com"));
}

#[test]
fn a_grpc_error_in_the_head_alone_passes() {
    let origin = H2Origin::start(|_| vec![H2Step::Bare(200, &[("grpc-status", "5")])]);
    let edge = over_h2(&[origin.address()]);
    let answer = H2Client::connect(edge.address()).get("/");
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("5")));
    assert!(answer.cut.is_none() && answer.body.is_empty());
}

#[test]
fn trailers_pass_between_the_protocols() {
    let origin = H2Origin::start(|_| {
        let head = H2Step::Head(200, &[]);
        vec![head, H2Step::Echo, H2Step::Data(b"!".to_vec()), H2Step::Trailers(&[("x-t", "1")])]
    });
    let edge = over_h2(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!((answer.text().as_str(), answer.trailers.as_str()), ("ok!", "x-t: 1\n"));
}

#[test]
fn all_streams_to_an_instance_share_a_connection_of_each_worker() {
    let origin = H2Origin::start(|_| ECHO.to_vec());
    let edge = over_h2(&[origin.address()]);
    for n in 0..20 {
        let client = H2Client::connect(edge.address());
        assert_eq!(client.ask(request("POST", "/"), b"hello", None).text(), "hello", "{n}");
    }
    assert!(origin.connections() <= 2, "{} connections", origin.connections());
}

#[test]
fn an_instance_that_takes_few_streams_gets_no_more_at_once() {
    let origin = H2Origin::with_streams(2, |_| {
        vec![H2Step::Wait(Duration::from_millis(20)), H2Step::Bare(204, &[])]
    });
    let edge = over_h2(&[origin.address()]);
    let client = H2Client::connect(edge.address());
    let asked: Vec<_> = (0..20).map(|_| client.begin(request("GET", "/"), true)).collect();
    for asked in asked {
        assert_eq!(client.answer(asked).status, 204);
    }
}

#[test]
fn an_instance_that_goes_away_loses_no_request() {
    let origin = H2Origin::start(|head| match head.uri.path() {
        "/away" => vec![H2Step::GoAway, H2Step::Head(200, &[]), H2Step::Echo, H2Step::End],
        _ => ECHO.to_vec(),
    });
    let edge = over_h2(&[origin.address()]);
    let client = H2Client::connect(edge.address());
    let mut open = client.begin(request("POST", "/away"), false);
    open.send(b"begun", false);
    assert_eq!(client.part(&mut open), b"begun");
    for n in 0..10 {
        assert_eq!(client.ask(request("POST", "/"), b"hello", None).text(), "hello", "{n}");
    }
    open.send(b", ended", true);
    assert_eq!(client.answer(open).text(), ", ended");
}

/// Clients that write before they read, and curl before 8, lose a response that comes with a reset.
#[test]
fn a_response_before_the_request_has_ended_is_not_followed_by_a_reset() {
    let origin = Origin::start(|_| vec![Step::answer(200, "never asked")]);
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = FrameClient::connect(edge.address());
    // Its settings, and with them its windows, hold once they were acknowledged.
    client.send(kind::SETTINGS, 1, 0, &[]);
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
        ("content-length", "30000000"),
    ];
    client.send_head(0, 1, &head);
    let mut ended = false;
    while !ended {
        let frame = client.next_frame().expect("the connection lives");
        assert_ne!(frame.kind, kind::RST_STREAM);
        ended = frame.stream == 1 && frame.flags & END_STREAM != 0;
    }
    // All that the stream's window allows; then it is opened for more.
    for _ in 0..4 {
        client.send(kind::DATA, 0, 1, &[b'x'; 16_000]);
    }
    loop {
        let frame = client.next_frame().expect("the connection lives");
        assert_ne!(frame.kind, kind::RST_STREAM);
        if frame.kind == 8 && frame.stream == 1 {
            break;
        }
    }
    client.send(kind::DATA, END_STREAM, 1, b"the last");
    client.send_head(END_STREAM, 3, &head[..4]);
    let next = client.next_of(kind::HEADERS).expect("the connection lives");
    assert_eq!(next.stream, 3);
}

#[test]
fn an_upload_that_is_refused_early_gets_its_response_whole() {
    let origin = Origin::start(|_| vec![Step::answer(200, "never asked")]);
    let edge = TestEdge::start(&[origin.address()]);
    let client = H2Client::connect(edge.address());
    for _ in 0..5 {
        let answer = client.ask(request("POST", "/"), &vec![b'x'; 12_000_000], None);
        assert_eq!((answer.status, answer.reset()), (413, None));
    }
    assert_eq!(client.get("/").text(), "never asked");
}

/// Bytes in and out of one request with a cookie of 500 bytes.
fn bytes(edge: &TestEdge, ask: impl FnOnce(&str)) -> (u64, u64) {
    let live = edge.edge.services().next().expect("there is one").live.clone();
    let now = || {
        let (mut bytes, mut requests) = ((0, 0), 0);
        for shard in live.shards() {
            bytes.0 += shard.bytes_in.get();
            bytes.1 += shard.bytes_out.get();
            requests += shard.by_class.iter().map(|count| count.get()).sum::<u64>();
        }
        (bytes, requests)
    };
    let (before, requests) = now();
    ask(&"c".repeat(500));
    eventually("it is counted", || now().1 == requests + 1);
    (now().0.0 - before.0, now().0.1 - before.1)
}

#[test]
fn bytes_are_counted_alike_over_both_versions() {
    let origin = Origin::start(|_| vec![Step::answer(200, &"b".repeat(1000))]);
    let edge = TestEdge::start(&[origin.address()]);
    let one = bytes(&edge, |cookie| {
        let mut client = RawClient::connect(edge.address());
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"));
        assert_eq!(client.answer().body.len(), 1000);
    });
    let client = H2Client::connect(edge.address());
    for _ in 0..2 {
        // The second time the cookie stands in a table, and costs its sender a byte.
        let two = bytes(&edge, |cookie| {
            let mut asked = request("GET", "/");
            asked.headers_mut().insert("cookie", cookie.parse().expect("it is plain"));
            assert_eq!(client.ask(asked, b"", None).body.len(), 1000);
        });
        assert!(two.0.abs_diff(one.0) < 60 && two.0 > 500, "received: {one:?}, {two:?}");
        assert!(two.1.abs_diff(one.1) < 60 && two.1 > 1000, "sent: {one:?}, {two:?}");
    }
}

#[test]
fn what_is_not_http_2_is_told_so_only_where_http_1_is_spoken() {
    let origin = Origin::polite("fine");
    let start = |protocols: &[model::Protocol]| {
        TestEdge::with(&[origin.address()], |wanted| wanted.listener.protocols = protocols.to_vec())
    };
    let alone = start(&[model::Protocol::H2]);
    for text in ["INVALID CONNECTION PREFACE\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut client = RawClient::connect(alone.address());
        client.send(text);
        assert!(client.read_to_end().is_ok_and(|told| told.is_empty()), "{text:?}");
    }
    assert_eq!(H2Client::connect(alone.address()).get("/").text(), "fine");
    let both = start(&[model::Protocol::H1, model::Protocol::H2]);
    let mut client = RawClient::connect(both.address());
    assert_eq!(client.send("INVALID CONNECTION PREFACE\r\n\r\n").answer().status, 400);
}
