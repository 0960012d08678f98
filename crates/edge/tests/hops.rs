//! What an intermediary owes: `Via` and the circle that it breaks, `Max-Forwards`, methods and upgrades
//! that go no further.

use http::HeaderValue;
use testkit::h2_client::request;
use testkit::{H2Client, H2Origin, H2Step, Origin, Protocol, RawClient, Step, TestEdge, ask};

fn one() -> (Origin, TestEdge) {
    let origin = Origin::start(|_| vec![Step::answer(200, "")]);
    let edge = TestEdge::start(&[origin.address()]);
    (origin, edge)
}

#[test]
fn both_sides_are_told_who_came_between() {
    let (origin, edge) = one();
    let mut client = RawClient::connect(edge.address());
    let answer =
        client.send("GET / HTTP/1.0\r\nVia: 1.1 a\r\nConnection: keep-alive\r\n\r\n").answer();
    let via = answer.field("via").expect("it says so").to_owned();
    let name = via.strip_prefix("1.1 ").expect("the response came over HTTP/1.1");
    assert!(name.starts_with("plimsoll-"), "{via}");
    H2Client::connect(edge.address()).get("/");
    let journal = origin.journal();
    let seen = |at: usize| journal[at].fields("via").map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(seen(0), ["1.1 a".to_owned(), format!("1.0 {name}")]);
    assert_eq!(seen(1), [format!("2.0 {name}")]);
    let h2 = H2Origin::start(|_| vec![H2Step::Bare(200, &[])]);
    let edge = TestEdge::with(&[h2.address()], |wanted| {
        wanted.service.protocol = model::UpstreamProtocol::H2;
    });
    let via = RawClient::connect(edge.address()).get("/").field("via").map(str::to_owned);
    assert!(via.expect("it says so").starts_with("2.0 plimsoll-"));
    assert_eq!(h2.journal()[0].headers.get_all("via").iter().count(), 1);
}

#[test]
fn on_one_connection_each_request_is_told_of_as_itself() {
    let (origin, edge) = one();
    let mut client = RawClient::connect(edge.address());
    let long = format!("{}example", "a.".repeat(200));
    let asked = [
        ("1.1", "a.example"),
        ("1.1", "a.example"),
        ("1.1", "b.example:81"),
        ("1.0", "b.example:81"),
        ("1.1", &long),
        ("1.1", "a.example"),
    ];
    for (version, host) in asked {
        let head =
            format!("GET / HTTP/{version}\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(client.send(head).answer().status, 200);
    }
    let journal = origin.journal();
    for (seen, (version, host)) in journal.iter().zip(asked) {
        let field = |name| seen.fields(name).collect::<Vec<_>>();
        let port = host.split_once(':').map_or("80", |(_, port)| port);
        assert_eq!(field("host"), [host]);
        assert_eq!(field("x-forwarded-host"), [host]);
        assert_eq!(field("x-forwarded-port"), [port]);
        assert_eq!(field("x-forwarded-for"), ["127.0.0.1"]);
        let told = format!("for=127.0.0.1;host=\"{host}\";proto=http");
        assert_eq!(field("forwarded"), [told]);
        assert!(field("via")[0].starts_with(version), "{:?}", field("via"));
    }
    let ids: std::collections::HashSet<_> =
        journal.iter().flat_map(|seen| seen.fields("x-request-id")).collect();
    assert_eq!(ids.len(), asked.len(), "each has an id of its own");
}

#[test]
fn a_request_that_comes_back_ends_with_508() {
    for protocol in Protocol::ALL {
        let mut edge = TestEdge::start(&[testkit::origin::refusing_address()]);
        let own = edge.address();
        edge.retarget(&[own]);
        assert_eq!(ask(protocol, own, "GET", "/").status(), Some(508), "{protocol:?}");
        let outcomes = edge.live(own).outcomes();
        assert!(outcomes.total() <= 1 && outcomes.failures == 0, "once around: {outcomes:?}");
    }
}

#[test]
fn another_edge_between_breaks_no_circle_and_makes_none() {
    let (origin, near) = one();
    let far = TestEdge::start(&[near.address()]);
    assert_eq!(ask(Protocol::H1, far.address(), "GET", "/").status(), Some(200));
    assert_eq!(origin.journal()[0].fields("via").count(), 2);
    let mut near = near;
    near.retarget(&[far.address()]);
    assert_eq!(ask(Protocol::H1, far.address(), "GET", "/").status(), Some(508));
}

#[test]
fn trace_and_connect_go_no_further() {
    let (origin, edge) = one();
    for method in ["TRACE", "CONNECT"] {
        let target = if method == "TRACE" { "/" } else { "a:1" };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a:1\r\nCookie: secret\r\n\r\n");
        let answer = RawClient::connect(edge.address()).send(head).answer();
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.field("allow").is_some_and(|allow| !allow.contains(method)), "{method}");
        assert!(!answer.text().contains("secret"));
    }
    assert_eq!(H2Client::connect(edge.address()).ask(request("TRACE", "/"), b"", None).status, 405);
    assert!(origin.journal().is_empty());
}

#[test]
fn an_options_is_forwarded_as_often_as_it_may() {
    let (origin, edge) = one();
    for (value, forwarded) in [("0", None), ("1", Some("0")), ("10", Some("9")), ("x", Some("x"))] {
        let before = origin.journal().len();
        let mut head = request("OPTIONS", "/");
        head.headers_mut().insert("max-forwards", HeaderValue::from_static(value));
        let over_h2 = H2Client::connect(edge.address()).ask(head, b"", None);
        let head = format!("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: {value}\r\n\r\n");
        let over_h1 = RawClient::connect(edge.address()).send(head).answer();
        assert_eq!((over_h1.status, over_h2.status), (200, 200), "{value}");
        assert_eq!(over_h1.field("allow").is_some(), forwarded.is_none(), "{value}");
        let journal = origin.journal();
        let seen: Vec<_> =
            journal[before..].iter().map(|it| it.fields("max-forwards").next()).collect();
        assert_eq!(seen, vec![forwarded; if forwarded.is_some() { 2 } else { 0 }], "{value}");
    }
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").answer();
    assert_eq!(origin.journal().last().unwrap().fields("max-forwards").next(), Some("0"));
}

#[test]
fn of_several_upgrades_those_around_the_gateway_are_not_offered() {
    let (origin, edge) = one();
    for (offered, seen) in
        [("h2c, websocket", Some("websocket")), ("h2c", None), ("TLS/1.2, h2c", None)]
    {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, HTTP2-Settings\r\n\
             HTTP2-Settings: x\r\nUpgrade: {offered}\r\n\r\n"
        );
        assert_eq!(RawClient::connect(edge.address()).send(head).answer().status, 200);
        let journal = origin.journal();
        let last = journal.last().unwrap();
        assert_eq!(last.fields("upgrade").next(), seen, "{offered}");
        assert_eq!(last.fields("connection").next().is_some(), seen.is_some(), "{offered}");
        assert_eq!(last.fields("http2-settings").next(), None);
    }
}
