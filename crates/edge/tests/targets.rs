//! What clients ask for, as instances see it: every target that is let pass reaches servers of both
//! protocols, and what is refused is refused before any of them is asked.

use testkit::{H2Origin, H2Step, Origin, RawClient, Step, TestEdge};

/// Targets that browsers, curl and other clients send as they are.
const TARGETS: [(&str, &str); 9] = [
    ("/plain?a=b", "/plain?a=b"),
    ("/a<b", "/a%3Cb"),
    ("/?x=<b>", "/?x=%3Cb%3E"),
    ("/?q={\"a\":1}", "/?q={%22a%22:1}"),
    ("/\"{|}^`>?`\"", "/\"{|}^%60%3E?`%22"),
    ("/ä/日本?ü", "/%C3%A4/%E6%97%A5%E6%9C%AC?%C3%BC"),
    ("/a%3Cb%e4?%zz%", "/a%3Cb%e4?%zz%"),
    ("/a//b/;c/~!$&'()*+,=:@", "/a//b/;c/~!$&'()*+,=:@"),
    ("/?a?/../\\[]", "/?a?/../\\[]"),
];

fn over_h2(origin: &H2Origin) -> TestEdge {
    TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.protocol = model::UpstreamProtocol::H2;
    })
}

fn h2_origin() -> H2Origin {
    H2Origin::start(|_| vec![H2Step::Bare(200, &[])])
}

/// The status of the response to `head`, on a connection of its own.
fn status(edge: &TestEdge, head: &str) -> u16 {
    let answer = RawClient::connect(edge.address()).send(head).try_answer();
    answer.unwrap_or_else(|error| panic!("{head:?}: {error}")).status
}

#[test]
fn what_is_let_pass_reaches_instances_of_both_protocols() {
    let plain = Origin::start(|_| vec![Step::answer(200, "")]);
    let h2 = h2_origin();
    let (to_plain, to_h2) = (TestEdge::start(&[plain.address()]), over_h2(&h2));
    for (target, _) in TARGETS {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a_b.c:80\r\n\r\n");
        assert_eq!(status(&to_plain, &head), 200, "{target}");
        assert_eq!(status(&to_h2, &head), 200, "{target} over HTTP/2");
    }
    let seen: Vec<String> = plain.journal().into_iter().map(|request| request.target).collect();
    assert_eq!(seen, TARGETS.map(|(sent, _)| sent), "byte for byte");
    let seen = h2.journal();
    let seen = seen.iter().map(|head| head.uri.path_and_query().unwrap().as_str());
    assert_eq!(seen.collect::<Vec<_>>(), TARGETS.map(|(_, escaped)| escaped));
    assert!(h2.journal().iter().all(|head| head.uri.authority().unwrap() == "a_b.c:80"));
}

#[test]
fn what_cannot_be_said_is_refused_before_an_instance_is_asked() {
    let plain = Origin::start(|_| vec![Step::answer(200, "")]);
    let h2 = h2_origin();
    let (to_plain, to_h2) = (TestEdge::start(&[plain.address()]), over_h2(&h2));
    let long = format!("/{}", "x".repeat(66_000));
    let with = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut heads: Vec<_> = ["/\x01", "/\t", "/a#b", "/\x7f", "/ x", "a", "//\0"]
        .map(|target| with(target, "a"))
        .into();
    heads.extend(
        ["a%62", "a:99999", "a:0", "a b", "a,b", "[::1", "a..b", "ä"].map(|host| with("/", host)),
    );
    for head in heads {
        for edge in [&to_plain, &to_h2] {
            assert_eq!(status(edge, &head), 400, "{head:?}");
        }
    }
    let roomy = |wanted: &mut testkit::edge::Wanted| wanted.listener.limits.header_bytes = 100_000;
    let edge = TestEdge::with(&[plain.address()], roomy);
    assert_eq!(status(&edge, &with(&long, "a")), 414);
    assert!(plain.journal().is_empty() && h2.journal().is_empty());
    let outcomes = to_h2.live(h2.address()).outcomes();
    assert_eq!((outcomes.failures, outcomes.server_errors), (0, 0));
}

#[test]
fn a_target_that_grows_too_long_for_its_instance_is_not_the_instances_fault() {
    let h2 = h2_origin();
    let edge = TestEdge::with(&[h2.address()], |wanted| {
        wanted.service.protocol = model::UpstreamProtocol::H2;
        wanted.listener.limits.header_bytes = 100_000;
    });
    let target = format!("/{}", "<".repeat(30_000));
    assert_eq!(status(&edge, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")), 414);
    assert!(h2.journal().is_empty());
    assert_eq!(edge.live(h2.address()).outcomes().total(), 0);
}

#[test]
fn a_client_that_names_no_host_asks_for_the_instance_itself() {
    let plain = Origin::start(|_| vec![Step::answer(200, "")]);
    let h2 = h2_origin();
    assert_eq!(status(&TestEdge::start(&[plain.address()]), "GET / HTTP/1.0\r\n\r\n"), 200);
    assert_eq!(status(&over_h2(&h2), "GET / HTTP/1.0\r\n\r\n"), 200);
    let seen = &plain.journal()[0];
    assert_eq!(seen.fields("host").collect::<Vec<_>>(), [plain.address().to_string()]);
    assert_eq!(seen.fields("x-forwarded-host").next(), None);
    let authority = h2.journal()[0].uri.authority().map(ToString::to_string);
    assert_eq!(authority, Some(h2.address().to_string()));
}

#[test]
fn an_absolute_target_without_a_path_asks_for_the_root() {
    let origin = Origin::start(|_| vec![Step::answer(200, "")]);
    let edge = TestEdge::start(&[origin.address()]);
    for (method, target) in
        [("GET", "http://a.b"), ("GET", "http://a.b?x=1"), ("OPTIONS", "http://a.b")]
    {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a.b\r\n\r\n");
        assert_eq!(status(&edge, &head), 200, "{method} {target}");
    }
    let seen: Vec<_> = origin.journal().into_iter().map(|request| request.target).collect();
    assert_eq!(seen, ["/", "/?x=1", "*"]);
    assert!(origin.journal().iter().all(|request| request.fields("host").eq(["a.b"])));
}
