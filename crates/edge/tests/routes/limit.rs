//! How often requests may come, how much may pass, how many may be open: what is refused, what clients are told, and what of it
//! lasts.

use std::sync::Arc;

use edge::explain::{Outcome, Question};
use model::{Bound, KeyPart, Limit, LimitMode, LimitUse, PathMatch, Per, Route};
use telemetry::{Ending, LimitOutcome};
use testkit::limit::{bytes, concurrent, limit, limit_use, rate, requests};
use testkit::token::token;
use testkit::{AccessLines, Origin, Protocol, RawClient, Reply, Step, Talk, TestEdge, eventually};

use crate::{Stage, auth, edits, networks};

/// A route that goes by these.
fn limited(limits: Vec<LimitUse>) -> Stage {
    Stage::routed(|route| route.policies.limits = limits)
}

fn by(part: KeyPart, bound: Bound) -> LimitUse {
    limit_use(limit("few", bound, &[part]), 1)
}

fn header(name: &str) -> KeyPart {
    KeyPart::Header(name.to_owned())
}

/// The statuses of so many requests.
fn statuses(stage: &Stage, protocol: Protocol, talk: impl Fn() -> Talk, n: usize) -> Vec<u16> {
    (0..n).map(|_| stage.ask(protocol, talk()).status).collect()
}

#[test]
fn what_is_over_the_rate_is_refused_and_told_when_to_come_again() {
    for protocol in Protocol::ALL {
        let bound = Bound::Requests {
            rate: rate(1, Per::Hour),
            burst: std::num::NonZeroU64::new(2).unwrap(),
            cost_header: None,
        };
        let stage = limited(vec![by(KeyPart::Ip, bound)]);
        let get = || Talk::get("/");
        let first = stage.ask(protocol, get());
        assert_eq!(first.status, 200, "{protocol:?}");
        assert_eq!(first.field("ratelimit-policy"), Some("\"few\";q=2;w=7200"));
        assert_eq!(first.field("ratelimit"), Some("\"few\";r=1;t=3600"));
        assert_eq!(stage.ask(protocol, get()).field("ratelimit"), Some("\"few\";r=0;t=7200"));
        let refused = stage.ask(protocol, get());
        assert_eq!(refused.status, 429, "{protocol:?}");
        let wait = refused.field("retry-after").and_then(|it| it.parse::<u64>().ok());
        assert!((3590..=3600).contains(&wait.unwrap()), "{wait:?}");
        assert!(refused.field("ratelimit").unwrap().starts_with("\"few\";r=0;t="));
        assert_eq!(refused.field("x-ratelimit-limit"), None, "nobody asked for it");
        assert_eq!(stage.origin.journal().len(), 2, "the instance does not see it");
    }
}

#[test]
fn requests_that_differ_in_the_key_do_not_share_and_those_that_lack_it_do() {
    let claim = KeyPart::Claim(vec!["tenant".to_owned(), "id".to_owned()]);
    let with_token =
        |claims: &str| Talk::get("/").field("Authorization", &format!("Bearer {}", token(claims)));
    let field = |value: &str| Talk::get("/").field("X-Key", value);
    let cookie = |value: &str| Talk::get("/").field("Cookie", &format!("a=b; k={value}"));
    let (cookie_part, query) = (KeyPart::Cookie("k".into()), KeyPart::Query("k".into()));
    let any = || Talk::get("/");
    let cases: Vec<(Vec<KeyPart>, [Talk; 3], Option<Talk>)> = vec![
        (vec![header("x-key")], [field("a"), field("A"), field("")], Some(any())),
        (vec![cookie_part], [cookie("a"), cookie("b"), cookie("")], Some(any())),
        (
            vec![query],
            [Talk::get("/?k=a"), Talk::get("/?k=%61b"), Talk::get("/?k")],
            Some(Talk::get("/?j=a")),
        ),
        (vec![KeyPart::Path], [Talk::get("/a"), Talk::get("/b"), Talk::get("/a/")], None),
        (
            vec![KeyPart::Subject],
            [
                with_token(r#""sub":"alice""#),
                with_token(r#""sub":"bob""#),
                with_token(r#""sub":"Bob""#),
            ],
            Some(with_token(r#""name":"nobody""#)),
        ),
        (
            vec![claim],
            [
                with_token(r#""tenant":{"id":"a"}"#),
                with_token(r#""tenant":{"id":7}"#),
                with_token(r#""tenant":{"id":true}"#),
            ],
            Some(with_token(r#""tenant":{}"#)),
        ),
        (
            vec![header("x-key"), KeyPart::Path],
            [Talk::get("/a").field("X-Key", "a"), Talk::get("/a"), field("a")],
            None,
        ),
    ];
    for (parts, distinct, absent) in cases {
        let stage = Stage::with(|wanted| {
            let few = limit("few", requests(2), &parts);
            wanted.routes[0].policies.limits = vec![limit_use(few, 1)];
            if parts.iter().any(KeyPart::needs_authentication) {
                let users = auth::users();
                wanted.routes[0].policies.auth = vec![users.name.clone()];
                wanted.auth.push(users);
            }
        });
        // Both protocols take of the same bucket.
        for (protocol, status) in [(Protocol::H1, 200), (Protocol::H2, 200), (Protocol::H1, 429)] {
            for talk in distinct.iter().chain(&absent) {
                assert_eq!(stage.ask(protocol, talk.clone()).status, status, "{parts:?}");
            }
        }
    }
}

#[test]
fn a_request_takes_its_cost_and_routes_share_a_limit_by_its_name() {
    let shared = Arc::new(limit("shared", requests(12), &[KeyPart::Ip]));
    let at = |path: &str, cost: u32| {
        let mut route = testkit::edge::route();
        route.matcher.path = PathMatch::Exact(path.into());
        let cost = std::num::NonZeroU32::new(cost).unwrap();
        route.policies.limits = vec![LimitUse { limit: shared.clone(), cost }];
        route
    };
    for protocol in Protocol::ALL {
        let stage = Stage::with(|wanted| wanted.routes = vec![at("/dear", 10), at("/cheap", 1)]);
        let ask = |path: &str| stage.ask(protocol, Talk::get(path)).status;
        assert_eq!(ask("/dear"), 200);
        assert_eq!(ask("/dear"), 429, "2 are left");
        assert_eq!([ask("/cheap"), ask("/cheap"), ask("/cheap")], [200, 200, 429]);
    }
}

#[test]
fn limits_without_a_subject_come_before_authentication_and_keep_what_they_took() {
    let guesses = limit_use(limit("guesses", requests(3), &[KeyPart::Ip]), 1);
    let per_user = limit_use(limit("per-user", requests(1), &[KeyPart::Subject]), 1);
    for protocol in Protocol::ALL {
        let stage = Stage::with(|wanted| {
            let users = auth::users();
            wanted.routes[0].policies.auth = vec![users.name.clone()];
            // As the file may have it: what needs no subject comes first all the same.
            wanted.routes[0].policies.limits = vec![per_user.clone(), guesses.clone()];
            wanted.auth.push(users);
        });
        let alice = || {
            let token = token(r#""sub":"alice""#);
            Talk::get("/").field("Authorization", &format!("Bearer {token}"))
        };
        let refused = stage.ask(protocol, Talk::get("/"));
        assert_eq!(refused.status, 401);
        assert_eq!(
            refused.field("ratelimit").map(|it| it.starts_with("\"guesses\";r=2;t=")),
            Some(true)
        );
        let passed = stage.ask(protocol, alice());
        assert_eq!(passed.status, 200);
        let told = passed.field("ratelimit").unwrap();
        assert!(
            told.starts_with("\"guesses\";r=1;t=") && told.contains(", \"per-user\";r=0;t="),
            "{told}"
        );
        assert_eq!(stage.ask(protocol, alice()).status, 429, "by subject; of guesses one is taken");
        assert_eq!(stage.ask(protocol, Talk::get("/")).status, 429, "no guess is left");
        assert_eq!(stage.origin.journal().len(), 1);
    }
}

#[test]
fn a_limit_that_observes_counts_and_logs_and_tells_clients_nothing() {
    let lines = AccessLines::default();
    let stage = Stage::with(|wanted| {
        let mut few = limit("few", requests(1), &[KeyPart::Ip]);
        few.mode = LimitMode::Observe;
        wanted.routes[0].policies.limits = vec![limit_use(few, 1)];
        wanted.access_log = Some(lines.clone());
    });
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/"));
        assert_eq!(reply.status, 200);
        assert_eq!((reply.field("ratelimit"), reply.field("ratelimit-policy")), (None, None));
    }
    let total =
        |outcome| stage.edge.edge.limit_uses().map(|(_, it)| it.total(outcome)).sum::<u64>();
    assert_eq!(LimitOutcome::ALL.map(total), [1, 0, 1]);
    let counters = || stage.edge.edge.counters().map(|it| it.exchanges.totals().of(Ending::Ok));
    eventually("both have ended", || counters().sum::<u64>() == 2);
    drop(stage);
    let named = lines.all().iter().filter(|it| it.get("limit") == Some("few")).count();
    assert_eq!(named, 1, "the second");
}

#[test]
fn bytes_are_counted_both_ways_and_refuse_the_next() {
    for protocol in Protocol::ALL {
        let stage = limited(vec![by(KeyPart::Ip, bytes(20_000))]);
        let upload = || Talk::new("POST", "/").body("x".repeat(15_000));
        let first = stage.ask(protocol, upload());
        assert_eq!(first.status, 200);
        assert_eq!(
            first
                .field("ratelimit-policy")
                .map(|it| it.contains(";q=20000;qu=\"content-bytes\";w=")),
            Some(true)
        );
        // Charged once the exchange has ended.
        let left = |reply: &Reply| -> u64 {
            let told = reply.field("ratelimit").unwrap();
            told.trim_start_matches("\"few\";r=").split(';').next().unwrap().parse().unwrap()
        };
        let mut before = 20_000;
        eventually("the upload is charged", || {
            let reply = stage.ask(protocol, Talk::get("/"));
            assert_eq!(reply.status, 200);
            before = left(&reply);
            before < 5_000
        });
        assert_eq!(stage.ask(protocol, upload()).status, 200, "something is left");
        eventually("the debt is known", || stage.ask(protocol, Talk::get("/")).status == 429);
    }
}

#[test]
fn an_instance_tells_what_its_request_has_cost_and_its_client_does_not_see_that() {
    for protocol in Protocol::ALL {
        let origin = Origin::start(|request| {
            let cost = request.target.trim_start_matches('/').to_owned();
            vec![Step::send(format!(
                "HTTP/1.1 200 OK\r\nX-Cost: {cost}\r\nX-Costly: yes\r\nContent-Length: 2\r\n\r\nok"
            ))]
        });
        let edge = TestEdge::with(&[origin.address()], |wanted| {
            let bound = Bound::Requests {
                rate: rate(1, Per::Day),
                burst: std::num::NonZeroU64::new(1000).unwrap(),
                cost_header: Some("x-cost".to_owned()),
            };
            let budget = limit("budget", bound, &[KeyPart::Ip]);
            wanted.routes[0].policies.limits = vec![limit_use(budget, 10)];
        });
        let stage = Stage { origin, edge };
        let ask = |path: &str| stage.ask(protocol, Talk::get(path));
        for (cost, left) in [("300", 700), ("4", 690), ("nonsense", 680), ("-1", 670), ("600", 70)]
        {
            let reply = ask(&format!("/{cost}"));
            assert_eq!((reply.status, reply.field("x-cost")), (200, None), "{protocol:?} {cost}");
            assert_eq!(reply.field("x-costly"), Some("yes"));
            let told = reply.field("ratelimit").unwrap();
            assert!(told.starts_with(&format!("\"budget\";r={left};t=")), "{cost}: {told}");
        }
        assert!(ask("/500").field("ratelimit").unwrap().starts_with("\"budget\";r=0;t="));
        assert_eq!(ask("/1").status, 429, "it is in debt");
    }
}

#[test]
fn open_requests_are_counted_until_their_exchange_has_ended_in_any_way() {
    let origin = Origin::start(|request| match &*request.target {
        "/hang" => Vec::new(),
        "/cut" => vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Step::Close],
        _ => vec![Step::answer(200, "fine")],
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.routes[0].policies.limits = vec![by(KeyPart::Ip, concurrent(2))];
    });
    let stage = Stage { origin, edge };
    let passes = |protocol: Protocol| stage.ask(protocol, Talk::get("/")).status == 200;
    let hanging = || stage.origin.journal().iter().filter(|it| it.target == "/hang").count();
    let limited = || -> u64 {
        let uses = stage.edge.edge.limit_uses();
        uses.map(|(_, it)| it.total(LimitOutcome::Limited)).sum()
    };
    // One is refused as long as the place of a request whose response was seen is not given back.
    let hang = || loop {
        let (hung, refused) = (hanging(), limited());
        let mut client = RawClient::connect(stage.edge.address());
        client.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut is_open = false;
        eventually("it is decided on", || {
            is_open = hanging() > hung;
            is_open || limited() > refused
        });
        if is_open {
            break client;
        }
    };
    for protocol in Protocol::ALL {
        eventually("nothing is open", || {
            stage.ask(protocol, Talk::get("/")).field("ratelimit") == Some("\"few\";r=1")
        });
        let (one, other) = (hang(), hang());
        eventually("two are open", || !passes(protocol));
        let refused = stage.ask(protocol, Talk::get("/"));
        assert_eq!((refused.status, refused.field("retry-after")), (429, Some("1")));
        assert_eq!(
            refused.field("ratelimit-policy"),
            Some("\"few\";q=2;qu=\"concurrent-requests\"")
        );
        one.reset();
        eventually("one has left", || passes(protocol));
        // An instance that breaks off, and a client that goes, hold nothing.
        for _ in 0..3 {
            testkit::ask(protocol, stage.edge.address(), "GET", "/cut");
            eventually("its place is free", || passes(protocol));
        }
        other.reset();
    }
}

#[test]
fn older_headers_are_told_on_wish_and_a_route_has_the_last_word() {
    for protocol in Protocol::ALL {
        let stage = Stage::routed(|route| {
            let mut few = limit("few", requests(3), &[KeyPart::Ip]);
            few.legacy_headers = true;
            let many = limit("many", requests(100), &[KeyPart::Ip]);
            route.policies.limits = vec![limit_use(many, 1), limit_use(few, 1)];
            route.policies.response_headers = edits(&[("ratelimit", "mine")], &["retry-after"]);
        });
        let reply = stage.ask(protocol, Talk::get("/"));
        assert_eq!(reply.field("x-ratelimit-limit"), Some("3"));
        assert_eq!(reply.field("x-ratelimit-remaining"), Some("2"));
        assert_eq!(reply.field("x-ratelimit-reset"), Some("86400"));
        assert_eq!(reply.fields("ratelimit"), ["mine"]);
        stage.ask(protocol, Talk::get("/"));
        stage.ask(protocol, Talk::get("/"));
        let refused = stage.ask(protocol, Talk::get("/"));
        assert_eq!((refused.status, refused.field("retry-after")), (429, None));
    }
}

#[test]
fn what_was_taken_stays_taken_whatever_is_published() {
    let few = |bound| limit("few", bound, &[KeyPart::Ip]);
    let mut stage = limited(vec![limit_use(few(requests(5)), 1)]);
    let get = || Talk::get("/");
    assert_eq!(statuses(&stage, Protocol::H1, get, 3), [200; 3]);
    let serve = |stage: &mut Stage, few: Limit| {
        stage.edge.republish(|intent| {
            let mut route = Route::clone(&intent.routes[0]);
            route.policies.limits = vec![limit_use(few, 1)];
            intent.routes = vec![route.into()];
        });
        stage.edge.settle();
    };
    let at_rate = |rate| Bound::Requests {
        rate,
        burst: std::num::NonZeroU64::new(5).unwrap(),
        cost_header: None,
    };
    // Slower, and larger, and faster again: none of them gives anything back.
    serve(&mut stage, few(at_rate(rate(2, Per::Day))));
    assert_eq!(statuses(&stage, Protocol::H2, get, 1), [200]);
    serve(&mut stage, few(requests(6)));
    assert_eq!(statuses(&stage, Protocol::H1, get, 3), [200, 200, 429]);
    serve(&mut stage, few(requests(2)));
    assert_eq!(statuses(&stage, Protocol::H2, get, 1), [429]);
    // One of another key is another.
    serve(&mut stage, limit("few", requests(2), &[KeyPart::Path]));
    assert_eq!(statuses(&stage, Protocol::H1, get, 3), [200, 200, 429]);
}

#[test]
fn no_reload_under_load_loses_or_gives_back_anything() {
    const BURST: u64 = 120;
    let served = |turn: u64| {
        let bound = Bound::Requests {
            rate: rate(1 + turn % 3, Per::Day),
            burst: std::num::NonZeroU64::new(BURST).unwrap(),
            cost_header: None,
        };
        vec![limit_use(limit("few", bound, &[KeyPart::Ip]), 1)]
    };
    let mut stage = limited(served(0));
    let address = stage.edge.address();
    let passed: u64 = std::thread::scope(|scope| {
        let clients: Vec<_> = Protocol::ALL
            .into_iter()
            .cycle()
            .take(4)
            .map(|protocol| {
                scope.spawn(move || {
                    let asked = (0..60).map(|_| Talk::get("/").over(protocol, address).status);
                    asked.fold(0, |passed, status| match status {
                        200 => passed + 1,
                        429 => passed,
                        other => panic!("{other}"),
                    })
                })
            })
            .collect();
        for turn in 1..20 {
            stage.edge.republish(|intent| {
                let mut route = Route::clone(&intent.routes[0]);
                route.policies.limits = served(turn);
                intent.routes = vec![route.into()];
            });
            stage.edge.settle();
        }
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(passed, BURST, "of twice as many");
}

#[test]
fn what_is_explained_takes_nothing_and_says_what_a_request_would_find() {
    let few = limit("few", requests(2), &[KeyPart::Ip]);
    let mut open = limit("open", concurrent(4), &[header("x-key")]);
    open.mode = LimitMode::Observe;
    let stage = limited(vec![limit_use(few, 2), limit_use(open, 1)]);
    let explain = || {
        let question = Question {
            method: "GET",
            entrance: None,
            authority: "a.b",
            target: "/",
            fields: &[],
            peer: [127, 0, 0, 1].into(),
        };
        let explained = stage.edge.edge.explain(question).unwrap().expect("something is served");
        let limits: Vec<_> =
            explained.limits.iter().map(|it| (it.outcome, it.left, it.of)).collect();
        (limits, explained.outcome)
    };
    for _ in 0..3 {
        let (limits, outcome) = explain();
        assert_eq!(limits, [(LimitOutcome::Passed, 2, 2), (LimitOutcome::Passed, 4, 4)]);
        assert!(matches!(outcome, Outcome::Forwarded(_)), "{outcome:?}");
    }
    assert_eq!(stage.ask(Protocol::H1, Talk::get("/")).status, 200);
    let (limits, outcome) = explain();
    assert_eq!(limits, [(LimitOutcome::Limited, 0, 2)]);
    assert!(matches!(outcome, Outcome::Refused { status: 429, ending: Ending::Limited }));
    let asked =
        |outcome| stage.edge.edge.limit_uses().map(|(_, it)| it.total(outcome)).sum::<u64>();
    assert_eq!(LimitOutcome::ALL.map(asked), [2, 0, 0], "one request was asked of two limits");
}

#[test]
fn addresses_of_one_64_share_a_bucket_and_those_of_the_next_do_not() {
    for protocol in Protocol::ALL {
        let stage = Stage::with(|wanted| {
            wanted.listener.trusted_proxies = networks(&["127.0.0.0/8"]);
            wanted.routes[0].policies.limits = vec![by(KeyPart::Ip, requests(2))];
        });
        let from = |client: &str| Talk::get("/").field("X-Forwarded-For", client);
        for (client, status) in [
            ("2001:db8:1:2::1", 200),
            ("2001:db8:1:2:ffff::7", 200),
            ("2001:db8:1:2:3:4:5:6", 429),
            ("2001:db8:1:3::1", 200),
            // An address of IPv4 is one, however it is written.
            ("192.0.2.1", 200),
            ("::ffff:192.0.2.1", 200),
            ("192.0.2.1", 429),
            ("192.0.2.2", 200),
        ] {
            assert_eq!(stage.ask(protocol, from(client)).status, status, "{client} {protocol:?}");
        }
    }
}
