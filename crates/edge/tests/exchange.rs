//! What clients and instances see of exchanges, over real sockets.

use std::time::Duration;

use testkit::{Line, Origin, Protocol, RawClient, Request, Step, Talk, TestEdge};

fn one(
    script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
) -> (Origin, TestEdge, RawClient) {
    let (origin, edge) = TestEdge::over(script);
    let client = RawClient::connect(edge.address());
    (origin, edge, client)
}

#[test]
fn an_idle_pair_alternates() {
    for protocol in Protocol::ALL {
        let (one, two) = (Origin::polite("one"), Origin::polite("two"));
        let edge = TestEdge::start(&[one.address(), two.address()]);
        let mut line = Line::open(protocol, edge.address());
        for _ in 0..10 {
            assert_eq!(line.get("/").status, 200, "{protocol:?}");
        }
        assert_eq!((one.journal().len(), two.journal().len()), (5, 5), "{protocol:?}");
        assert_eq!((one.connections(), two.connections()), (1, 1), "connections are kept");
    }
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
    for protocol in Protocol::ALL {
        let (origin, edge) = TestEdge::over(|request| match &*request.target {
            "/chunked" => vec![Step::send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
            )],
            "/close" => vec![Step::send("HTTP/1.1 200 OK\r\n\r\nto the end"), Step::Close],
            _ => vec![Step::answer(200, &String::from_utf8_lossy(&request.body))],
        });
        let mut line = Line::open(protocol, edge.address());
        let chunked = line.get("/chunked");
        assert_eq!((&*chunked.body, chunked.field("content-length")), ("hello", None));
        assert_eq!(chunked.trailers("x-t"), ["1"], "{protocol:?}");
        assert_eq!(line.get("/close").body, "to the end");
        assert_eq!(line.ask(Talk::new("POST", "/").body("abc")).body, "abc");
        let large = "x".repeat(1_000_000);
        let reply = line.ask(Talk::new("POST", "/").body(large.clone()));
        assert!(reply.body == large && reply.field("content-length") == Some("1000000"));
        let trailing = Talk::new("POST", "/").body("abcde").trailer("X-Sum", "1");
        assert_eq!(line.ask(trailing).body, "abcde", "{protocol:?}");
        let journal = origin.journal();
        let lengths = [2, 3, 4].map(|at: usize| journal[at].field("content-length"));
        assert_eq!(lengths, [Some("3"), Some("1000000"), None], "{protocol:?}");
        assert_eq!(journal[4].field("transfer-encoding"), Some("chunked"));
    }
}

#[test]
fn chunks_of_a_request_are_read_however_they_come() {
    let (_origin, _edge, mut client) =
        one(|request| vec![Step::answer(200, &String::from_utf8_lossy(&request.body))]);
    client.send("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    client.send("c\r\n2;ext\r\nde\r\n0\r\n\r\n");
    assert_eq!(client.answer().text(), "abcde");
}

#[test]
fn what_is_of_one_connection_goes_no_further() {
    for protocol in Protocol::ALL {
        let (_origin, edge) = TestEdge::over(|_| {
            vec![Step::send(
                "HTTP/1.1 200 OK\r\nConnection: x-mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n\
                 Proxy-Connection: a\r\nX-Other: 1\r\nContent-Length: 0\r\n\r\n",
            )]
        });
        let reply = Talk::get("/").over(protocol, edge.address());
        for gone in ["connection", "x-mine", "keep-alive", "proxy-connection", "transfer-encoding"]
        {
            assert_eq!(reply.field(gone), None, "{protocol:?} {gone}");
        }
        assert_eq!(reply.field("x-other"), Some("1"), "{protocol:?}");
    }
}

#[test]
fn informational_heads_come_before_the_final_one() {
    for protocol in Protocol::ALL {
        let (_origin, edge) = TestEdge::over(|_| {
            let hints = Step::send("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n");
            vec![hints.clone(), hints, Step::answer(200, "ok")]
        });
        let reply = Talk::get("/").over(protocol, edge.address());
        assert_eq!((&reply.informed[..], &*reply.body), (&[103, 103][..], "ok"), "{protocol:?}");
    }
}

#[test]
fn responses_without_body_have_none() {
    for protocol in Protocol::ALL {
        let (_origin, edge) = TestEdge::over(|request| match &*request.target {
            "/204" => vec![Step::send("HTTP/1.1 204 No Content\r\n\r\n")],
            "/304" => {
                vec![Step::send("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")]
            }
            _ => vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")],
        });
        let mut line = Line::open(protocol, edge.address());
        for (method, path, status, length) in [
            ("GET", "/204", 204, None),
            ("GET", "/304", 304, Some("9")),
            ("HEAD", "/", 200, Some("7")),
            // The connection is in step.
            ("GET", "/204", 204, None),
        ] {
            let reply = line.ask(Talk::new(method, path));
            assert_eq!((reply.status, reply.field("content-length")), (status, length), "{path}");
            assert_eq!(reply.body, "", "{protocol:?} {path}");
        }
    }
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
fn problems_are_json_for_a_client_that_asks_for_json() {
    let edge = TestEdge::start(&[]);
    for protocol in Protocol::ALL {
        let talk = Talk::get("/").field("Accept", "application/json").field("X-Request-Id", "mine");
        let reply = talk.over(protocol, edge.address());
        assert_eq!(reply.field("content-type"), Some("application/problem+json"), "{protocol:?}");
        let id = reply.field("x-request-id").expect("every response has one");
        let text = &reply.body;
        assert!(text.contains("\"status\":503") && text.contains(&format!("\"{id}\"")), "{text}");
        assert_ne!(id, "mine", "nobody is believed");
    }
}
