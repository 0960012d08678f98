//! Forward authentication: what the service is told, whom it lets in, what clients are told, and that nobody is let in by a service that
//! does not say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edge::explain::Outcome;
use model::{
    Action, Authentication, Bound, ForwardAuth, KeyPart, PathMatch, Proof, RefusedAs, Respond,
    ServiceCookies,
};
use telemetry::event::Kind;
use telemetry::{Ending, InquiryOutcome};
use testkit::auth_server::{Gate, granted, inquiries, legacy, lets_in};
use testkit::edge::{Wanted, route};
use testkit::h2_client::request;
use testkit::limit::{limit, limit_use, requests};
use testkit::origin::refusing_address;
use testkit::password::ended;
use testkit::token::token;
use testkit::{H2Client, Line, Origin, Protocol, Request, Step, Talk, eventually};

use crate::auth::{bearer, users};
use crate::explained::explain;
use crate::{Stage, networks};

/// A route that asks for `legacy`, which asks `service`, after `change`; `/open` asks nobody.
fn asking(service: &Origin, change: impl FnOnce(&mut Authentication, &mut Wanted)) -> Stage {
    Stage::with(|wanted| {
        let mut legacy = legacy(service.address());
        wanted.routes[0].policies.auth = vec![legacy.name.clone()];
        let mut open = route();
        open.matcher.path = PathMatch::Exact("/open".into());
        wanted.routes.push(open);
        change(&mut legacy, wanted);
        wanted.auth.push(legacy);
    })
}

fn forward(legacy: &mut Authentication) -> &mut ForwardAuth {
    match &mut legacy.proof {
        Proof::Forward(forward) => forward,
        other => panic!("{other:?}"),
    }
}

fn by(user: &str) -> Talk {
    Talk::get("/").field("Cookie", user)
}

#[test]
fn the_service_is_told_of_the_request_and_the_instance_of_who_it_is_from() {
    let service = Origin::start(lets_in);
    let stage = asking(&service, |_, _| {});
    for protocol in Protocol::ALL {
        let talk = Talk::new("POST", "/a%20b/?c=d").host("shop.example:8080").body("secret");
        let talk = talk.field("Cookie", "alice").field("Authorization", "Bearer x");
        let talk = talk.field("X-Forwarded-Uri", "/public").field("X-Forwarded-Method", "GET");
        let talk = talk.field("X-Other", "1").field("X-Forwarded-For", "6.6.6.6");
        // Nobody else says who it is, in whatever spelling.
        let talk = talk.field("X-User-Id", "root").field("x_user_id", "root");
        let seen = stage.seen(protocol, talk.trailer("X-User-Id", "root").trailer("x-sum", "1"));
        seen.has(&[("x-user-id", "alice"), ("cookie", "alice"), ("x-other", "1")]);
        assert_eq!(seen.fields("x_user_id").count(), 0, "{protocol:?}");
        assert!(!seen.trailers.contains("root") && seen.trailers.contains('1'), "{protocol:?}");
        assert_eq!(seen.body, b"secret", "{protocol:?}");
        let asked = service.journal().pop().expect("it was asked");
        let line = (asked.method.as_str(), asked.target.as_str(), asked.body.len());
        assert_eq!(line, ("GET", "/verify?of=edge", 0), "{protocol:?}");
        asked.has(&[
            ("host", &service.address().to_string()),
            ("x-forwarded-method", "POST"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "shop.example:8080"),
            ("x-forwarded-uri", "/a%20b/?c=d"),
            ("x-forwarded-for", "127.0.0.1"),
            ("cookie", "alice"),
            ("authorization", "Bearer x"),
        ]);
        for other in ["x-other", "x-user-id", "content-length", "transfer-encoding", "trailer"] {
            assert_eq!(asked.field(other), None, "{protocol:?}");
        }
    }
}

#[test]
fn a_trusted_proxy_s_word_on_the_way_is_told_on_and_cookies_in_pieces_are_one() {
    let service = Origin::start(lets_in);
    let stage = asking(&service, |legacy, wanted| {
        wanted.listener.trusted_proxies = networks(&["127.0.0.0/8"]);
        forward(legacy).send.push("accept".into());
    });
    for protocol in Protocol::ALL {
        let talk = Talk::get("/").field("X-Forwarded-For", "203.0.113.7");
        let talk = talk.field("X-Forwarded-Proto", "https").field("X-Forwarded-Host", "a.example");
        let talk = talk.field("Cookie", "a=1").field("Cookie", "b=2").field("Accept", "text/html");
        assert_eq!(stage.ask(protocol, talk).status, 200, "{protocol:?}");
        service.journal().pop().expect("it was asked").has(&[
            ("x-forwarded-for", "203.0.113.7, 127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "a.example"),
            ("cookie", "a=1; b=2"),
            ("accept", "text/html"),
        ]);
    }
}

#[test]
fn cookies_of_a_service_that_lets_in_are_for_one_client_where_they_are_wanted_and_else_for_none() {
    let asked = Arc::new(AtomicUsize::new(0));
    let service = Origin::start({
        let asked = asked.clone();
        move |_| {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            granted(&format!(
                "Set-Cookie: s={number}; Path=/\r\nSet-Cookie: t=1\r\nCache-Control: max-age=60\r\n"
            ))
        }
    });
    let stage = |cookies| asking(&service, move |legacy, _| forward(legacy).cookies = cookies);
    let (dropping, passing) = (stage(ServiceCookies::Dropped), stage(ServiceCookies::Passed));
    for protocol in Protocol::ALL {
        for _ in 0..2 {
            let reply = dropping.ask(protocol, by("alice"));
            assert_eq!((reply.status, reply.fields("set-cookie").len()), (200, 0), "{protocol:?}");
        }
        for _ in 0..2 {
            let number = asked.load(Ordering::SeqCst);
            let reply = passing.ask(protocol, by("alice"));
            let wanted = [format!("s={number}; Path=/"), "t=1".to_owned()];
            assert_eq!(reply.fields("set-cookie"), wanted, "it is not kept, {protocol:?}");
        }
    }
    // At the same time, of the same client as far as can be seen.
    let client = H2Client::connect(passing.edge.address());
    let begun: Vec<_> = (0..8).map(|_| client.begin(request("GET", "/"), true)).collect();
    let set = |begun| client.answer(begun).field("set-cookie").map(str::to_owned);
    let set: std::collections::BTreeSet<_> = begun.into_iter().filter_map(set).collect();
    assert_eq!(set.len(), 8, "{set:?}");
}

#[test]
fn a_cookie_that_a_refusal_sets_is_one_client_s_however_many_ask_the_same() {
    let (gate, asked) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let service = Origin::start({
        let (gate, asked) = (gate.clone(), asked.clone());
        move |_| {
            gate.pass();
            let number = asked.fetch_add(1, Ordering::SeqCst);
            vec![Step::send(format!(
                "HTTP/1.1 401 X\r\nSet-Cookie: login={number}\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n"
            ))]
        }
    });
    let stage = asking(&service, |_, _| {});
    let client = H2Client::connect(stage.edge.address());
    let begun: Vec<_> = (0..8).map(|_| client.begin(request("GET", "/"), true)).collect();
    eventually("they wait together", || inquiries(&stage.edge, InquiryOutcome::Shared) == 7);
    gate.open();
    let set = |begun| client.answer(begun).field("set-cookie").map(str::to_owned);
    let mut set: std::collections::BTreeSet<_> = begun.into_iter().filter_map(set).collect();
    for protocol in Protocol::ALL {
        set.extend(stage.ask(protocol, Talk::get("/")).field("set-cookie").map(str::to_owned));
    }
    assert_eq!(set.len(), 8 + Protocol::ALL.len(), "{set:?}");
}

#[test]
fn what_the_service_says_to_those_that_it_refuses_is_the_client_s() {
    let service = Origin::start(|request| {
        let head = match request.field("x-forwarded-uri") {
            Some("/401") => "401 X\r\nWWW-Authenticate: Bearer realm=\"x\"\r\nX-User-Id: root",
            Some("/bare") => "401 X",
            Some("/403") => "403 X\r\nX-Internal: y\r\nServer: z\r\nCache-Control: private",
            _ => {
                "302 X\r\nLocation: https://id.example/login?rd=/\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2"
            }
        };
        vec![Step::send(format!("HTTP/1.1 {head}\r\nContent-Length: 4\r\n\r\nbody"))]
    });
    let mut stage = asking(&service, |_, _| {});
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/401"));
        assert_eq!((reply.status, reply.field("x-user-id")), (401, None), "{protocol:?}");
        assert_eq!(reply.fields("www-authenticate"), ["Bearer realm=\"x\""], "{protocol:?}");
        assert!(!reply.body.contains("body"), "{protocol:?}");
        let reply = stage.ask(protocol, Talk::get("/bare"));
        // There has to be one (RFC 9110 section 15.5.2).
        assert_eq!(reply.fields("www-authenticate"), ["Forward realm=\"legacy\""], "{protocol:?}");
        let reply = stage.ask(protocol, Talk::get("/403"));
        assert_eq!((reply.status, reply.field("x-internal")), (403, None), "{protocol:?}");
        assert_eq!(reply.fields("cache-control"), ["private"], "{protocol:?}");
        let reply = stage.ask(protocol, Talk::get("/"));
        assert_eq!(reply.status, 302, "{protocol:?}");
        assert_eq!(reply.field("location"), Some("https://id.example/login?rd=/"), "{protocol:?}");
        assert_eq!(reply.fields("set-cookie"), ["a=1", "b=2"], "{protocol:?}");
        assert_eq!(reply.fields("cache-control"), ["no-store"], "a redirect is not kept");
        assert_eq!(reply.field("www-authenticate"), None, "{protocol:?}");
    }
    assert!(stage.origin.journal().is_empty());
    eventually("all have ended", || {
        ended(&stage.edge, Ending::AuthDenied) == 4 * Protocol::ALL.len() as u64
    });
    stage.edge.republish(|intent| {
        let mut legacy = legacy(service.address());
        legacy.refused = RefusedAs::Forbidden;
        intent.auth.insert("legacy".into(), legacy.into());
    });
    stage.edge.settle();
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/401"));
        assert_eq!((reply.status, reply.field("www-authenticate")), (403, None), "{protocol:?}");
        assert_eq!(stage.ask(protocol, Talk::get("/")).status, 302, "{protocol:?}");
    }
}

#[test]
fn a_service_that_does_not_say_so_lets_nobody_in() {
    let script = |request: &Request| match request.field("x-forwarded-uri").unwrap_or_default() {
        "/garbage" => vec![Step::send("SSH-2.0-OpenSSH_9.2\r\n"), Step::Close],
        "/head" => {
            let large = "x".repeat(80 << 10);
            vec![Step::send(format!("HTTP/1.1 200 X\r\nX-A: {large}\r\nContent-Length: 0\r\n\r\n"))]
        }
        "/hangs-up" => {
            vec![Step::send("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nfine"), Step::Close]
        }
        "/mid-head" => vec![Step::send("HTTP/1.1 200 X\r\nX-User-"), Step::Close],
        "/closes" => vec![Step::Close],
        "/resets" => vec![Step::Reset],
        status => vec![Step::answer(status[1..].parse().expect("a status"), "")],
    };
    let service = Origin::start(script);
    let stage = asking(&service, |_, _| {});
    let paths = "/garbage /head /hangs-up /mid-head /closes /resets /500 /404 /304 /400 /429 /101";
    let mut failed = 0;
    for protocol in Protocol::ALL {
        for path in paths.split(' ') {
            let reply = stage.ask(protocol, Talk::get(path));
            assert_eq!(reply.status, 503, "{protocol:?} {path}");
            assert!(reply.field("retry-after").is_some(), "{protocol:?} {path}");
            failed += 1;
        }
        // The connections to it are none the worse.
        for status in [200, 204, 299] {
            assert_eq!(stage.ask(protocol, Talk::get(&format!("/{status}"))).status, 200);
        }
    }
    assert_eq!(stage.origin.journal().len(), 3 * Protocol::ALL.len());
    eventually("all have ended", || ended(&stage.edge, Ending::AuthUnavailable) == failed);
    assert_eq!(inquiries(&stage.edge, InquiryOutcome::Failed), failed);
}

#[test]
fn one_that_is_gone_or_too_slow_lets_nobody_in_and_holds_nobody_else_up() {
    let gate = Gate::default();
    let held = gate.clone();
    let slow = Origin::start(move |_| {
        held.pass();
        granted("X-User-Id: late\r\n")
    });
    let mut stage = asking(&slow, |legacy, _| {
        forward(legacy).server.timeout = Duration::from_millis(300);
    });
    for protocol in Protocol::ALL {
        let waits = {
            let address = stage.edge.address();
            std::thread::spawn(move || by("alice").over(protocol, address).status)
        };
        for _ in 0..20 {
            assert_eq!(stage.ask(protocol, Talk::get("/open")).status, 200, "{protocol:?}");
        }
        assert_eq!(waits.join().expect("it was told"), 503, "{protocol:?}");
    }
    stage.edge.republish(|intent| {
        let gone = legacy(refusing_address());
        intent.auth.insert("legacy".into(), gone.into());
    });
    stage.edge.settle();
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, by("alice")).status, 503, "{protocol:?}");
    }
    eventually("it is told", || stage.edge.has_told(Kind::AuthServerFailed));
    gate.open();
    let back = slow.address();
    stage.edge.republish(|intent| {
        intent.auth.insert("legacy".into(), legacy(back).into());
    });
    stage.edge.settle();
    assert_eq!(stage.ask(Protocol::H1, by("alice")).status, 200);
    eventually("so is this", || stage.edge.has_told(Kind::AuthServerRecovered));
}

/// A service that lets in who has a cookie, once its gate is open.
fn held() -> (Gate, Origin) {
    let gate = Gate::default();
    let passed = gate.clone();
    let service = Origin::start(move |request| {
        passed.pass();
        lets_in(request)
    });
    (gate, service)
}

#[test]
fn a_thousand_requests_that_are_the_same_are_asked_of_once_by_each_worker() {
    let (gate, service) = held();
    let stage = asking(&service, |_, wanted| {
        let (content_type, body) = ("text/plain".to_owned(), "fine".to_owned());
        wanted.routes[0].action = Action::Respond(Respond { status: 200, content_type, body });
    });
    let clients: Vec<_> = (0..10).map(|_| H2Client::connect(stage.edge.address())).collect();
    let mut asked = Vec::new();
    for client in &clients {
        for _ in 0..100 {
            let mut request = request("GET", "/");
            request.headers_mut().insert("cookie", "alice".parse().expect("it is plain"));
            asked.push((client, client.begin(request, true)));
        }
    }
    let count = |outcome| inquiries(&stage.edge, outcome);
    eventually("all wait", || {
        count(InquiryOutcome::Asked) + count(InquiryOutcome::Shared) == asked.len() as u64
    });
    gate.open();
    for (client, asked) in asked {
        assert_eq!(client.answer(asked).status, 200);
    }
    let journal = service.journal().len();
    assert!((1..=2).contains(&journal), "there are two workers: {journal}");
    // Nothing was said of how long that holds.
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, by("alice")).status, 200, "{protocol:?}");
    }
    assert_eq!(service.journal().len(), journal + Protocol::ALL.len());
}

#[test]
fn a_response_holds_for_as_long_as_it_says_and_for_what_was_told() {
    let service = Origin::start(|request| {
        let path = request.field("x-forwarded-uri").unwrap_or_default();
        let said = match path {
            "/kept" => "Cache-Control: private, max-age=600\r\n",
            "/vary" => "Cache-Control: max-age=600\r\nVary: Cookie, X-Forwarded-Uri\r\n",
            "/other" => "Cache-Control: max-age=600\r\nVary: Accept-Language\r\n",
            "/never" => "Cache-Control: max-age=600, no-store\r\n",
            _ => "",
        };
        match request.field("cookie") {
            Some(user) => granted(&format!("X-User-Id: {user}\r\n{said}")),
            None => vec![Step::send(format!(
                "HTTP/1.1 302 X\r\nLocation: /login\r\n{said}Content-Length: 0\r\n\r\n"
            ))],
        }
    });
    let stage = asking(&service, |_, _| {});
    for protocol in Protocol::ALL {
        // All by one worker.
        let mut line = Line::open(protocol, stage.edge.address());
        let mut asked = |path: &str, user: Option<&str>| {
            let before = service.journal().len();
            for _ in 0..3 {
                let talk = Talk::get(path).host(&format!("{protocol:?}.example"));
                match user {
                    Some(user) => {
                        assert_eq!(line.ask(talk.field("Cookie", user)).status, 200);
                        let seen = stage.origin.journal().pop().expect("it was asked");
                        assert_eq!(seen.field("x-user-id"), Some(user), "{protocol:?}");
                    }
                    None => {
                        let reply = line.ask(talk);
                        assert_eq!(reply.field("location"), Some("/login"), "{protocol:?}");
                    }
                }
            }
            service.journal().len() - before
        };
        assert_eq!(asked("/kept", Some("alice")), 1, "{protocol:?}");
        assert_eq!(asked("/kept", Some("bob")), 1, "another is another: {protocol:?}");
        assert_eq!(asked("/kept", Some("alice")), 0, "{protocol:?}");
        assert_eq!(asked("/kept", None), 1, "{protocol:?}");
        assert_eq!(asked("/vary", Some("alice")), 1, "{protocol:?}");
        for path in ["/other", "/never", "/plain"] {
            assert_eq!(asked(path, Some("alice")), 3, "{protocol:?} {path}");
            assert_eq!(asked(path, None), 3, "{protocol:?} {path}");
        }
    }
    assert!(inquiries(&stage.edge, InquiryOutcome::Cached) > 0);
}

#[test]
fn what_a_limit_refuses_before_is_not_asked_of_and_one_by_subject_knows_who_it_is() {
    let service = Origin::start(lets_in);
    let stage = asking(&service, |_, wanted| {
        let few = |name: &str, burst, part| limit_use(limit(name, requests(burst), &[part]), 1);
        wanted.routes[0].policies.limits =
            vec![few("few", 4, KeyPart::Header("x-key".into())), few("each", 2, KeyPart::Subject)];
    });
    for protocol in Protocol::ALL {
        let key = format!("{protocol:?}");
        let (alice, bob) = (format!("alice-{key}"), format!("bob-{key}"));
        let ask = |user: &str| stage.ask(protocol, by(user).field("x-key", &key)).status;
        let before = service.journal().len();
        assert_eq!([ask(&alice), ask(&alice), ask(&alice), ask(&bob)], [200, 200, 429, 200]);
        assert_eq!(service.journal().len() - before, 4, "{protocol:?}");
        assert_eq!([ask(&bob), ask(&alice)], [429, 429], "{protocol:?}");
        assert_eq!(service.journal().len() - before, 4, "none was asked of: {protocol:?}");
    }
}

#[test]
fn a_limit_of_open_requests_bounds_what_waits_for_the_service() {
    let (gate, service) = held();
    let stage = asking(&service, |_, wanted| {
        let bound = Bound::Concurrent(std::num::NonZeroU32::MIN);
        let one = limit_use(limit("one", bound, &[KeyPart::Ip]), 1);
        wanted.routes[0].policies.limits = vec![one];
    });
    let address = stage.edge.address();
    let waits = std::thread::spawn(move || by("alice").over(Protocol::H1, address).status);
    eventually("it waits", || inquiries(&stage.edge, InquiryOutcome::Asked) == 1);
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, by("bob")).status, 429, "{protocol:?}");
    }
    gate.open();
    assert_eq!(waits.join().expect("it was told"), 200);
    assert_eq!(service.journal().len(), 1);
}

#[test]
fn of_several_ways_the_service_is_asked_only_where_the_others_believe_nothing() {
    let service = Origin::start(|request| match request.field("cookie") {
        Some(_) => lets_in(request),
        None => vec![Step::send("HTTP/1.1 302 X\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")],
    });
    let stage = asking(&service, |_, wanted| {
        let users = users();
        wanted.routes[0].policies.auth.insert(0, users.name.clone());
        wanted.auth.push(users);
    });
    let alice = token(r#""sub":"alice""#);
    for protocol in Protocol::ALL {
        let before = service.journal().len();
        assert_eq!(stage.ask(protocol, bearer(&alice)).status, 200, "{protocol:?}");
        assert_eq!(service.journal().len(), before, "{protocol:?}");
        assert_eq!(stage.ask(protocol, by("bob")).status, 200, "{protocol:?}");
        let reply = stage.ask(protocol, Talk::get("/"));
        assert_eq!((reply.status, reply.field("location")), (302, Some("/login")), "{protocol:?}");
        // A token that is worth nothing says more than that there is no cookie.
        let reply = stage.ask(protocol, bearer("nonsense"));
        assert_eq!((reply.status, reply.field("location")), (401, None), "{protocol:?}");
        let challenges =
            ["Bearer realm=\"users\", error=\"invalid_token\"", "Forward realm=\"legacy\""];
        assert_eq!(reply.fields("www-authenticate"), challenges, "{protocol:?}");
    }
}

#[test]
fn a_reload_asks_another_service_from_then_on_and_refuses_nobody_meanwhile() {
    let (one, other) = (Origin::start(lets_in), Origin::start(lets_in));
    let mut stage = asking(&one, |_, _| {});
    let address = stage.edge.address();
    let is_over = Arc::new(AtomicUsize::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = Protocol::ALL
        .into_iter()
        .map(|protocol| {
            let (is_over, asked) = (is_over.clone(), asked.clone());
            std::thread::spawn(move || {
                let mut line = Line::open(protocol, address);
                while is_over.load(Ordering::SeqCst) == 0 {
                    assert_eq!(line.ask(by("alice")).status, 200, "{protocol:?}");
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 1..=10 {
        let before = asked.load(Ordering::SeqCst);
        eventually("the load goes on", || asked.load(Ordering::SeqCst) > before + 5);
        let service = if round % 2 == 0 { &one } else { &other };
        let legacy = legacy(service.address());
        stage.edge.republish(|intent| drop(intent.auth.insert("legacy".into(), legacy.into())));
    }
    stage.edge.settle();
    is_over.store(1, Ordering::SeqCst);
    load.into_iter().for_each(|it| it.join().expect("none was refused"));
    let before = (one.journal().len(), other.journal().len());
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, by("alice")).status, 200, "{protocol:?}");
    }
    assert_eq!((one.journal().len(), other.journal().len()), (before.0 + 2, before.1));
    assert!(before.1 > 0);
}

#[test]
fn connections_to_the_service_are_kept() {
    let service = Origin::start(lets_in);
    let stage = asking(&service, |_, _| {});
    for protocol in Protocol::ALL {
        let mut line = Line::open(protocol, stage.edge.address());
        (0..20).for_each(|_| assert_eq!(line.ask(by("alice")).status, 200));
    }
    assert!(service.connections() <= 2, "one for each worker: {}", service.connections());
    // Whether a worker has noticed or not.
    service.close_connections();
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, by("alice")).status, 200, "{protocol:?}");
    }
}

#[test]
fn explain_asks_no_service() {
    let service = Origin::start(lets_in);
    let stage = asking(&service, |_, _| {});
    for fields in [&[("cookie", "alice")][..], &[]] {
        let outcome = explain(&stage.edge, fields).outcome;
        assert!(
            matches!(&outcome, Outcome::Depends(auth) if auth.as_str() == "legacy"),
            "{outcome:?}"
        );
    }
    assert!(service.journal().is_empty());
    assert_eq!(inquiries(&stage.edge, InquiryOutcome::Asked), 0);
}
