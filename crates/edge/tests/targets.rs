//! What clients ask for, as instances see it: every target that is let pass reaches servers of both
//! protocols, and what is refused is refused before any of them is asked.

use testkit::{H2Origin, H2Step, Origin, Protocol, RawClient, Step, TestEdge, ask};

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

/// Latin-1 and EUC-KR as old browsers send them.
#[test]
fn raw_bytes_that_are_no_utf_8_are_refused_and_pass_when_they_are_escaped() {
    let plain = Origin::start(|_| vec![Step::answer(200, "")]);
    let edge = TestEdge::start(&[plain.address()]);
    for (raw, escaped) in [(&b"/\xe4"[..], "/%E4"), (b"/?q=\xc7\xd1", "/?q=%C7%D1")] {
        let head = [b"GET ", raw, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        assert_eq!(RawClient::connect(edge.address()).send(head).answer().status, 400, "{escaped}");
        assert_eq!(status(&edge, &format!("GET {escaped} HTTP/1.1\r\nHost: a\r\n\r\n")), 200);
    }
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

#[test]
fn a_rewrite_changes_only_what_stands_for_the_prefix() {
    let plain = Origin::start(|_| vec![Step::answer(200, "")]);
    let h2 = h2_origin();
    let rewriting = |address, protocol, add: Option<&str>| {
        TestEdge::with(&[address], |wanted| {
            wanted.service.protocol = protocol;
            let route = &mut wanted.routes[0];
            route.matcher.path = model::PathMatch::Prefix("/v".into());
            route.policies.rewrite.strip_prefix = Some("/v".into());
            route.policies.rewrite.add_prefix = add.map(str::to_owned);
        })
    };
    let cases = [
        ("/v/fetch/https://e.example/a?x=//", "/fetch/https://e.example/a?x=//"),
        ("/v", ""),
        ("/v?a", "?a"),
        ("/v/", "/"),
        ("/%76/%41%2Fb/../c", "/%41%2Fb/../c"),
    ];
    for add in [None, Some("/w")] {
        let to_plain = rewriting(plain.address(), model::UpstreamProtocol::H1, add);
        let to_h2 = rewriting(h2.address(), model::UpstreamProtocol::H2, add);
        for (sent, rest) in cases {
            let root = add.unwrap_or(if rest.starts_with('/') { "" } else { "/" });
            let head = format!("GET {sent} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(status(&to_plain, &head), 200, "{sent}");
            assert_eq!(status(&to_h2, &head), 200, "{sent}");
            let wanted = format!("{root}{rest}");
            assert_eq!(plain.journal().last().unwrap().target, wanted, "{sent}");
            let seen = h2.journal().last().unwrap().uri.path_and_query().unwrap().to_string();
            assert_eq!(seen, wanted, "{sent} over HTTP/2");
        }
        let climbing = "GET /v/x%2f..%2f..%2fv%2fy HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(status(&to_plain, climbing), 400);
    }
}

#[test]
fn what_a_rewrite_sends_begins_with_no_authority_that_nobody_looked_at() {
    let plain = Origin::start(|_| vec![Step::answer(200, "")]);
    let rewriting = |add: Option<&str>| {
        TestEdge::with(&[plain.address()], |wanted| {
            let route = &mut wanted.routes[0];
            route.matcher.path = model::PathMatch::Prefix("/v".into());
            route.policies.rewrite.strip_prefix = Some("/v".into());
            route.policies.rewrite.add_prefix = add.map(str::to_owned);
        })
    };
    let (bare, added) = (rewriting(None), rewriting(Some("/w")));
    for (sent, left, sent_bare) in [
        ("/v//x/admin", "//x/admin", Some("/x/admin")),
        ("/./v///x//admin?a=//", "///x//admin?a=//", Some("/x//admin?a=//")),
        ("/v//", "//", Some("/")),
        ("/v/\\x/admin", "/\\x/admin", None),
        ("/v//%5cx/admin", "//%5cx/admin", None),
        ("/v/%2fx/admin", "/%2fx/admin", None),
    ] {
        for protocol in Protocol::ALL {
            let seen = ask(protocol, bare.address(), "GET", sent).status();
            assert_eq!(
                seen,
                Some(if sent_bare.is_some() { 200 } else { 400 }),
                "{sent}, {protocol:?}"
            );
            if let Some(wanted) = sent_bare {
                assert_eq!(plain.journal().last().unwrap().target, wanted, "{protocol:?}");
            }
            assert_eq!(ask(protocol, added.address(), "GET", sent).status(), Some(200), "{sent}");
            assert_eq!(plain.journal().last().unwrap().target, format!("/w{left}"), "{protocol:?}");
        }
    }
}

#[test]
fn a_path_that_a_server_could_read_as_a_guarded_one_is_refused() {
    let origin = Origin::start(|_| vec![Step::answer(200, "")]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        let mut guarded = wanted.routes[0].clone();
        guarded.matcher.path = model::PathMatch::Prefix("/admin".into());
        guarded.matcher.from = vec!["192.0.2.0/24".parse().unwrap()];
        let mut forbidden = guarded.clone();
        forbidden.matcher.from.clear();
        forbidden.action = model::Action::Respond(model::Respond {
            status: 403,
            body: String::new(),
            content_type: "text/plain".into(),
        });
        wanted.routes.extend([guarded, forbidden]);
    });
    let with = |target: &str, wanted: u16| {
        for protocol in Protocol::ALL {
            let seen = ask(protocol, edge.address(), "GET", target);
            assert_eq!(seen.status(), Some(wanted), "{target}, {protocol:?}");
        }
    };
    for target in ["/admin/x", "/admin//x", "/./admin/x", "/%61dmin/x", "/x/../admin/x"] {
        with(target, 403);
    }
    for target in [
        "/x%2f..%2fadmin/secret.txt",
        "/%2fadmin/secret.txt",
        "/admin%2fsecret.txt",
        "/admin;x/secret.txt",
        "/x\\..\\admin\\x",
        "/x/..;/admin/x",
        "/%2561dmin/x",
        "/a%00",
        "//admin/x",
        "//x/admin/secret",
        "///x/admin/secret",
        "//x@y:80/admin/secret",
        "//x\\admin/secret",
        "/\\x/admin/secret",
        "/%2Fx/admin/secret",
        "/admin%3fx",
        "/admin%23y",
    ] {
        with(target, 400);
    }
    assert!(origin.journal().is_empty());
    for target in ["/open%2Fa;b", "//open/x", "/what%3Fever%23"] {
        with(target, 200);
    }
    // HPACK makes each of these cost a client a few bytes.
    let long = format!("/admin/{}", "/a;\\%2f/..//%25b".repeat(200));
    with(&long, 400);
}

#[test]
fn tls_and_other_binary_on_a_plain_port_is_answered_at_its_first_byte() {
    let edge = TestEdge::start(&[testkit::origin::refusing_address()]);
    for (begun, word) in [
        (&b"\x16"[..], "TLS was spoken"),
        (&b"\x16\x03\x01\x02\x00\x01\x00\n"[..], "TLS was spoken"),
        (&b"\x00"[..], "malformed"),
        (&b"\x80\x2e"[..], "malformed"),
        (&b"{\"a\""[..], "malformed"),
        (&b"\x04\x01\x00\x50"[..], "malformed"),
    ] {
        let answer = RawClient::connect(edge.address()).send(begun).answer();
        assert_eq!(answer.status, 400, "{begun:?}");
        assert!(answer.text().contains(word), "{begun:?}: {}", answer.text());
    }
    let long = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "X".repeat(100_000));
    assert_eq!(status(&edge, &long), 400, "a method is no target");
}

#[test]
fn as_many_header_fields_pass_as_the_listener_allows() {
    let plain = Origin::start(|_| {
        let fields: String = (0..900).map(|n| format!("y{n}: z\r\n")).collect();
        vec![Step::send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"))]
    });
    let edge = TestEdge::with(&[plain.address()], |wanted| {
        wanted.listener.limits.headers = 1000;
        wanted.listener.limits.header_bytes = 100_000;
    });
    for (count, wanted) in [(999, 200), (1000, 431)] {
        let fields: String = (0..count).map(|n| format!("x{n}: y\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(status(&edge, &head), wanted, "{count} and the host");
    }
    let journal = plain.journal();
    assert_eq!(journal.len(), 1);
    assert_eq!(journal[0].fields("x998").next(), Some("y"));
}

#[test]
fn what_a_rewritten_response_says_of_places_is_mapped_back() {
    let fields = "Location: /w/login\r\nContent-Location: http://internal/w/x\r\nRefresh: 1; url=/w\r\n\
                  Set-Cookie: a=1; Path=/w/a\r\nSet-Cookie: b=1; Path=/\r\nX-Place: /w/a\r\n";
    let plain = Origin::start(move |_| {
        vec![Step::send(format!("HTTP/1.1 302 Found\r\n{fields}Content-Length: 0\r\n\r\n"))]
    });
    let edge = TestEdge::with(&[plain.address()], |wanted| {
        let route = &mut wanted.routes[0];
        route.matcher.path = model::PathMatch::Prefix("/v".into());
        let rewrite = &mut route.policies.rewrite;
        rewrite.strip_prefix = Some("/v".into());
        rewrite.add_prefix = Some("/w".into());
        rewrite.host = Some("internal".into());
    });
    let over_h1 = RawClient::connect(edge.address()).get("/v/x");
    let over_h2 = testkit::H2Client::connect(edge.address()).get("/v/x");
    for (name, wanted) in [
        ("location", "/v/login"),
        ("content-location", "/v/x"),
        ("refresh", "1; url=/v"),
        ("set-cookie", "a=1; Path=/v/a"),
        ("x-place", "/w/a"),
    ] {
        assert_eq!(over_h1.field(name), Some(wanted), "{name}");
        assert_eq!(over_h2.field(name), Some(wanted), "{name} over HTTP/2");
    }
    assert!(over_h1.head.contains("b=1; Path=/\r\n"), "{}", over_h1.head);
    let as_it_was = TestEdge::start(&[plain.address()]);
    let answer = RawClient::connect(as_it_was.address()).get("/v/x");
    assert!(answer.head.contains(fields), "{}", answer.head);
}
