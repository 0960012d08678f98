//! What happens to exchanges while what is served changes.

use std::num::NonZeroU32;
use std::time::Duration;

use edge::Bar;
use testkit::{Origin, Protocol, RawClient, Step, Talk, TestEdge, eventually};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

#[test]
fn a_swap_closes_no_connection_and_keeps_what_was_observed() {
    let (one, two) = (Origin::polite("one"), Origin::polite("two"));
    let mut edge = TestEdge::start(&[one.address()]);
    let mut client = RawClient::connect(edge.address());
    assert_eq!(client.get("/").text(), "one");
    let address = edge.address();
    edge.retarget(&[one.address(), two.address()]);
    assert_eq!(edge.address(), address);
    eventually("the new instance gets requests", || client.get("/").text() == "two");
    assert!(edge.live(one.address()).outcomes().ok >= 1);
    assert_eq!(one.connections(), 1, "the pool outlives the swap");
}

#[test]
fn an_instance_is_unreachable_only_when_its_last_exchange_has_ended() {
    let slow =
        Origin::start(|_| vec![Step::Wait(Duration::from_millis(300)), Step::answer(200, "slow")]);
    let other = Origin::polite("other");
    let mut edge = TestEdge::start(&[slow.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let live = edge.live(slow.address());
    eventually("the request is in flight", || live.in_flight() == 1);
    edge.retarget(&[other.address()]);
    live.put(Bar::Drained);
    let drains = edge.edge.drains();
    let mut waiting = Box::pin(drains.unreachable(&live));
    runtime().block_on(async {
        let early = tokio::time::timeout(Duration::from_millis(20), &mut waiting).await;
        assert!(early.is_err(), "it is still in flight");
        tokio::time::timeout(testkit::DEADLINE, waiting).await.expect("it ends");
    });
    assert_eq!(client.answer().text(), "slow");
    assert_eq!(client.get("/").text(), "other");
}

#[test]
fn a_request_that_is_busy_elsewhere_keeps_no_instance_in_reach() {
    let busy = Origin::start(|_| vec![Step::Wait(testkit::DEADLINE)]);
    let other = Origin::polite("other");
    let mut edge = TestEdge::start(&[busy.address(), other.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let one = edge.live(busy.address());
    eventually("the request waits for its answer", || busy.journal().len() == 1);
    let live = edge.live(other.address());
    edge.retarget(&[busy.address()]);
    live.put(Bar::Drained);
    let drains = edge.edge.drains();
    runtime().block_on(async {
        let gone = drains.unreachable(&live);
        tokio::time::timeout(testkit::DEADLINE / 2, gone).await.expect("nothing can reach it");
    });
    assert_eq!(one.in_flight(), 1, "it still waits");
    busy.close_connections();
    assert_eq!(client.answer().status, 502);
    assert_eq!(other.journal().len(), 0, "it was not asked after all");
}

#[test]
fn a_request_whose_instances_were_all_replaced_is_asked_of_the_new_one() {
    let old = Origin::start(|_| vec![Step::Wait(testkit::DEADLINE)]);
    let new = Origin::polite("new");
    let mut edge = TestEdge::start(&[old.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the request waits for its answer", || old.journal().len() == 1);
    edge.retarget(&[new.address()]);
    eventually("the new one is served", || {
        RawClient::connect(edge.address()).get("/").text() == "new"
    });
    old.close_connections();
    assert_eq!(client.answer().text(), "new");
}

#[test]
fn a_drained_instance_gets_nothing_new_even_when_no_other_is_left() {
    let origin = Origin::polite("one");
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    edge.live(origin.address()).put(Bar::Drained);
    assert_eq!(client.get("/").status, 503);
    edge.live(origin.address()).lift(Bar::Drained);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_newcomer_gets_its_share_little_by_little() {
    let (one, two) = (Origin::polite("one"), Origin::polite("two"));
    let edge = TestEdge::with(&[one.address(), two.address()], |wanted| {
        wanted.service.slow_start = Some(Duration::from_secs(3600));
    });
    edge.live(two.address()).ramp_from(edge.edge.now());
    let mut client = RawClient::connect(edge.address());
    (0..200).for_each(|_| assert_eq!(client.get("/").status, 200));
    let asked = two.journal().len();
    assert!((1..=40).contains(&asked), "{asked} of 200");
}

#[test]
fn when_all_checks_fail_traffic_still_goes_to_all() {
    let origin = Origin::polite("one");
    let edge = TestEdge::start(&[origin.address()]);
    edge.live(origin.address()).put(Bar::Unhealthy);
    assert_eq!(RawClient::connect(edge.address()).get("/").status, 200);
}

#[test]
fn what_is_over_the_limit_waits_its_turn_and_what_is_over_the_queue_is_told_so() {
    let origin =
        Origin::start(|_| vec![Step::Wait(Duration::from_millis(200)), Step::answer(200, "ok")]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.max_connections = NonZeroU32::new(1);
        wanted.service.queue.length = 1;
    });
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut first = RawClient::connect(edge.address());
    first.send(request);
    let live = edge.live(origin.address());
    eventually("the first is in flight", || live.in_flight() == 1);
    let mut second = RawClient::connect(edge.address());
    second.send(request);
    let queued = || edge.edge.services().next().unwrap().live.queued();
    eventually("the second waits", || queued() == 1);
    assert_eq!(RawClient::connect(edge.address()).get("/").status, 503);
    assert_eq!(first.answer().status, 200);
    assert_eq!(second.answer().status, 200);
    assert_eq!(queued(), 0);
}

#[test]
fn a_client_that_leaves_the_queue_gives_its_place_up() {
    let origin =
        Origin::start(|_| vec![Step::Wait(Duration::from_millis(300)), Step::answer(200, "ok")]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.max_connections = NonZeroU32::new(1);
    });
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut first = RawClient::connect(edge.address());
    first.send(request);
    eventually("the first is in flight", || edge.live(origin.address()).in_flight() == 1);
    let mut second = RawClient::connect(edge.address());
    second.send(request);
    let queued = || edge.edge.services().next().unwrap().live.queued();
    eventually("the second waits", || queued() == 1);
    drop(second);
    eventually("its place is free", || queued() == 0);
    assert_eq!(first.answer().status, 200);
    assert_eq!(origin.journal().len(), 1);
}

/// How a service is run, as far as the edge asks: that it is.
fn run_by_us() -> model::Run {
    model::Run {
        work: Default::default(),
        recipe: model::Recipe {
            workload: model::Workload::Process(model::ProcessRecipe {
                command: model::Command::Line("server".into()),
                directory: "/".into(),
                user: None,
                inherit: Vec::new(),
            }),
            env: Default::default(),
            env_file: None,
            secrets: Vec::new(),
        },
        version: None,
        replicas: NonZeroU32::MIN,
        hosts: Vec::new(),
        deploy: model::Deploy::default(),
        stop: model::Stop::default(),
        restart: model::Restart { backoff: Duration::ZERO, max_backoff: Duration::ZERO },
    }
}

#[test]
fn a_request_that_failed_waits_for_the_release_that_is_to_come() {
    let old = Origin::start(|_| vec![Step::Wait(testkit::DEADLINE)]);
    let new = Origin::polite("new");
    let mut edge = TestEdge::with(&[old.address()], |wanted| {
        wanted.service.run = Some(run_by_us());
        wanted.service.queue.timeout = testkit::DEADLINE;
    });
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let live = edge.live(old.address());
    eventually("the request waits for its answer", || old.journal().len() == 1);
    live.put(Bar::Drained);
    old.close_connections();
    let queued = || edge.edge.services().next().unwrap().live.queued();
    eventually("it waits for another instance", || queued() == 1);
    // For longer than it would take to see that one ended.
    std::thread::sleep(Duration::from_millis(700));
    edge.retarget(&[new.address()]);
    assert_eq!(client.answer().text(), "new");
}

/// While the old release has instances, for which it does not ask, and which would end no wait of it.
#[test]
fn a_request_that_asks_for_a_new_release_and_fails_there_waits_for_no_other() {
    let (old, new) = (Origin::polite("old"), Origin::start(|_| vec![Step::answer(500, "no")]));
    let targets = [old.address(), new.address()];
    let mut edge = TestEdge::with(&targets, |wanted| {
        wanted.service.run = Some(run_by_us());
        wanted.service.queue.timeout = testkit::DEADLINE * 2;
    });
    let by = model::Preview::Header("x-release".to_owned());
    let preview = edge::PreviewRule { by, version: "2".to_owned() };
    edge.split_with(0.0, &[new.address()], Some(preview));
    edge.settle();
    for protocol in Protocol::ALL {
        let look = Talk::get("/").field("x-release", "2").over(protocol, edge.address());
        assert_eq!((look.status, &*look.body), (500, "no"), "{protocol:?}");
    }
}

#[test]
fn a_request_whose_only_instance_ends_waits_for_the_next() {
    // Which comes first, the end of its connection or the word of it, is a matter of chance.
    for _ in 0..5 {
        let old = Origin::start(|_| vec![Step::Wait(testkit::DEADLINE)]);
        let new = Origin::polite("new");
        let mut edge =
            TestEdge::with(&[old.address()], |wanted| wanted.service.run = Some(run_by_us()));
        let mut client = RawClient::connect(edge.address());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually("the request waits for its answer", || old.journal().len() == 1);
        old.close_connections();
        edge.retarget(&[new.address()]);
        assert_eq!(client.answer().text(), "new");
    }
}

#[test]
fn all_requests_whose_only_instance_ends_wait_for_the_next() {
    const REQUESTS: usize = 60;
    let old = Origin::start(|_| vec![Step::Wait(testkit::DEADLINE)]);
    let new = Origin::polite("new");
    let mut edge = TestEdge::with(&[old.address()], |wanted| {
        wanted.service.run = Some(run_by_us());
        wanted.service.queue.timeout = testkit::DEADLINE;
    });
    let mut clients: Vec<_> = (0..REQUESTS).map(|_| RawClient::connect(edge.address())).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    eventually("all wait for their answers", || old.journal().len() == REQUESTS);
    edge.live(old.address()).put(Bar::Drained);
    old.close_connections();
    let queued = || edge.edge.services().next().unwrap().live.queued();
    eventually("they wait for another instance", || queued() == REQUESTS);
    edge.retarget(&[new.address()]);
    for mut client in clients {
        assert_eq!(client.answer().text(), "new", "however many there are");
    }
}

#[test]
fn a_request_whose_only_instance_breaks_connections_and_stays_is_not_kept_waiting_for_long() {
    let origin = Origin::start(|_| vec![Step::Close]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.run = Some(run_by_us());
        wanted.service.queue.timeout = 10 * testkit::DEADLINE;
    });
    assert_eq!(RawClient::connect(edge.address()).get("/").status, 502);
    assert_eq!(origin.journal().len(), 1, "it is not asked twice");
    let live = &edge.edge.services().next().unwrap().live;
    let retries: u64 = live.shards().map(|shard| shard.retries.get()).sum();
    assert_eq!(retries, 0, "nobody was there to try");
}

#[test]
fn a_sticky_client_stays_and_moves_once_when_its_instance_goes() {
    let (one, two) = (Origin::polite("one"), Origin::polite("two"));
    let mut edge = TestEdge::with(&[one.address(), two.address()], |wanted| {
        wanted.service.sticky = Some(model::Sticky {
            ttl: Some(Duration::from_secs(60)),
            ..model::Sticky::named("stay")
        });
    });
    let mut client = RawClient::connect(edge.address());
    let first = client.get("/");
    let cookie = |answer: &testkit::Response| {
        let cookie = answer.field("set-cookie").expect("a cookie").to_owned();
        cookie.split(';').next().unwrap().to_owned()
    };
    let mine = cookie(&first);
    let mut with = |cookie: &str| {
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1; {cookie}\r\n\r\n")).answer()
    };
    for _ in 0..4 {
        let again = with(&mine);
        assert_eq!((again.text(), again.field("set-cookie")), (first.text(), None));
    }
    let left = if first.text() == "one" { two.address() } else { one.address() };
    edge.retarget(&[left]);
    eventually("the client has moved", || with(&mine).field("set-cookie").is_some());
    let moved = with(&mine);
    assert_ne!(moved.text(), first.text());
    assert_eq!(with(&cookie(&moved)).field("set-cookie"), None);
    assert!(with("stay=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").field("set-cookie").is_some(), "forged");
}

#[test]
fn stopping_ends_idle_connections_and_lets_open_exchanges_finish() {
    let origin =
        Origin::start(|_| vec![Step::Wait(Duration::from_millis(300)), Step::answer(200, "done")]);
    let edge = TestEdge::start(&[origin.address()]);
    let mut idle = RawClient::connect(edge.address());
    assert_eq!(idle.get("/").status, 200);
    let mut busy = RawClient::connect(edge.address());
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it is in flight", || edge.live(origin.address()).in_flight() == 1);
    let stopping =
        std::thread::spawn(move || runtime().block_on(edge.edge.stop(testkit::DEADLINE)));
    assert!(idle.is_closed());
    let answer = busy.answer();
    assert_eq!((answer.text().as_str(), answer.field("connection")), ("done", Some("close")));
    assert_eq!(stopping.join().unwrap(), 0, "none was cut off");
}

#[test]
fn what_is_open_is_told_by_kind_with_the_age_of_the_oldest() {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let tunnel = Origin::start(move |_| vec![Step::send(upgrade), Step::Echo, Step::Close]);
    let edge = TestEdge::start(&[tunnel.address()]);
    let live = edge.live(tunnel.address());
    let open_on =
        || runtime().block_on(edge.edge.open()).of(&live.service, &live.name, live.address);
    let age = || open_on().map(|open| open.oldest);
    assert_eq!(age(), None, "nothing is open");
    let open = || {
        let mut client = RawClient::connect(edge.address());
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
        assert_eq!(client.head().status, 101);
        client
    };
    let first = open();
    let old = Duration::from_millis(400);
    eventually("the first grows old", || age() >= Some(old));
    // Enough for both workers to have one.
    let others: Vec<_> = (0..16).map(|_| open()).collect();
    assert!(age() >= Some(old), "the oldest counts, not the last");
    let told = open_on().unwrap();
    assert_eq!((told.tunnels, told.requests, told.total()), (17, 0, 17));
    drop(first);
    eventually("the oldest has ended", || live.in_flight() == 16);
    assert!(age() < Some(old));
    drop(others);
    eventually("all have ended", || live.in_flight() == 0);
    assert_eq!(age(), None);
}
