//! What counts of an attempt, and as what: the one account that the judge, `status`, ejection and metrics read.

use std::num::NonZeroU32;
use std::time::Duration;

use edge::live::Outcomes;
use edge::live::fate::{Assignment, Fate};
use edge::live::judged::{Hearing, Samples};
use edge::{Bar, Live, PreviewRule};
use model::{Action, Balance, Destination, Matcher, PathMatch, Preview, Route, Share, Sticky};
use testkit::h2_client::request;
use testkit::{
    H2Client, Origin, Protocol, RawClient, Request, Step, Talk, TestEdge, ask, eventually,
};

/// Begins to respond with `status`, and says no more until the connection ends.
fn begins(status: u16) -> impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static {
    move |_| {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 9\r\n\r\n1");
        vec![Step::send(head), Step::Echo]
    }
}

/// Asks, and hangs up as soon as the response's head has come.
fn hangs_up_after_the_head(protocol: Protocol, edge: &TestEdge) {
    match protocol {
        Protocol::H1 => {
            let mut client = RawClient::connect(edge.address());
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head();
            client.reset();
        }
        Protocol::H2 => {
            let client = H2Client::connect(edge.address());
            let mut asked = client.begin(request("GET", "/"), true);
            client.part(&mut asked);
            asked.reset(h2::Reason::CANCEL);
        }
    }
}

/// Asks, and hangs up once the instance has the request.
fn hangs_up_before_the_head(protocol: Protocol, edge: &TestEdge, live: &Live) {
    let is_asked = || eventually("it has arrived", || live.in_flight() == 1);
    // Else the next one would take this request for its own.
    let is_given_up = || eventually("it is given up", || live.in_flight() == 0);
    match protocol {
        Protocol::H1 => {
            let mut client = RawClient::connect(edge.address());
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            is_asked();
            client.reset();
            is_given_up();
        }
        Protocol::H2 => {
            let client = H2Client::connect(edge.address());
            let asked = client.begin(request("GET", "/"), true);
            is_asked();
            asked.reset(h2::Reason::CANCEL);
            is_given_up();
        }
    }
}

#[test]
fn once_a_head_has_come_its_status_counts_even_if_the_client_hangs_up() {
    for protocol in Protocol::ALL {
        for (status, expected) in [
            (200, Outcomes { ok: 1, ..Outcomes::default() }),
            (302, Outcomes { redirects: 1, ..Outcomes::default() }),
            (404, Outcomes { client_errors: 1, ..Outcomes::default() }),
            (500, Outcomes { server_errors: 1, ..Outcomes::default() }),
            (501, Outcomes { server_errors: 1, ..Outcomes::default() }),
        ] {
            let (origin, edge) = TestEdge::over(begins(status));
            let live = edge.live(origin.address());
            hangs_up_after_the_head(protocol, &edge);
            eventually("it is told", || live.outcomes().total() == 1);
            assert_eq!(live.outcomes(), expected, "{protocol:?}");
            let in_a_row = u32::from(status == 500);
            assert_eq!(live.failures_in_a_row(), in_a_row, "{protocol:?}: what ejection sees");
        }
    }
}

/// A response larger than all buffers on the way, which its client does not read.
#[test]
fn a_client_that_does_not_read_changes_nothing_of_what_its_response_was() {
    const MUCH: usize = 64 * 1024 * 1024;
    for protocol in Protocol::ALL {
        let origin = Origin::start(|_| {
            let head = format!("HTTP/1.1 503 X\r\nContent-Length: {MUCH}\r\n\r\n");
            vec![Step::send(head), Step::Pour(MUCH)]
        });
        let edge = TestEdge::with(&[origin.address()], |wanted| {
            wanted.listener.timeouts.write_idle = Duration::from_millis(100);
            wanted.service.retry.attempts = 1;
        });
        let live = edge.live(origin.address());
        let is_told = || eventually("it is told", || live.outcomes().total() == 1);
        match protocol {
            Protocol::H1 => {
                let mut client = RawClient::connect(edge.address());
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head();
                is_told();
            }
            Protocol::H2 => {
                let client = H2Client::connect(edge.address());
                let mut asked = client.begin(request("GET", "/"), true);
                client.part(&mut asked);
                is_told();
            }
        }
        assert_eq!(live.outcomes().server_errors, 1, "{protocol:?}");
    }
}

#[test]
fn a_response_that_is_cut_short_has_failed() {
    for protocol in Protocol::ALL {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort";
        let (origin, edge) = TestEdge::over(move |_| vec![Step::send(half), Step::Close]);
        ask(protocol, edge.address(), "GET", "/");
        let live = edge.live(origin.address());
        eventually("it is told", || live.outcomes().total() == 1);
        assert_eq!(live.outcomes(), Outcomes { failures: 1, ..Outcomes::default() });
    }
}

#[test]
fn a_client_that_hangs_up_before_the_head_counts_neither_way_but_its_waiting_time_is_known() {
    for protocol in Protocol::ALL {
        let (origin, edge) = TestEdge::over(|_| vec![Step::Echo]);
        let live = edge.live(origin.address());
        hangs_up_before_the_head(protocol, &edge, &live);
        eventually("it is told", || live.outcomes().abandoned == 1);
        assert_eq!((live.outcomes().total(), live.failures_in_a_row()), (0, 0), "{protocol:?}");
        let waited: u64 = live.shards().map(|shard| shard.latency.snapshot().count()).sum();
        assert_eq!(waited, 1, "{protocol:?}");
    }
}

fn samples(edge: &TestEdge, hearing: &Hearing) -> Samples {
    edge.edge.services().next().expect("there is one").live.judged.take(hearing, 0)
}

fn judge(edge: &TestEdge, patience: Option<Duration>) -> Hearing {
    edge.edge.services().next().expect("there is one").live.judged.begin(patience)
}

#[test]
fn while_a_service_is_judged_a_client_out_of_patience_is_a_failure_that_is_handed_over() {
    for protocol in Protocol::ALL {
        let (origin, edge) = TestEdge::over(|_| vec![Step::Echo]);
        let live = edge.live(origin.address());
        let hearing = judge(&edge, Some(Duration::ZERO));
        hangs_up_before_the_head(protocol, &edge, &live);
        eventually("it is told", || live.outcomes().abandoned == 1);
        let all = samples(&edge, &hearing).all;
        assert_eq!(all.iter().map(|it| it.fate).collect::<Vec<_>>(), [Fate::Overdue]);
        assert_eq!((all[0].status, &all[0].instance.name), (None, &live.name), "{protocol:?}");
        let hearing = judge(&edge, Some(Duration::from_secs(3600)));
        hangs_up_before_the_head(protocol, &edge, &live);
        eventually("it is told", || live.outcomes().abandoned == 2);
        assert!(samples(&edge, &hearing).all.is_empty(), "it need have waited: {protocol:?}");
    }
}

#[test]
fn what_plimsoll_itself_has_caused_counts_nowhere() {
    for protocol in Protocol::ALL {
        // No connection can be had: the only one is in use.
        let origin = Origin::start(|_| vec![Step::Echo]);
        let edge = TestEdge::with(&[origin.address()], |wanted| {
            wanted.service.max_connections = NonZeroU32::new(1);
            wanted.service.queue.timeout = Duration::from_millis(50);
        });
        let live = edge.live(origin.address());
        let mut busy = RawClient::connect(edge.address());
        busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually("it is busy", || live.in_flight() == 1);
        let hearing = judge(&edge, Some(Duration::ZERO));
        assert_eq!(ask(protocol, edge.address(), "GET", "/").status(), Some(503));
        assert_eq!(live.outcomes(), Outcomes::default(), "{protocol:?}");
        assert!(samples(&edge, &hearing).all.is_empty());
    }
}

fn route_to(path: &str) -> Route {
    let share = Share { service: "api".into(), weight: 1 };
    Route {
        matcher: Matcher { path: PathMatch::Prefix(path.to_owned()), ..Matcher::default() },
        action: Action::Forward(Destination { shares: vec![share] }),
        ..testkit::edge::route()
    }
}

/// What was counted on `live`, by the names of routes.
fn by_route(edge: &TestEdge, live: &Live) -> Vec<(String, Assignment, u64, u64)> {
    let routes = edge.edge.services().next().expect("there is one").live.routes();
    let name = |slot| routes.iter().find(|route| route.slot == slot).map(|it| it.name.to_string());
    let counts = live.attempts().map(|(slot, by, fates)| {
        let failed = fates.of(Fate::ServerError);
        (name(slot).unwrap_or_default(), by, fates.of(Fate::Ok), failed)
    });
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by(|one, other| one.0.cmp(&other.0));
    counts
}

#[test]
fn attempts_are_counted_by_route_over_reloads_that_move_it() {
    let origin = Origin::start(|request| {
        vec![Step::answer(if request.target.starts_with("/a") { 500 } else { 200 }, "")]
    });
    let mut edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.routes = vec![route_to("/a"), route_to("/b")];
    });
    let live = edge.live(origin.address());
    // Over one connection, so that one worker counts.
    let mut client = RawClient::connect(edge.address());
    for path in ["/a", "/b", "/b"] {
        client.get(path);
    }
    edge.republish(|intent| intent.routes.reverse());
    edge.settle();
    client.get("/a");
    client.get("/b");
    eventually("all are told", || live.outcomes().total() == 5);
    let expected =
        [("/a*".to_owned(), Assignment::Drawn, 0, 2), ("/b*".to_owned(), Assignment::Drawn, 3, 0)];
    let counted = by_route(&edge, &live);
    assert_eq!(counted.len(), 2, "{counted:?}");
    for ((name, by, ok, failed), wanted) in counted.into_iter().zip(expected) {
        assert_eq!((by, ok, failed), (wanted.1, wanted.2, wanted.3), "{name}");
        assert!(name.starts_with(&wanted.0[..2]), "{name}");
    }
}

#[test]
fn what_a_client_keeps_or_chooses_pins_its_requests_and_chance_draws_the_others() {
    let decided = |balance: Option<Balance>, sticky: bool| {
        let origin = Origin::polite("one");
        let edge = TestEdge::with(&[origin.address()], |wanted| {
            if let Some(balance) = balance {
                wanted.service.balance = balance;
            }
            wanted.service.sticky = sticky.then(|| Sticky::named("s"));
        });
        let live = edge.live(origin.address());
        let mut client = RawClient::connect(edge.address());
        let first = client.get("/");
        let cookie = first.field("set-cookie").and_then(|it| it.split(';').next()).unwrap_or("");
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).answer();
        eventually("both are told", || live.outcomes().total() == 2);
        let of = |wanted| {
            let counts = live.attempts().filter(move |(_, by, _)| *by == wanted);
            counts.map(|(_, _, fates)| fates.of(Fate::Ok)).sum::<u64>()
        };
        (of(Assignment::Drawn), of(Assignment::Pinned))
    };
    assert_eq!(decided(None, false), (2, 0));
    assert_eq!(decided(None, true), (1, 1));
    assert_eq!(decided(Some(Balance::IpHash), false), (0, 2));
}

#[test]
fn a_release_is_drawn_once_for_a_client_that_keeps_its_cookie_and_a_retry_is_not_drawn() {
    let (old, new) = (Origin::polite("old"), Origin::start(|_| vec![Step::answer(500, "")]));
    let mut edge = TestEdge::start(&[old.address(), new.address()]);
    edge.split(1.0, &[new.address()]);
    edge.settle();
    let (old, new) = (edge.live(old.address()), edge.live(new.address()));
    let mut client = RawClient::connect(edge.address());
    let first = client.get("/");
    assert_eq!(first.status, 200, "the old release stands in");
    let cookie = first.field("set-cookie").and_then(|it| it.split(';').next()).unwrap_or("");
    assert!(cookie.starts_with("plimsoll_release-api="), "{cookie}");
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).answer();
    eventually("all are told", || old.outcomes().total() == 2 && new.outcomes().total() == 2);
    let of = |live: &Live, wanted| {
        let counts = live.attempts().filter(move |(_, by, _)| *by == wanted);
        counts.map(|(_, _, fates)| fates.of(Fate::Ok) + fates.of(Fate::ServerError)).sum::<u64>()
    };
    assert_eq!((of(&new, Assignment::Drawn), of(&new, Assignment::Pinned)), (1, 1));
    assert_eq!((of(&old, Assignment::Drawn), of(&old, Assignment::Pinned)), (0, 2));
    assert!(!old.has(Bar::Drained));
}

/// Who looks at a new release sees it as it is, and tells the judge nothing by that.
#[test]
fn a_request_that_asks_for_the_new_release_counts_apart_and_no_other_release_stands_in() {
    for protocol in Protocol::ALL {
        let (old, new) = (Origin::polite("old"), Origin::start(|_| vec![Step::answer(500, "")]));
        let mut edge = TestEdge::start(&[old.address(), new.address()]);
        let by = Preview::Header("x-release".to_owned());
        let preview = PreviewRule { by, version: "2".to_owned() };
        edge.split_with(0.0, &[new.address()], Some(preview));
        edge.settle();
        let (old, new) = (edge.live(old.address()), edge.live(new.address()));
        let service = edge.edge.services().next().expect("there is one").live.clone();
        let hearing = service.judged.begin(None);
        let look = || Talk::get("/").field("x-release", "2").over(protocol, edge.address());
        let seen = look();
        assert_eq!((seen.status, seen.field("set-cookie")), (500, None), "{protocol:?}");
        eventually("it is told", || new.outcomes().total() == 1);
        let of = |live: &Live, wanted| {
            let counts = live.attempts().filter(move |(_, by, _)| *by == wanted);
            counts
                .map(|(_, _, fates)| fates.of(Fate::Ok) + fates.of(Fate::ServerError))
                .sum::<u64>()
        };
        assert_eq!(Assignment::ALL.map(|by| of(&new, by)), [0, 0, 1], "{protocol:?}");
        assert_eq!(old.outcomes().total(), 0, "{protocol:?}: no release stood in");
        assert!(
            service.judged.take(&hearing, 0).all.is_empty(),
            "{protocol:?}: nothing to compare"
        );

        new.put(Bar::Drained);
        assert_eq!(look().status, 503, "{protocol:?}: nobody else is what it asked for");
        let other = Talk::get("/").over(protocol, edge.address());
        assert_eq!((other.status, &*other.body), (200, "old"), "{protocol:?}");
    }
}

#[test]
fn what_is_handed_over_tells_client_route_and_id_and_nothing_is_when_nobody_judges() {
    for protocol in Protocol::ALL {
        let (origin, edge) = TestEdge::over(|_| vec![Step::answer(500, "")]);
        let live = edge.live(origin.address());
        ask(protocol, edge.address(), "GET", "/");
        eventually("it is told", || live.outcomes().total() == 1);
        let hearing = judge(&edge, None);
        ask(protocol, edge.address(), "GET", "/");
        ask(protocol, edge.address(), "GET", "/");
        eventually("they are told", || live.outcomes().total() == 3);
        let all = samples(&edge, &hearing).all;
        assert_eq!(all.len(), 2, "{protocol:?}");
        assert_eq!(all[0].client, all[1].client, "one address");
        assert_ne!(all[0].request_id, all[1].request_id);
        assert_eq!((all[0].fate, all[0].status), (Fate::ServerError, Some(500)));
        let routes = edge.edge.services().next().expect("there is one").live.routes();
        assert_eq!(routes.iter().map(|it| it.slot).collect::<Vec<_>>(), [all[0].route]);
    }
}
