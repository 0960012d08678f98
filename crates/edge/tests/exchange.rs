//! What clients and instances see of exchanges, over real sockets.

use std::time::Duration;

use testkit::origin::refusing_address;
use testkit::{Origin, RawClient, Request, Step, TestEdge, eventually};

fn one(
    script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
) -> (Origin, TestEdge, RawClient) {
    let origin = Origin::start(script);
    let edge = TestEdge::start(&[origin.address()]);
    let client = RawClient::connect(edge.address());
    (origin, edge, client)
}

#[test]
fn an_idle_pair_alternates() {
    let (one, two) = (Origin::polite("one"), Origin::polite("two"));
    let edge = TestEdge::start(&[one.address(), two.address()]);
    let mut client = RawClient::connect(edge.address());
    for _ in 0..10 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!((one.journal().len(), two.journal().len()), (5, 5));
    assert_eq!((one.connections(), two.connections()), (1, 1), "connections are kept");
}

#[test]
fn the_instance_sees_who_asked_and_nothing_that_is_of_one_hop() {
    let (origin, _edge, mut client) = one(|_| vec![Step::answer(200, "")]);
    client.send(
        "GET /a?b=c HTTP/1.1\r\nHost: Example.com:81\r\nConnection: x-mine, host, content-length\r\n\
         X-Mine: 1\r\nKeep-Alive: 1\r\nTE: trailers\r\nProxy-Connection: a\r\nX-Other: 2\r\n\
         X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n\
         X_Other: 3\r\n\r\n",
    );
    assert_eq!(client.answer().status, 200);
    let seen = &origin.journal()[0];
    assert_eq!(seen.target, "/a?b=c");
    let all = |name| seen.fields(name).collect::<Vec<_>>();
    assert_eq!(all("host"), ["Example.com:81"]);
    assert_eq!(all("x-other"), ["2"]);
    assert_eq!(all("x_other"), ["3"]);
    assert_eq!(all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(all("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(all("x-forwarded-proto"), ["http"]);
    assert_eq!(all("x-forwarded-host"), ["Example.com:81"]);
    assert_eq!(all("forwarded"), ["for=127.0.0.1;host=\"Example.com:81\";proto=http"]);
    assert_eq!(all("x-request-id")[0].len(), 32);
    for gone in ["x-mine", "keep-alive", "te", "proxy-connection", "connection", "x_forwarded_for"]
    {
        assert!(all(gone).is_empty(), "{gone}");
    }
}

#[test]
fn bodies_pass_both_ways_whatever_frames_them() {
    let (origin, _edge, mut client) = one(|request| match &*request.target {
        "/chunked" => vec![Step::send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
        )],
        "/close" => vec![Step::send("HTTP/1.1 200 OK\r\n\r\nto the end"), Step::Close],
        _ => vec![Step::answer(200, &String::from_utf8_lossy(&request.body))],
    });
    let chunked = client.get("/chunked");
    assert_eq!((chunked.text().as_str(), chunked.trailers.as_str()), ("hello", "X-T: 1\n"));
    assert_eq!(client.get("/close").text(), "to the end");
    client.send("POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.answer().text(), "abc");
    client.send("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    client.send("c\r\n2;ext\r\nde\r\n0\r\n\r\n");
    assert_eq!(client.answer().text(), "abcde");
    assert_eq!(origin.journal().len(), 4);
}

#[test]
fn answers_without_body_have_none() {
    let (_origin, _edge, mut client) = one(|request| match &*request.target {
        "/204" => vec![Step::send("HTTP/1.1 204 No Content\r\n\r\n")],
        "/304" => vec![Step::send("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")],
        _ => vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")],
    });
    assert_eq!(client.get("/204").field("content-length"), None);
    assert_eq!(client.get("/304").status, 304);
    let head = client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(head.field("content-length"), Some("7"));
    assert_eq!(client.get("/204").status, 204, "the connection is in step");
}

#[test]
fn http_1_0_gets_its_body_to_the_end_of_the_connection() {
    let (_origin, _edge, mut client) = one(|_| {
        vec![Step::send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        )]
    });
    let answer = client.send("GET / HTTP/1.0\r\n\r\n").answer();
    assert_eq!((answer.text().as_str(), answer.field("transfer-encoding")), ("ok", None));
}

#[test]
fn what_could_be_read_two_ways_is_refused_and_the_connection_closed() {
    let (origin, edge, _) = one(|_| vec![Step::answer(200, "")]);
    let post =
        |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
    let length = |value: &str| post(&format!("Content-Length: {value}\r\n"), "hello");
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let cases = [
        post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        length("+5"),
        length("5,5"),
        length("0x5"),
        length(""),
        length("99999999999999999999"),
        chunked("Z\r\n"),
        chunked("5\r\nhelloX\r\n0\r\n\r\n"),
        chunked(&format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(300))),
        chunked("5\nhello\r\n0\r\n\r\n"),
        "GET / HTTP/1.1\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(),
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n".into(),
        "GET / HTTP/1.1\nHost: a\n\n".into(),
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n".into(),
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "GET /../etc HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "hello\r\n\r\n".into(),
    ];
    for case in cases {
        let mut client = RawClient::connect(edge.address());
        let answer = client.send(&case).answer();
        assert_eq!(answer.status, 400, "{case:?}");
        assert_eq!(answer.field("connection"), Some("close"), "{case:?}");
        assert!(answer.field("x-request-id").is_some(), "{case:?}");
        assert!(client.is_closed(), "{case:?}");
    }
    let whole = |request: &Request| request.body == b"hello" || !request.body.is_empty();
    assert!(!origin.journal().iter().any(whole), "no instance saw one of them whole");
}

#[test]
fn limits_have_answers_of_their_own() {
    let (_origin, edge, _) = one(|_| vec![Step::answer(200, "")]);
    let huge = "x".repeat(40_000);
    let many: String = (0..101).map(|n| format!("a{n}: b\r\n")).collect();
    for (request, status) in [
        (format!("GET /{huge}"), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {huge}"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\n".into(), 413),
    ] {
        let mut client = RawClient::connect(edge.address());
        assert_eq!(client.send(&request).answer().status, status);
        assert!(client.is_closed());
    }
}

#[test]
fn connect_is_told_what_is_served_instead() {
    let (origin, edge, _) = one(|_| vec![Step::answer(200, "")]);
    for target in ["example.com:443", "/"] {
        let mut client = RawClient::connect(edge.address());
        client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: example.com\r\n\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status, 405, "{target}");
        assert!(answer.field("allow").is_some_and(|methods| methods.contains("GET")), "{target}");
    }
    assert!(origin.journal().is_empty());
}

#[test]
fn a_chunked_body_over_the_limit_is_refused_while_it_comes() {
    let origin = Origin::polite("one");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.limits.body = model::BodyLimit::Bytes(10);
    });
    let mut client = RawClient::connect(edge.address());
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n");
    client.send("8\r\n12345678\r\n");
    assert_eq!(client.answer().status, 413);
}

#[test]
fn early_hints_and_continue_are_passed_on() {
    let (_origin, _edge, mut client) = one(|request| match &*request.target {
        "/hints" => vec![
            Step::send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"),
            Step::answer(200, "ok"),
        ],
        _ => vec![Step::send("HTTP/1.1 100 Continue\r\n\r\n"), Step::Echo],
    });
    client.send("GET /hints HTTP/1.1\r\nHost: a\r\n\r\n");
    let hints = client.head();
    assert_eq!((hints.status, hints.field("link")), (103, Some("</a.css>")));
    assert_eq!(client.answer().text(), "ok");
    client.send(
        "PUT /unread HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 55\r\n\r\n",
    );
    assert_eq!(client.head().status, 100);
    client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{}", "0123456789abcdef"));
    assert_eq!(client.answer().text(), "0123456789abcdef");
}

#[test]
fn an_instance_that_refuses_a_body_is_heard() {
    let (_origin, _edge, mut client) = one(|_| {
        vec![Step::send(
            "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
        )]
    });
    client.send("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (413, "no"));
}

#[test]
fn an_upgrade_becomes_a_tunnel_with_half_close() {
    let (origin, _edge, mut client) = one(|_| {
        vec![
            Step::send("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"),
            Step::Echo,
            Step::send("bye"),
            Step::Close,
        ]
    });
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ");
    let head = client.head();
    assert_eq!((head.status, head.field("upgrade")), (101, Some("echo")));
    client.send("late").end();
    assert_eq!(client.read_to_end().unwrap(), b"early latebye");
    assert_eq!(origin.journal()[0].fields("upgrade").collect::<Vec<_>>(), ["echo"]);
}

#[test]
fn an_h2c_upgrade_is_not_forwarded() {
    let (origin, _edge, mut client) = one(|_| vec![Step::answer(200, "")]);
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert_eq!(client.answer().status, 200);
    let seen = &origin.journal()[0];
    for gone in ["upgrade", "http2-settings", "connection"] {
        assert_eq!(seen.fields(gone).count(), 0, "{gone}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_origin, _edge, mut client) = one(|request| vec![Step::answer(200, &request.target)]);
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "/1");
    assert_eq!(client.answer().text(), "/2");
}

#[test]
fn one_that_refuses_is_passed_over_and_the_client_sees_nothing_of_it() {
    let origin = Origin::polite("one");
    let edge = TestEdge::start(&[refusing_address(), origin.address()]);
    let mut client = RawClient::connect(edge.address());
    for n in 0..8 {
        client.send(format!("POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"));
        assert_eq!(client.answer().text(), "one");
    }
    let targets: Vec<_> = origin.journal().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, (0..8).map(|n| format!("/{n}")).collect::<Vec<_>>(), "each ran once");
}

#[test]
fn what_must_run_once_is_not_sent_twice() {
    let broken = Origin::start(|_| vec![Step::Reset]);
    let other = Origin::polite("other");
    let edge = TestEdge::start(&[broken.address(), other.address()]);
    let mut client = RawClient::connect(edge.address());
    let mut statuses = Vec::new();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
        statuses.push(client.answer().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 502]);
    assert_eq!(broken.journal().len() + other.journal().len(), 2);
}

#[test]
fn what_may_run_twice_is_sent_again_with_its_body() {
    let broken = Origin::start(|_| vec![Step::Reset]);
    let other = Origin::start(|request| vec![Step::answer(200, &request.target)]);
    let edge = TestEdge::start(&[broken.address(), other.address()]);
    let mut client = RawClient::connect(edge.address());
    for n in 0..4 {
        client.send(format!("PUT /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"));
        assert_eq!(client.answer().text(), format!("/{n}"));
    }
    assert!(other.journal().iter().all(|request| request.body == b"ab"));
    assert!(!broken.journal().is_empty());
}

#[test]
fn a_503_is_asked_elsewhere_where_that_is_safe() {
    let busy = Origin::start(|_| vec![Step::answer(503, "busy")]);
    let other = Origin::polite("other");
    let edge = TestEdge::start(&[busy.address(), other.address()]);
    let mut client = RawClient::connect(edge.address());
    for _ in 0..4 {
        assert_eq!(client.get("/").text(), "other");
    }
    let mut posted = Vec::new();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        posted.push(client.answer().status);
    }
    posted.sort_unstable();
    assert_eq!(posted, [200, 503], "an answer to a POST is passed on as it is");
}

#[test]
fn a_kept_connection_that_was_closed_is_nobodys_failure() {
    let (origin, edge, mut client) = one(|_| vec![Step::answer(200, "ok")]);
    assert_eq!(client.get("/").text(), "ok");
    origin.close_connections();
    assert_eq!(client.get("/").text(), "ok");
    let live = edge.live(origin.address());
    eventually("both are counted", || live.outcomes().ok == 2);
    assert_eq!(live.outcomes().failures, 0);
}

#[test]
fn all_down_is_a_503_that_says_when_to_come_back() {
    let edge = TestEdge::start(&[]);
    let answer = RawClient::connect(edge.address()).get("/");
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")));
}

#[test]
fn a_slow_instance_is_a_504_and_a_slow_client_a_408() {
    let origin = Origin::start(|_| vec![Step::Wait(Duration::from_secs(2)), Step::answer(200, "")]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.timeouts.first_byte = Duration::from_millis(100);
        wanted.listener.timeouts.header = Duration::from_millis(100);
        wanted.listener.timeouts.body_idle = Duration::from_millis(100);
    });
    let ask = |request: &str| RawClient::connect(edge.address()).send(request).answer().status;
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 504);
    assert_eq!(ask("GET / HTTP/1.1\r\nHost"), 408);
    assert_eq!(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"), 408);
}

#[test]
fn problems_are_json_for_who_asks_for_json() {
    let edge = TestEdge::start(&[]);
    let mut client = RawClient::connect(edge.address());
    let ask = "GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nX-Request-Id: mine\r\n\r\n";
    let answer = client.send(ask).answer();
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    let id = answer.field("x-request-id").expect("every response has one");
    let text = answer.text();
    assert!(text.contains("\"status\":503") && text.contains(&format!("\"{id}\"")), "{text}");
    assert_ne!(id, "mine", "nobody is believed");
}

#[test]
fn a_failure_on_a_kept_connection_that_the_client_feels_is_the_instance_s() {
    let origin = Origin::start(|request| match request.method.as_str() {
        "POST" => vec![Step::Close],
        _ => vec![Step::answer(200, "fine")],
    });
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    assert_eq!(client.get("/").text(), "fine");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 502);
    assert_eq!(edge.live(origin.address()).outcomes().failures, 1);
}
