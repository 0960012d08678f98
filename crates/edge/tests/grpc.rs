//! gRPC: how a call ended is seen wherever it counts, a fault of ours is told in its own words, its
//! client's deadline is its client's, and its streams may be silent.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use h2::Reason;
use http::{HeaderValue, Request};
use model::{BodyLimit, Passive, UpstreamProtocol};
use telemetry::{Ending, GrpcStatus};
use testkit::edge::Wanted;
use testkit::frames::{END_HEADERS, END_STREAM, block, kind};
use testkit::h2_client::request;
use testkit::{
    AccessLine, AccessLines, FrameClient, H2Client, H2Origin, H2Response, H2Step, Origin,
    RawClient, Step, TestEdge, eventually,
};

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];
/// A message of no bytes.
const MESSAGE: &[u8] = &[0; 5];
/// After so long a body stands still in these tests, and so long a stream may be silent.
const IDLE: Duration = Duration::from_millis(200);
const SILENCE: Duration = Duration::from_millis(1500);

fn call(path: &str) -> Request<()> {
    let mut head = request("POST", path);
    head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc+proto"));
    head.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    head
}

fn timed(path: &str, timeout: &'static str) -> Request<()> {
    let mut head = call(path);
    head.headers_mut().insert("grpc-timeout", HeaderValue::from_static(timeout));
    head
}

/// Ends its calls with the status that the path names: in trailers or, below `/head`, in the head.
fn origin() -> H2Origin {
    H2Origin::start(|head| match head.uri.path() {
        "/head/12" => vec![bare(&[("content-type", "application/grpc"), ("grpc-status", "12")])],
        "/head/14" => vec![bare(&[("content-type", "application/grpc"), ("grpc-status", "14")])],
        "/0" => ending(&[("grpc-status", "0")]),
        "/4" => ending(&[("grpc-status", "4")]),
        "/5" => ending(&[("grpc-status", "5"), ("grpc-message", "nobody")]),
        "/13" => ending(&[("grpc-status", "13")]),
        "/99" => ending(&[("grpc-status", "99")]),
        "/without" => vec![H2Step::Head(200, GRPC), H2Step::Data(MESSAGE.to_vec()), H2Step::End],
        "/late" => {
            [vec![H2Step::Wait(Duration::from_millis(400))], ending(&[("grpc-status", "4")])]
                .concat()
        }
        "/page" => vec![H2Step::Head(200, &[("content-type", "text/html")]), H2Step::End],
        "/500" => vec![H2Step::Bare(500, &[])],
        "/begins" => vec![
            H2Step::Head(200, GRPC),
            H2Step::Wait(IDLE / 4),
            H2Step::Reset(Reason::INTERNAL_ERROR),
        ],
        "/web/13" => vec![bare(&[("content-type", "application/grpc-web"), ("grpc-status", "13")])],
        // Says something only when all of the request is there.
        "/collects" => vec![
            H2Step::Collect,
            H2Step::Head(200, GRPC),
            H2Step::Trailers(&[("grpc-status", "0")]),
        ],
        "/echo" => {
            vec![H2Step::Head(200, GRPC), H2Step::Echo, H2Step::Trailers(&[("grpc-status", "0")])]
        }
        "/answers-and-hangs" => vec![H2Step::Head(200, GRPC), H2Step::Hang],
        _ => vec![H2Step::Hang],
    })
}

fn bare(fields: &'static [(&'static str, &'static str)]) -> H2Step {
    H2Step::Bare(200, fields)
}

fn ending(trailers: &'static [(&'static str, &'static str)]) -> Vec<H2Step> {
    vec![H2Step::Head(200, GRPC), H2Step::Data(MESSAGE.to_vec()), H2Step::Trailers(trailers)]
}

fn start(origin: &H2Origin) -> TestEdge {
    with(origin, |_| {})
}

fn with(origin: &H2Origin, change: impl FnOnce(&mut Wanted)) -> TestEdge {
    TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.protocol = UpstreamProtocol::H2;
        wanted.service.passive = Some(Passive {
            max_fails: NonZeroU32::MIN,
            fail_timeout: Duration::from_secs(10),
            max_ejected: 0.5,
        });
        change(wanted);
    })
}

/// What was counted of calls, and of exchanges that failed for their clients.
fn counted(edge: &TestEdge, status: Option<GrpcStatus>) -> u64 {
    let service = edge.edge.services().next().expect("there is one");
    service.live.shards().map(|shard| shard.grpc.totals().of(status)).sum()
}

fn failed(edge: &TestEdge) -> u64 {
    let service = edge.edge.services().next().expect("there is one");
    service.live.shards().map(|shard| shard.failed.get()).sum()
}

fn ask(edge: &TestEdge, request: Request<()>) -> H2Response {
    H2Client::connect(edge.address()).ask(request, MESSAGE, None)
}

#[test]
fn a_call_is_counted_by_its_status_wherever_it_stands() {
    let (origin, lines) = (origin(), AccessLines::default());
    let edge = with(&origin, |wanted| wanted.access_log = Some(lines.clone()));
    for (path, status) in [
        ("/0", GrpcStatus::Ok),
        ("/5", GrpcStatus::NotFound),
        ("/head/12", GrpcStatus::Unimplemented),
        ("/head/14", GrpcStatus::Unavailable),
        ("/13", GrpcStatus::Internal),
        ("/without", GrpcStatus::Unknown),
    ] {
        assert_eq!(ask(&edge, call(path)).status, 200, "{path}");
        eventually(path, || counted(&edge, Some(status)) == 1);
    }
    assert_eq!(ask(&edge, call("/99")).status, 200);
    eventually("a code that is not assigned is unknown", || {
        counted(&edge, Some(GrpcStatus::Unknown)) == 2
    });
    let live = edge.live(origin.address());
    eventually("all are told", || live.outcomes().total() == 7);
    let outcomes = live.outcomes();
    assert_eq!(
        (outcomes.ok, outcomes.client_errors),
        (1, 2),
        "what the client asked for is not there"
    );
    assert_eq!((outcomes.server_errors, outcomes.failures), (4, 0));
    eventually("their clients must call four failed", || failed(&edge) == 4);
    drop(edge);
    let told =
        ["OK", "NOT_FOUND", "UNIMPLEMENTED", "UNAVAILABLE", "INTERNAL", "UNKNOWN", "UNKNOWN"];
    let mut expected = told.map(|status| ("200".to_owned(), Some(status.to_owned())));
    let mut logged = statuses(&lines);
    logged.sort();
    expected.sort();
    assert_eq!(logged, expected);
}

/// The status of HTTP of each line, and that of gRPC where it has one.
fn statuses(lines: &AccessLines) -> Vec<(String, Option<String>)> {
    let of = |line: &AccessLine| {
        (line.field("status").to_owned(), line.get("grpc_status").map(str::to_owned))
    };
    lines.all().iter().map(of).collect()
}

#[test]
fn what_breaks_off_has_no_status() {
    let (origin, lines) = (origin(), AccessLines::default());
    let edge = with(&origin, |wanted| wanted.access_log = Some(lines.clone()));
    assert!(ask(&edge, call("/begins")).reset().is_some(), "the stream is reset, as any other");
    eventually("it is counted", || counted(&edge, None) == 1);
    let client = H2Client::connect(edge.address());
    let asked = client.begin(call("/hangs"), true);
    eventually("it is there", || edge.live(origin.address()).in_flight() == 1);
    asked.reset(Reason::CANCEL);
    eventually("one that its client gave up is counted", || counted(&edge, None) == 2);
    drop((client, edge));
    let lines = lines.all();
    assert!(lines.iter().any(|line| line.field("ending") == "upstream_truncated"), "{lines:?}");
    assert!(lines.iter().all(|line| line.get("grpc_status").is_none()), "{lines:?}");
}

#[test]
fn an_instance_that_fails_its_calls_is_a_suspect() {
    let origin = origin();
    let edge = start(&origin);
    let live = edge.live(origin.address());
    for n in 1..=3 {
        ask(&edge, call("/13"));
        eventually("it is counted", || live.take_suspicion() == n);
    }
    ask(&edge, call("/5"));
    eventually("what the client did wrong is no failure", || live.take_suspicion() == 0);
}

#[test]
fn no_client_makes_a_failure_of_a_good_response_by_calling_its_request_grpc() {
    let origin = origin();
    let edge = start(&origin);
    let live = edge.live(origin.address());
    ask(&edge, call("/page"));
    eventually("a page is a page", || live.outcomes().ok == 1);
    ask(&edge, call("/500"));
    eventually("an error is an error", || live.outcomes().server_errors == 1);
    assert_eq!((counted(&edge, None), failed(&edge)), (2, 1));
    // Nor does a header of that name where no call is.
    assert_eq!(H2Client::connect(edge.address()).get("/13").status, 200);
    eventually("it is told", || live.outcomes().total() == 3);
    assert_eq!((live.outcomes().ok, counted(&edge, Some(GrpcStatus::Internal))), (2, 0));
}

/// The status of HTTP, that of gRPC, and the message, of a response that is all head.
fn told(answer: &H2Response) -> (u16, &str, &str) {
    assert_eq!(answer.field("content-type"), Some("application/grpc"));
    assert!(answer.body.is_empty() && answer.cut.is_none() && answer.trailers.is_none());
    assert_eq!(answer.field("retry-after"), None);
    let message = answer.field("grpc-message").expect("it says why");
    let id = answer.field("x-request-id").expect("it has an id");
    assert!(message.ends_with(&format!(". Request {id}")), "{message}");
    (answer.status, answer.field("grpc-status").expect("it has one"), message)
}

#[test]
fn a_fault_of_ours_is_told_as_a_status() {
    let lines = AccessLines::default();
    let none = TestEdge::with(&[], |wanted| wanted.access_log = Some(lines.clone()));
    let answer = ask(&none, call("/0"));
    let (status, grpc, message) = told(&answer);
    assert_eq!((status, grpc), (200, "14"));
    assert!(message.starts_with("No server is available at the moment."), "{message}");
    eventually("it is counted", || counted(&none, Some(GrpcStatus::Unavailable)) == 1);
    assert_eq!(failed(&none), 1);

    let unrouted = TestEdge::with(&[], |wanted| wanted.routes.clear());
    assert_eq!(told(&ask(&unrouted, call("/0"))).1, "12");
    let small = TestEdge::with(&[], |wanted| wanted.listener.limits.body = BodyLimit::Bytes(2));
    let mut long = call("/0");
    long.headers_mut().insert("content-length", 5.into());
    assert_eq!(told(&ask(&small, long)).1, "8");
    let mut many = call("/0");
    for n in 0..101 {
        let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
        many.headers_mut().insert(name, HeaderValue::from_static("y"));
    }
    assert_eq!(told(&ask(&none, many)).1, "8", "nor is a head at fault told otherwise");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refusing = TestEdge::start(&[closed]);
    assert_eq!(told(&ask(&refusing, call("/0"))).1, "14");
    // Any other client is told as ever.
    assert_eq!(H2Client::connect(none.address()).get("/0").status, 503);
    let mut other = request("POST", "/0");
    other.headers_mut().insert("content-type", HeaderValue::from_static("application/grpcs"));
    assert_eq!(ask(&none, other).status, 503);
    drop(none);
    let logged = statuses(&lines);
    let meant = |http: &str, grpc: Option<&str>| (http.to_owned(), grpc.map(str::to_owned));
    for status in [meant("503", Some("UNAVAILABLE")), meant("431", Some("RESOURCE_EXHAUSTED"))] {
        assert!(logged.contains(&status), "the log has what was meant: {logged:?}");
    }
    assert_eq!(logged.iter().filter(|it| **it == meant("503", None)).count(), 2);
}

#[test]
fn a_fault_of_ours_is_all_head() {
    let edge = TestEdge::start(&[]);
    let mut client = FrameClient::connect(edge.address());
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
        ("content-type", "application/grpc"),
    ];
    client.send(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
    let head = client.next_of(kind::HEADERS).expect("a head comes");
    assert_eq!(head.flags & END_STREAM, END_STREAM);
    let mut client = RawClient::connect(edge.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("14")), "over HTTP/1 too");
    assert_eq!(answer.field("content-length"), Some("0"));
}

#[test]
fn a_client_of_grpc_web_reads_the_status_of_http_and_that_of_grpc() {
    let edge = TestEdge::start(&[]);
    let mut client = RawClient::connect(edge.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web+proto\r\n\
         Content-Length: 0\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("grpc-status")), (503, Some("14")));
    assert!(answer.field("grpc-message").is_some_and(|it| it.starts_with("No server")));
    assert!(answer.text().starts_with("503 "), "and a person reads the rest");
    let origin = origin();
    let edge = start(&origin);
    let mut head = request("POST", "/web/13");
    head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc-web"));
    ask(&edge, head);
    eventually("a status in the head counts", || counted(&edge, Some(GrpcStatus::Internal)) == 1);
    eventually("as a failure", || edge.live(origin.address()).outcomes().server_errors == 1);
}

#[test]
fn a_status_of_grpc_web_counts_in_the_body_too_which_passes_as_it_is() {
    // A message, then `grpc-status: 13`; and the same in base64.
    const BODY: &[u8] = b"\0\0\0\0\x03abc\x80\0\0\0\x11grpc-status: 13\r\n";
    const TEXT: &[u8] = b"AAAAAANhYmOAAAAAEWdycGMtc3RhdHVzOiAxMw0K";
    let origin = Origin::start(|request| {
        let body = if request.target == "/-text" { TEXT } else { BODY };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web{}\r\nContent-Length: {}\r\n\r\n",
            &request.target[1..],
            body.len()
        );
        vec![Step::send([head.as_bytes(), body].concat())]
    });
    let edge = TestEdge::start(&[origin.address()]);
    for (n, (kind, body)) in [("", BODY), ("-text", TEXT)].into_iter().enumerate() {
        let mut client = RawClient::connect(edge.address());
        client.send(format!(
            "POST /{kind} HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web{kind}\r\n\
             Content-Length: 0\r\n\r\n"
        ));
        assert_eq!(client.answer().body, body);
        let n = 2 * n as u64;
        eventually(kind, || counted(&edge, Some(GrpcStatus::Internal)) == n + 1);
        let mut head = request("POST", &format!("/{kind}"));
        let media = HeaderValue::try_from(format!("application/grpc-web{kind}")).unwrap();
        head.headers_mut().insert("content-type", media);
        assert_eq!(ask(&edge, head).body, body, "over HTTP/2");
        eventually(kind, || counted(&edge, Some(GrpcStatus::Internal)) == n + 2);
    }
    assert_eq!(edge.live(origin.address()).outcomes().server_errors, 4);
}

#[test]
fn a_call_whose_client_has_no_more_time_blames_nobody() {
    let (origin, lines) = (origin(), AccessLines::default());
    let edge = with(&origin, |wanted| wanted.access_log = Some(lines.clone()));
    let live = edge.live(origin.address());
    let began = Instant::now();
    let answer = ask(&edge, timed("/hangs", "300m"));
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(told(&answer).1, "4");
    eventually("the instance is told", || origin.given_up() == 1);
    // The time goes on while the request is sent.
    let client = H2Client::connect(edge.address());
    let mut asked = client.begin(timed("/hangs", "300m"), false);
    asked.send(MESSAGE, false);
    assert_eq!(told(&client.answer(asked)).1, "4");
    // The instance's own clock may be the first to say so.
    assert_eq!(ask(&edge, timed("/late", "350m")).status, 200);
    eventually("all are told", || counted(&edge, Some(GrpcStatus::DeadlineExceeded)) == 3);
    eventually("nothing is open", || live.in_flight() == 0);
    assert_eq!((live.outcomes().total(), failed(&edge)), (0, 0), "no attempt counts");
    assert!(live.shards().map(|shard| shard.latency.snapshot().count()).sum::<u64>() >= 3);
    assert_eq!(origin.journal()[0].headers["grpc-timeout"], "300m", "it passes as it came");
    drop((client, edge));
    let lines = lines.all();
    // Which of the two clocks rang first for the third is not said.
    let ours = lines.iter().filter(|line| line.field("path") == "/hangs");
    for line in ours {
        assert_eq!(line.field("ending"), Ending::ClientDeadline.as_str());
        assert_eq!(
            (line.field("status"), line.get("grpc_status")),
            ("504", Some("DEADLINE_EXCEEDED"))
        );
    }
}

#[test]
fn an_instance_is_blamed_for_other_deadlines() {
    let origin = origin();
    let edge = with(&origin, |wanted| wanted.service.timeouts.first_byte = IDLE);
    let live = edge.live(origin.address());
    assert_eq!(told(&ask(&edge, timed("/hangs", "1H"))).1, "4");
    eventually("it took longer than it may", || live.outcomes().failures == 1);
    ask(&edge, timed("/4", "1H"));
    eventually("it says so long before its client would", || live.outcomes().server_errors == 1);
    ask(&edge, call("/4"));
    eventually("or its client never would", || live.outcomes().server_errors == 2);
    eventually("all failed", || failed(&edge) == 3);
}

#[test]
fn a_call_that_waited_for_too_long_reaches_no_instance() {
    let origin = origin();
    let edge = with(&origin, |wanted| {
        wanted.service.max_connections = Some(NonZeroU32::MIN);
    });
    let live = edge.live(origin.address());
    let client = H2Client::connect(edge.address());
    let first = client.begin(call("/hangs"), true);
    eventually("it is full", || live.in_flight() == 1);
    let mut second = client.begin(timed("/0", "100m"), false);
    second.send(MESSAGE, true);
    let service = edge.edge.services().next().expect("there is one");
    eventually("the second waits", || service.live.queued() == 1);
    std::thread::sleep(Duration::from_millis(400));
    first.reset(Reason::CANCEL);
    assert_eq!(told(&client.answer(second)).1, "4");
    assert_eq!(origin.journal().len(), 1);
}

/// A body stands still after [`IDLE`], an instance too, and a stream is silent for [`SILENCE`] at most.
fn impatient(origin: &H2Origin) -> TestEdge {
    with(origin, |wanted| {
        wanted.listener.timeouts.body_idle = IDLE;
        wanted.service.timeouts.idle = IDLE;
        wanted.service.timeouts.tunnel_idle = SILENCE;
    })
}

#[test]
fn a_stream_in_which_nothing_is_said_for_a_while_lives_on() {
    let origin = origin();
    let edge = impatient(&origin);
    // The instance answers each message, or once all have come.
    for (path, body) in [("/echo", MESSAGE.repeat(3)), ("/collects", Vec::new())] {
        let client = H2Client::connect(edge.address());
        let mut asked = client.begin(call(path), false);
        for n in 0..3 {
            std::thread::sleep(IDLE * 3);
            asked.send(MESSAGE, n == 2);
        }
        let answer = client.answer(asked);
        assert_eq!((answer.body, answer.cut.is_none()), (body, true), "{path}");
        assert_eq!(answer.trailers.expect("they come")["grpc-status"], "0", "{path}");
    }
    // Many bytes at once do not make silence shorter.
    let client = H2Client::connect(edge.address());
    let mut asked = client.begin(call("/collects"), false);
    for n in 0..3 {
        asked.send(&[0; 1000], n == 2);
        std::thread::sleep(IDLE * 3);
    }
    assert!(client.answer(asked).cut.is_none());
    assert_eq!(edge.live(origin.address()).outcomes().failures, 0);
}

#[test]
fn a_stream_that_stays_silent_ends_and_its_instance_is_not_blamed() {
    let origin = origin();
    let edge = impatient(&origin);
    let began = Instant::now();
    let client = H2Client::connect(edge.address());
    let (before, after) =
        (client.begin(call("/collects"), false), client.begin(call("/echo"), false));
    assert_eq!(told(&client.answer(before)).1, "4", "before its response");
    let answer = client.answer(after);
    assert!(answer.status == 200 && answer.reset().is_some(), "and after: {answer:?}");
    assert!(began.elapsed() >= SILENCE);
    let live = edge.live(origin.address());
    eventually("nothing is open", || live.in_flight() == 0);
    assert_eq!(live.outcomes().failures, 0);
}

#[test]
fn an_instance_that_is_silent_when_its_client_has_said_all_is_waited_for_as_ever() {
    let origin = origin();
    let edge = impatient(&origin);
    let client = H2Client::connect(edge.address());
    let mut asked = client.begin(call("/answers-and-hangs"), false);
    asked.send(MESSAGE, false);
    std::thread::sleep(IDLE * 2);
    asked.send(MESSAGE, true);
    let ended = Instant::now();
    assert!(client.answer(asked).reset().is_some());
    assert!(ended.elapsed() < SILENCE, "{:?}", ended.elapsed());
    let live = edge.live(origin.address());
    eventually("it is to blame", || live.outcomes().failures == 1);
}

#[test]
fn any_other_body_that_is_silent_stands_still() {
    let origin = origin();
    let edge = impatient(&origin);
    let client = H2Client::connect(edge.address());
    let asked = client.begin(request("POST", "/collects"), false);
    assert_eq!(client.answer(asked).status, 408);
}

#[test]
fn a_stream_of_more_than_is_allowed_is_reset_and_its_instance_is_not_blamed() {
    let origin = origin();
    let edge = with(&origin, |wanted| wanted.listener.limits.body = BodyLimit::Bytes(12));
    let client = H2Client::connect(edge.address());
    let mut asked = client.begin(call("/echo"), false);
    asked.send(MESSAGE, false);
    assert_eq!(client.part(&mut asked), MESSAGE);
    asked.send(MESSAGE, false);
    assert_eq!(client.part(&mut asked), MESSAGE);
    asked.send(MESSAGE, false);
    let answer = client.answer(asked);
    assert!(answer.reset().is_some(), "{answer:?}");
    let live = edge.live(origin.address());
    eventually("nothing is open", || live.in_flight() == 0);
    assert_eq!(live.outcomes().failures, 0);
}

#[test]
fn a_call_over_http_1_ends_by_its_trailers_too() {
    let origin = Origin::start(|_| {
        vec![Step::send(
            "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n\
             0\r\nGrpc-Status: 13\r\n\r\n",
        )]
    });
    let edge = TestEdge::start(&[origin.address()]);
    let answer = ask(&edge, call("/"));
    assert_eq!(answer.trailers.expect("they come")["grpc-status"], "13");
    eventually("it is counted", || counted(&edge, Some(GrpcStatus::Internal)) == 1);
    eventually("as a failure", || edge.live(origin.address()).outcomes().server_errors == 1);
}
