//! What routes change on the way, and whom of a request is believed: seen by instances and clients,
//! over both protocols.

use model::{
    Action, HeaderEdits, HostMatch, Matcher, PathMatch, Redirect, Respond, Rewrite, Route,
};
use model::{Destination, Share, Sticky};
use testkit::{Authority, Origin, Protocol, RawClient, Reply, Request, Step, Talk, TestEdge};
use wire::tls::Alpn;

/// An edge over one origin that answers everything with 200.
struct Stage {
    origin: Origin,
    edge: TestEdge,
}

impl Stage {
    fn with(change: impl FnOnce(&mut testkit::edge::Wanted)) -> Self {
        let origin = Origin::polite("fine");
        let edge = TestEdge::with(&[origin.address()], change);
        Self { origin, edge }
    }

    /// One whose peer, which is this machine, is a trusted proxy.
    fn behind_a_proxy(change: impl FnOnce(&mut Route)) -> Self {
        Self::with(|wanted| {
            wanted.listener.trusted_proxies = networks(&["127.0.0.0/8", "10.0.0.0/8"]);
            change(&mut wanted.routes[0]);
        })
    }

    fn routed(change: impl FnOnce(&mut Route)) -> Self {
        Self::with(|wanted| change(&mut wanted.routes[0]))
    }

    fn ask(&self, protocol: Protocol, talk: Talk) -> Reply {
        talk.over(protocol, self.edge.address())
    }

    /// What the instance sees of a request.
    fn seen(&self, protocol: Protocol, talk: Talk) -> Request {
        assert_eq!(self.ask(protocol, talk).status, 200);
        self.origin.journal().pop().expect("it was asked")
    }
}

fn networks(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().expect("a network")).collect()
}

fn edits(set: &[(&str, &str)], remove: &[&str]) -> HeaderEdits {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    HeaderEdits {
        set: set.iter().map(owned).collect(),
        remove: remove.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn a_rewrite_changes_target_and_host_and_tells_what_it_took() {
    let stage = Stage::routed(|route| {
        route.matcher.path = PathMatch::Prefix("/chat".into());
        route.policies.rewrite = Rewrite {
            strip_prefix: Some("/chat".into()),
            add_prefix: Some("/v2".into()),
            host: Some("chat.internal".into()),
        };
    });
    for protocol in Protocol::ALL {
        for (asked, target) in
            [("/chat/room?a=b/c", "/v2/room?a=b/c"), ("/chat", "/v2"), ("/chat/%41", "/v2/%41")]
        {
            let seen = stage.seen(protocol, Talk::get(asked).host("a.example:81"));
            assert_eq!(seen.target, target, "{protocol:?}");
            assert_eq!(seen.field("host"), Some("chat.internal"));
            assert_eq!(seen.field("x-forwarded-host"), Some("a.example:81"));
            assert_eq!(seen.field("x-forwarded-prefix"), Some("/chat"));
            assert_eq!(seen.field("x-forwarded-port"), Some("81"));
        }
    }
}

#[test]
fn edits_of_request_headers_hold_in_every_spelling_and_behind_the_body() {
    let stage = Stage::routed(|route| {
        route.policies.request_headers =
            edits(&[("x-env", "prod"), ("x-auth-user", "")], &["x-internal"]);
    });
    let spellings = ["X-Env", "x_env", "X_ENV", "x.env"];
    let others = ["X_Auth_User", "X_Internal", "X-Internal"];
    for protocol in Protocol::ALL {
        let mut talk = Talk::new("POST", "/").body("abc");
        for name in spellings.iter().chain(&others) {
            talk = talk.field(name, "evil").trailer(name, "evil");
        }
        let kept = talk.field("X-Environment", "mine").trailer("X-Sum", "1");
        let seen = stage.seen(protocol, kept);
        assert_eq!(seen.field("x-env"), Some("prod"), "{protocol:?}");
        assert_eq!(seen.field("x-auth-user"), Some(""));
        assert_eq!(seen.field("x-environment"), Some("mine"));
        assert!(!seen.head.contains("evil"), "{}", seen.head);
        assert_eq!(seen.trailers.to_lowercase(), "x-sum: 1\n");
        assert_eq!(seen.body, b"abc");
    }
}

#[test]
fn nothing_comes_behind_a_body_that_is_looked_at_in_heads() {
    let stage = Stage::routed(|_| {});
    for protocol in Protocol::ALL {
        let mut talk = Talk::new("POST", "/").body("abc");
        for name in [
            "Authorization",
            "Cookie",
            "X-Forwarded-For",
            "X_Forwarded_Prefix",
            "X-Original-URL",
            "X-Real-IP",
            "Forwarded",
            "X-Request-Id",
            "Content-Type",
            "Proxy",
        ] {
            talk = talk.trailer(name, "evil");
        }
        let seen = stage.seen(protocol, talk.trailer("X-Sum", "1"));
        assert_eq!(seen.trailers.to_lowercase(), "x-sum: 1\n", "{protocol:?}");
    }
    // HTTP/2 has no `Connection`.
    let talk = Talk::new("POST", "/").field("Connection", "x-mine").trailer("X-Mine", "1");
    assert_eq!(stage.seen(Protocol::H1, talk).trailers, "");
}

#[test]
fn edits_of_response_headers_hold_for_the_instances_response_and_its_trailers() {
    let origin = Origin::start(|_| {
        vec![Step::send(
            "HTTP/1.1 200 OK\r\nServer: x\r\nX_Powered_By: y\r\nX-Frame-Options: ALLOW\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Powered-By: z\r\nX-Sum: 1\r\n\r\n",
        )]
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.routes[0].policies.response_headers =
            edits(&[("x-frame-options", "DENY")], &["server", "x-powered-by"]);
    });
    for protocol in Protocol::ALL {
        let reply = Talk::get("/").over(protocol, edge.address());
        assert_eq!(reply.field("x-frame-options"), Some("DENY"), "{protocol:?}");
        assert_eq!((reply.field("server"), reply.field("x_powered_by")), (None, None));
        assert_eq!((reply.trailers("x-powered-by"), reply.trailers("x-sum")), (vec![], vec!["1"]));
    }
}

#[test]
fn a_route_has_a_body_limit_of_its_own() {
    let stage = Stage::routed(|route| {
        route.policies.body = Some(model::BodyLimit::Bytes(4));
    });
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, Talk::new("POST", "/").body("abcd")).status, 200);
        assert_eq!(stage.ask(protocol, Talk::new("POST", "/").body("abcde")).status, 413);
    }
}

#[test]
fn what_a_client_says_of_its_way_is_dropped_in_every_spelling() {
    let stage = Stage::routed(|_| {});
    let names = [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Forwarded-Client-Cert",
        "X_Forwarded_Prefix",
        "x.forwarded.port",
        "X_Forwarded_Anything",
        "X-Real-IP",
        "X_Real_IP",
        "Forwarded",
        "X-Original-URL",
        "X_Original_URL",
        "X-Rewrite-URL",
        "True-Client-IP",
        "X-Client-IP",
        "CF-Connecting-IP",
        "Front-End-Https",
        "Proxy",
        "X-Request-Id",
        "X_Request_Id",
    ];
    for protocol in Protocol::ALL {
        let talk = names.iter().fold(Talk::get("/"), |talk, name| talk.field(name, "6.6.6.6"));
        let seen = stage.seen(protocol, talk);
        assert!(!seen.head.contains("6.6.6.6"), "{protocol:?}: {}", seen.head);
        assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.field("x-real-ip"), Some("127.0.0.1"));
        assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
        assert_eq!(seen.field("x-forwarded-port"), Some("80"));
        assert_eq!(seen.field("x-forwarded-host"), Some("example.com"));
        assert_eq!(seen.field("x-forwarded-prefix"), None);
        let forwarded = "for=127.0.0.1;host=\"example.com\";proto=http";
        assert_eq!(seen.field("forwarded"), Some(forwarded));
        assert_eq!(seen.field("x-request-id").map(str::len), Some(32));
    }
}

#[test]
fn behind_a_trusted_proxy_both_families_tell_one_chain() {
    let stage = Stage::behind_a_proxy(|_| {});
    for protocol in Protocol::ALL {
        let asked = Talk::get("/")
            .host("a.example")
            .field("X-Forwarded-For", "6.6.6.6, ::ffff:1.2.3.4")
            .field("X-Forwarded-For", ", 10.0.0.7,")
            .field("X-Forwarded-Proto", "HTTPS")
            .field("X-Forwarded-Port", "8443")
            .field("X-Forwarded-Host", "shop.example:8443")
            .field("X-Forwarded-Prefix", "/outer")
            .field("X-Forwarded-Server", "edge-1")
            .field("X-Original-URL", "/asked")
            .field("X-Request-Id", "given-7")
            .field("Forwarded", "for=9.9.9.9;proto=gopher;host=evil");
        let seen = stage.seen(protocol, asked);
        let list = "6.6.6.6, 1.2.3.4, 10.0.0.7, 127.0.0.1";
        assert_eq!(seen.field("x-forwarded-for"), Some(list), "{protocol:?}");
        assert_eq!(
            seen.field("forwarded"),
            Some(
                "for=6.6.6.6, for=1.2.3.4;host=\"shop.example:8443\";proto=https, for=10.0.0.7, \
                 for=127.0.0.1"
            )
        );
        assert_eq!(seen.field("x-real-ip"), Some("1.2.3.4"));
        assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
        assert_eq!(seen.field("x-forwarded-port"), Some("8443"));
        assert_eq!(seen.field("x-forwarded-host"), Some("shop.example:8443"));
        assert_eq!(seen.field("x-forwarded-prefix"), Some("/outer"));
        assert_eq!(seen.field("x-forwarded-server"), Some("edge-1"));
        assert_eq!(seen.field("x-original-url"), Some("/asked"));
        assert_eq!(seen.field("x-request-id"), Some("given-7"));
    }
}

#[test]
fn a_proxy_that_speaks_the_other_family_is_understood_too() {
    let stage = Stage::behind_a_proxy(|_| {});
    for protocol in Protocol::ALL {
        let forwarded = "for=\"[2001:db8::1]:4711\";proto=https;host=shop.example";
        let seen = stage.seen(protocol, Talk::get("/").field("Forwarded", forwarded));
        assert_eq!(seen.field("x-forwarded-for"), Some("2001:db8::1, 127.0.0.1"), "{protocol:?}");
        assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
        assert_eq!(seen.field("x-forwarded-port"), Some("443"));
        assert_eq!(seen.field("x-forwarded-host"), Some("shop.example"));
        assert_eq!(seen.field("x-real-ip"), Some("2001:db8::1"));
        let told = "for=\"[2001:db8::1]\";host=\"shop.example\";proto=https, for=127.0.0.1";
        assert_eq!(seen.field("forwarded"), Some(told));
    }
}

#[test]
fn no_list_has_an_empty_element() {
    let stage = Stage::behind_a_proxy(|_| {});
    for protocol in Protocol::ALL {
        for (sent, list) in [
            ("", "127.0.0.1"),
            ("1.2.3.4,", "1.2.3.4, 127.0.0.1"),
            (" , ,1.2.3.4", "1.2.3.4, 127.0.0.1"),
            ("x y, 1.2.3.4:81", "unknown, 1.2.3.4, 127.0.0.1"),
        ] {
            let seen = stage.seen(protocol, Talk::get("/").field("X-Forwarded-For", sent));
            assert_eq!(seen.field("x-forwarded-for"), Some(list), "{protocol:?} {sent:?}");
            let elements = seen.field("forwarded").expect("it is there").split(", ").count();
            assert_eq!(elements, list.split(", ").count());
        }
    }
}

#[test]
fn edits_reach_what_plimsoll_writes_itself_and_apply_once() {
    let change = |route: &mut Route| {
        route.policies.request_headers = edits(
            &[("x-forwarded-proto", "https"), ("x_real_ip", "hidden"), ("x-request-id", "mine")],
            &["x-forwarded-host", "x-forwarded-port"],
        );
    };
    for stage in [Stage::routed(change), Stage::behind_a_proxy(change)] {
        for protocol in Protocol::ALL {
            let asked =
                Talk::get("/").field("X-Forwarded-Proto", "http").field("X-Request-Id", "a");
            let seen = stage.seen(protocol, asked);
            assert_eq!(seen.field("x-forwarded-proto"), Some("https"), "{protocol:?}");
            assert_eq!((seen.field("x_real_ip"), seen.field("x-real-ip")), (Some("hidden"), None));
            assert_eq!(seen.field("x-request-id"), Some("mine"));
            assert_eq!(seen.field("x-forwarded-host"), None);
            assert_eq!(seen.field("x-forwarded-port"), None);
            let forwarded = "for=127.0.0.1;host=\"example.com\";proto=https";
            assert_eq!(seen.field("forwarded"), Some(forwarded), "the scheme holds for both");
        }
    }
}

#[test]
fn an_empty_body_is_told_where_one_is_expected_and_as_the_client_said_elsewhere() {
    let stage = Stage::routed(|_| {});
    for protocol in Protocol::ALL {
        for (method, told) in
            [("POST", Some("0")), ("PUT", Some("0")), ("PATCH", Some("0")), ("GET", None)]
        {
            let seen = stage.seen(protocol, Talk::new(method, "/"));
            assert_eq!(seen.field("content-length"), told, "{protocol:?} {method}");
            assert_eq!(seen.field("transfer-encoding"), None);
        }
        let seen = stage.seen(protocol, Talk::new("DELETE", "/").field("Content-Length", "0"));
        assert_eq!(seen.field("content-length"), Some("0"), "{protocol:?}");
    }
}

#[test]
fn a_client_is_known_by_its_ipv4_address_however_it_is_written() {
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.trusted_proxies = networks(&["127.0.0.1/32"]);
        wanted.routes[0].matcher.from = networks(&["192.0.2.0/24"]);
    });
    for protocol in Protocol::ALL {
        let from = |client: &str| {
            let talk = Talk::get("/").field("X-Forwarded-For", client);
            talk.over(protocol, edge.address()).status
        };
        for client in ["192.0.2.5", "::ffff:192.0.2.5", "[::ffff:c000:205]:80", "::FFFF:192.0.2.5"]
        {
            assert_eq!(from(client), 200, "{protocol:?} {client}");
        }
        assert_eq!(from("192.0.3.5"), 404);
    }
}

#[test]
fn who_is_trusted_is_asked_anew_for_each_request_of_a_connection() {
    let mut stage = Stage::behind_a_proxy(|_| {});
    let mut client = testkit::RawClient::connect(stage.edge.address());
    let mut ask = |stage: &Stage| {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        let seen = stage.origin.journal().pop().expect("it was asked");
        seen.field("x-real-ip").map(str::to_owned)
    };
    assert_eq!(ask(&stage).as_deref(), Some("6.6.6.6"));
    stage.edge.republish(|intent| {
        let listener = intent.listeners.values_mut().next().expect("there is one");
        std::sync::Arc::make_mut(listener).trusted_proxies.clear();
    });
    testkit::eventually("it is taken up", || ask(&stage).as_deref() == Some("127.0.0.1"));
}

#[test]
fn a_redirect_keeps_path_and_query_where_its_target_has_none() {
    let stage = Stage::routed(|route| {
        let to = "https://shop.example".into();
        route.action = Action::Redirect(Redirect { to, status: 301 });
    });
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/cart?a=b"));
        assert_eq!((reply.status, reply.body.as_str()), (301, ""), "{protocol:?}");
        assert_eq!(reply.field("location"), Some("https://shop.example/cart?a=b"));
    }
    assert!(stage.origin.journal().is_empty());
}

#[test]
fn a_route_responds_by_itself() {
    let respond = Respond {
        status: 200,
        body: "User-agent: *\n".into(),
        content_type: "text/x-robots".into(),
    };
    let stage = Stage::routed(|route| route.action = Action::Respond(respond));
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/robots.txt"));
        assert_eq!((reply.status, reply.body.as_str()), (200, "User-agent: *\n"), "{protocol:?}");
        assert_eq!(reply.field("content-type"), Some("text/x-robots"));
        assert_eq!(reply.field("content-length"), Some("14"));
        assert!(reply.field("x-request-id").is_some());
        let head = stage.ask(protocol, Talk::new("HEAD", "/robots.txt"));
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
    assert!(stage.origin.journal().is_empty());
}

#[test]
fn a_listener_redirects_everything_to_https() {
    let stage = Stage::with(|wanted| {
        wanted.listener.redirect_https = std::num::NonZeroU16::new(8443);
        wanted.routes[0].matcher =
            Matcher { hosts: vec![HostMatch::Exact("other.example".into())], ..Matcher::default() };
    });
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/a?b=c").host("shop.example"));
        assert_eq!(reply.status, 308, "{protocol:?}");
        assert_eq!(reply.field("location"), Some("https://shop.example:8443/a?b=c"));
    }
    assert!(stage.origin.journal().is_empty());
}

/// A response whose date and id are as every response's.
fn check_own(reply: &Reply, what: &str) {
    let date = reply.field("date").unwrap_or_else(|| panic!("{what} has no date"));
    assert!(date.ends_with(" GMT") && date.len() == 29, "{what}: {date}");
    let id = reply.field("x-request-id").unwrap_or_else(|| panic!("{what} has no id"));
    assert_eq!(id.len(), 32, "{what}");
    assert_eq!(reply.field("x-frame-options"), Some("DENY"), "{what}");
    assert_eq!(reply.field("server"), None, "{what}");
}

#[test]
fn every_response_has_date_id_and_the_routes_headers_whoever_made_it() {
    let origin = Origin::start(|request| match request.target.as_str() {
        "/reset" => vec![Step::Reset],
        "/nonsense" => vec![Step::send("hello\r\n\r\n")],
        _ => vec![Step::send("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok")],
    });
    let edited = |action: Action, path: &str| {
        let mut route = Route { action, ..template() };
        route.matcher.path = PathMatch::Exact(path.to_owned());
        route.policies.response_headers =
            edits(&[("x-frame-options", "DENY")], &["server", "retry-after"]);
        route
    };
    let to_api = || template().action;
    let redirect = Action::Redirect(Redirect { to: "https://a.example".into(), status: 302 });
    let respond = Respond { status: 503, body: "soon".into(), content_type: "text/plain".into() };
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        let mut small = edited(to_api(), "/small");
        small.policies.body = Some(model::BodyLimit::Bytes(1));
        wanted.routes = vec![
            small,
            edited(to_api(), "/fine"),
            edited(to_api(), "/reset"),
            edited(to_api(), "/nonsense"),
            edited(redirect, "/redirect"),
            edited(Action::Respond(respond), "/respond"),
        ];
    });
    for protocol in Protocol::ALL {
        for (path, status) in [
            ("/fine", 200),
            ("/reset", 502),
            ("/nonsense", 502),
            ("/redirect", 302),
            ("/respond", 503),
        ] {
            let reply = Talk::get(path).over(protocol, edge.address());
            assert_eq!(reply.status, status, "{protocol:?} {path}");
            assert_eq!(reply.field("retry-after"), None, "an edit reaches what we write");
            check_own(&reply, path);
        }
        let reply = Talk::new("POST", "/small").body("abc").over(protocol, edge.address());
        assert_eq!(reply.status, 413, "{protocol:?}");
        check_own(&reply, "/small");
        let reply = Talk::get("/nowhere").over(protocol, edge.address());
        assert_eq!((reply.status, reply.field("x-frame-options")), (404, None), "no route's");
        assert!(reply.field("date").is_some() && reply.field("x-request-id").is_some());
    }
    let refused = RawClient::connect(edge.address()).send("GET / HTTP/1.1\r\n\r\n").answer();
    assert_eq!(refused.status, 400);
    assert!(refused.field("date").is_some() && refused.field("x-request-id").is_some());
}

fn template() -> Route {
    let shares = vec![Share { service: "api".into(), weight: 1 }];
    Route {
        matcher: Matcher::default(),
        action: Action::Forward(Destination { shares }),
        policies: model::Policies::default(),
    }
}

#[test]
fn an_instances_date_is_kept_and_its_id_is_ours() {
    let origin = Origin::start(|_| {
        vec![Step::send(
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Request-Id: theirs\r\n\
             Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
        )]
    });
    let edge = TestEdge::start(&[origin.address()]);
    for protocol in Protocol::ALL {
        let reply = Talk::get("/").over(protocol, edge.address());
        assert_eq!(reply.field("date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"), "{protocol:?}");
        let journal = origin.journal();
        let told = journal.last().expect("it was asked").field("x-request-id");
        assert_eq!(reply.field("x-request-id"), told);
        assert_eq!((reply.field("trailer"), reply.trailers("x-sum")), (Some("X-Sum"), vec!["1"]));
    }
    let old = RawClient::connect(edge.address()).send("GET / HTTP/1.0\r\n\r\n").answer();
    assert_eq!(old.field("trailer"), None, "HTTP/1.0 has none");
}

#[test]
fn a_cookie_knows_how_it_travels() {
    let origin = Origin::polite("fine");
    let authority = Authority::default();
    let start = |is_tls: bool, sticky: Sticky| {
        TestEdge::with(&[origin.address()], |wanted| {
            wanted.service.sticky = Some(sticky);
            wanted.listener.trusted_proxies = networks(&["127.0.0.1/32"]);
            wanted.tls =
                is_tls.then(|| authority.server(&[&["a.example"]], &[Alpn::Http2, Alpn::Http1]));
        })
    };
    let attributes = |reply: Reply| {
        let cookie = reply.field("set-cookie").expect("a cookie").to_owned();
        let (pair, rest) = cookie.split_once("; ").expect("it has attributes");
        assert!(pair.starts_with("stay="), "{pair}");
        rest.to_owned()
    };
    let tls = start(true, Sticky::named("stay"));
    let clear = start(false, Sticky::named("stay"));
    for (protocol, alpn) in [(Protocol::H1, Alpn::Http1), (Protocol::H2, Alpn::Http2)] {
        let over_tls = Talk::get("/").tls(authority.client(&[alpn]), "a.example");
        let plain = "Path=/; HttpOnly; SameSite=Lax";
        let secure = format!("{plain}; Secure");
        assert_eq!(attributes(over_tls.over(protocol, tls.address())), secure, "{protocol:?}");
        assert_eq!(attributes(Talk::get("/").over(protocol, clear.address())), plain);
        for (name, value) in
            [("X-Forwarded-Proto", "https"), ("Forwarded", "for=1.1.1.1;proto=https")]
        {
            let behind = Talk::get("/").field(name, value).over(protocol, clear.address());
            assert_eq!(attributes(behind), secure, "{name}");
        }
    }
    let framed = start(
        false,
        Sticky {
            same_site: model::SameSite::None,
            domain: Some("example.com".into()),
            path: "/shop".into(),
            ttl: Some(std::time::Duration::from_secs(60)),
            ..Sticky::named("stay")
        },
    );
    assert_eq!(
        attributes(Talk::get("/").over(Protocol::H1, framed.address())),
        "Path=/shop; HttpOnly; SameSite=None; Secure; Domain=example.com; Max-Age=60"
    );
}

/// The cookies that a client keeps after `reply`, as it sends them.
fn jar(reply: &Reply) -> String {
    let pairs =
        reply.fields("set-cookie").into_iter().filter_map(|cookie| cookie.split(';').next());
    pairs.collect::<Vec<_>>().join("; ")
}

#[test]
fn of_services_that_share_a_route_the_first_keeps_its_client() {
    let (one, two) = (Origin::polite("one"), Origin::polite("two"));
    let mut edge = TestEdge::with(&[one.address()], |wanted| {
        wanted.service.sticky = Some(Sticky::named("plimsoll-api"));
    });
    edge.add_service("next", &[two.address()], |intent| {
        let next = intent.services.get_mut("next").expect("it was added");
        std::sync::Arc::make_mut(next).sticky = Some(Sticky::named("plimsoll-next"));
        let share = |service: &str| Share { service: service.into(), weight: 50 };
        let route = std::sync::Arc::make_mut(&mut intent.routes[0]);
        route.action = Action::Forward(Destination { shares: vec![share("api"), share("next")] });
    });
    testkit::eventually("both are served", || {
        let reply = Talk::get("/").over(Protocol::H1, edge.address());
        reply.body == "two"
    });
    for protocol in Protocol::ALL {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..16 {
            let first = Talk::get("/").over(protocol, edge.address());
            let jar = jar(&first);
            for _ in 0..4 {
                let again = Talk::get("/").field("Cookie", &jar).over(protocol, edge.address());
                assert_eq!(again.body, first.body, "{protocol:?}");
            }
            seen.insert(first.body);
        }
        assert_eq!(seen.len(), 2, "new clients are spread over both");
    }
}

#[test]
fn during_a_canary_a_client_stays_with_its_release() {
    let (old, new) = (Origin::polite("old"), Origin::polite("new"));
    let mut edge = TestEdge::start(&[old.address(), new.address()]);
    edge.split(0.5, new.address());
    testkit::eventually("clients are drawn a number", || {
        let reply = Talk::get("/").over(Protocol::H1, edge.address());
        jar(&reply).starts_with("plimsoll_release-api=")
    });
    for protocol in Protocol::ALL {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..16 {
            let first = Talk::get("/").over(protocol, edge.address());
            let jar = jar(&first);
            for _ in 0..4 {
                let again = Talk::get("/").field("Cookie", &jar).over(protocol, edge.address());
                assert_eq!((again.body.as_str(), again.field("set-cookie")), (&*first.body, None));
            }
            seen.insert(first.body);
        }
        assert_eq!(seen.len(), 2, "{protocol:?}: each release has its share");
    }
}
