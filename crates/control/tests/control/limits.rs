//! Limits over edges that share a store: one bucket over all of them, whatever becomes of the store and of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use testkit::RedisServer;

use crate::bench::{Bench, Client, Origin};
use crate::redis::is_installed;

/// What a call may take. Longer than the default, as the machine may be busy.
const TIMEOUT: &str = "timeout = \"500ms\"\n";
const ALICE: &str = "/limited?user=alice";

fn section(redis: &RedisServer) -> String {
    format!("[store]\nredis = \"redis://127.0.0.1:{}\"\n{TIMEOUT}", redis.port)
}

fn text(origin: &Origin, limit: &str, more: &str) -> String {
    format!(
        "[services.api]\ntargets = [\"{}\"]\n{more}\n[limits.each]\nkey = \"query:user\"\n{limit}\n\
         [[routes]]\npath = \"/limited\"\nto = \"api\"\nlimit = \"each\"\n",
        origin.address
    )
}

/// Nothing of it comes back while a test runs.
fn burst(count: u32) -> String {
    format!("rate = \"1/d\"\nburst = {count}")
}

/// How the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    Up,
    Down,
}

impl Bench {
    /// Asks for alice, and says the status.
    async fn alice(&self) -> u16 {
        Client::connect(self.address().await).await.get_at(ALICE).await.unwrap().0
    }

    /// Asks for alice so many times, and says how many passed.
    async fn pass(&self, times: usize) -> usize {
        let mut passed = 0;
        for _ in 0..times {
            passed += usize::from(self.alice().await == 200);
        }
        passed
    }

    async fn number(&self, metric: &str) -> u64 {
        let scrape = self.handle.scrape().await.unwrap();
        let line = scrape.lines().find(|line| line.starts_with(&format!("{metric} ")));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    async fn settled(&self) -> u64 {
        self.number("plimsoll_store_settlements_total").await
    }

    /// Waits until so many buckets were settled, and what was heard of them is taken up.
    async fn until_settled(&self, count: u64) {
        let wait = async {
            while self.settled().await < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it is settled");
    }

    /// Asks for alice once, and waits until that is settled.
    async fn ask_and_settle(&self) -> u16 {
        let before = self.settled().await;
        let status = self.alice().await;
        if status == 200 {
            self.until_settled(before + 1).await;
        }
        status
    }

    async fn until_store(&self, wanted: Store) {
        let is_it = |status: &control::Status| {
            let store = status.store.as_ref().expect("the file has one");
            let is = if store.down_since.is_none() { Store::Up } else { Store::Down };
            is == wanted
        };
        self.until("the store", is_it).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_edge_lets_pass_is_gone_on_the_others() {
    if !is_installed() {
        return;
    }
    let (redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    let text = text(&origin, &burst(5), &section(&redis));
    let (here, there) = (Bench::start(&text).await, Bench::start(&text).await);
    // Each is settled by itself: of several, a round may have some.
    for _ in 0..5 {
        assert_eq!(here.ask_and_settle().await, 200);
    }
    assert_eq!(here.alice().await, 429);
    // The first that comes by another edge is let pass before that has heard anything: nobody waits for the store.
    assert_eq!(there.ask_and_settle().await, 200);
    assert_eq!(there.alice().await, 429);
    // Neither who it was nor anything that he could be found by lies in the store, and nothing lies there for ever.
    let keys = redis.cli(&["KEYS", "*"]);
    assert!(keys.contains("plimsoll:bucket:") && !keys.contains("alice"), "{keys}");
    for key in keys.lines().filter(|key| key.contains("bucket")) {
        let left: i64 = redis.cli(&["PTTL", key]).parse().unwrap();
        assert!(left > 0, "{key} is kept for {left} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_emptied_is_told_again_what_an_edge_knows() {
    if !is_installed() {
        return;
    }
    let (redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    let text = text(&origin, &burst(10), &section(&redis));
    let here = Bench::start(&text).await;
    for _ in 0..5 {
        assert_eq!(here.ask_and_settle().await, 200);
    }
    assert_eq!(redis.cli(&["FLUSHALL"]), "OK");
    // It hears that one is gone, and knows of six: that is said again, which is settled, too.
    let before = here.settled().await;
    assert_eq!(here.alice().await, 200);
    here.until_settled(before + 2).await;
    // By what keys are known is said again, too, once a second.
    let wait = async {
        while redis.cli(&["EXISTS", "plimsoll:key:limits"]) != "1" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it is agreed on again");
    let late = Bench::start(&text).await;
    assert_eq!(late.ask_and_settle().await, 200);
    assert!(late.pass(10).await <= 3, "six were gone, and one more");
    assert_eq!(here.number("plimsoll_store_settlements_lost_total").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_each_edge_goes_on_alone_or_refuses_as_the_file_says() {
    if !is_installed() {
        return;
    }
    let (mut redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    let refuse = section(&redis) + "on_failure = \"refuse\"\n";
    let local = Bench::start(&text(&origin, &burst(5), &section(&redis))).await;
    let refuse = Bench::start(&text(&origin, &burst(5), &refuse)).await;
    assert_eq!((local.ask_and_settle().await, refuse.ask_and_settle().await), (200, 200));
    // Frozen: nothing comes back, and nothing is said.
    redis.signal(Signal::STOP);
    tokio::join!(local.until_store(Store::Down), refuse.until_store(Store::Down));
    assert_eq!((local.alice().await, refuse.alice().await), (200, 503));
    assert_eq!(refuse.get().await.0, 200, "what has no limit needs nothing of the store");
    redis.signal(Signal::CONT);
    tokio::join!(local.until_store(Store::Up), refuse.until_store(Store::Up));
    assert_eq!(refuse.ask_and_settle().await, 200);
    // Gone with all that it knew, and back.
    redis.end();
    tokio::join!(local.until_store(Store::Down), refuse.until_store(Store::Down));
    assert_eq!(refuse.alice().await, 503);
    assert!(local.pass(5).await < 5, "what is gone is gone without the store, too");
    assert_eq!(local.alice().await, 429);
    assert!(redis.begin());
    tokio::join!(local.until_store(Store::Up), refuse.until_store(Store::Up));
    assert_eq!(local.alice().await, 429);
    assert!(refuse.pass(10).await < 5, "it has passed two by itself before");
    // A replica takes nothing up.
    let other = RedisServer::start(&[]);
    redis.cli(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
    tokio::join!(local.until_store(Store::Down), refuse.until_store(Store::Down));
    assert_eq!((local.alice().await, refuse.alice().await), (429, 503));
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    tokio::join!(local.until_store(Store::Up), refuse.until_store(Store::Up));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_changes_the_limit_or_the_store_gives_nothing_back() {
    if !is_installed() {
        return;
    }
    let (redis, other) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let origin = Origin::start("one").await;
    // By the other store edges know keys by another secret.
    let stranger = Bench::start(&text(&origin, &burst(5), &section(&other))).await;
    assert_eq!(stranger.ask_and_settle().await, 200);
    let here = Bench::start(&text(&origin, &burst(5), "")).await;
    assert_eq!(here.pass(6).await, 5);
    here.write(&text(&origin, &burst(5), &section(&other)));
    here.handle.reload().await.unwrap();
    assert_eq!(here.alice().await, 429, "with a store where there was none");
    here.write(&text(&origin, &burst(7), &section(&redis)));
    here.handle.reload().await.unwrap();
    let before = here.settled().await;
    assert_eq!(here.pass(5).await, 2, "with another store, and two more in the bucket");
    here.until_settled(before + 1).await;
    here.write(&text(&origin, "rate = \"1/h\"\nburst = 7", &section(&redis)));
    here.handle.reload().await.unwrap();
    assert_eq!(here.alice().await, 429, "at another rate");
    // What was told of the two stands in the new store.
    let there = Bench::start(&text(&origin, &burst(7), &section(&redis))).await;
    there.ask_and_settle().await;
    assert!(there.pass(7).await < 6, "it has heard of some");
    here.write(&text(&origin, &burst(7), ""));
    here.handle.reload().await.unwrap();
    assert_eq!(here.alice().await, 429, "without a store");
}

/// Asks on one connection until `is_over`: each time for somebody who never asked before, and for alice, of whose bucket nothing is left.
/// Says how often.
async fn ask_all_the_time(mut client: Client, name: usize, is_over: Arc<AtomicBool>) -> usize {
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        asked += 1;
        let fresh = format!("/limited?user={name}-{asked}");
        assert_eq!(client.get_at(&fresh).await.unwrap().0, 200, "{fresh}");
        assert_eq!(client.get_at(ALICE).await.unwrap().0, 429, "after {asked}");
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_refuse_nobody_who_should_pass_and_give_nothing_back() {
    if !is_installed() {
        return;
    }
    let (redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    let of = |limit: &str, more: &str| text(&origin, limit, &format!("{more}{}", section(&redis)));
    let first = of(&burst(5), "");
    let edges = [Bench::start(&first).await, Bench::start(&first).await];
    let is_over = Arc::new(AtomicBool::new(false));
    let mut asking = Vec::new();
    for (name, edge) in edges.iter().enumerate() {
        assert!(edge.pass(6).await <= 5);
        assert_eq!(edge.alice().await, 429);
        let client = Client::connect(edge.address().await).await;
        asking.push(tokio::spawn(ask_all_the_time(client, name, is_over.clone())));
    }
    for turn in 0..16 {
        let rate = ["1/d", "2/d"][turn % 2];
        let more = ["", "[services.more]\ntargets = [\"127.0.0.1:9\"]\n"][turn / 2 % 2];
        let changed = of(&format!("rate = \"{rate}\"\nburst = 5"), more);
        for edge in &edges {
            edge.write(&changed);
            edge.handle.reload().await.unwrap();
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for asked in asking {
        assert!(asked.await.unwrap() > 16, "it was asked between reloads");
    }
    let there = Bench::start(&first).await;
    there.ask_and_settle().await;
    assert!(there.pass(6).await < 4, "what was taken stands in the store");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_another_name_is_another_one() {
    let origin = Origin::start("one").await;
    let before = text(&origin, &burst(5), "");
    let here = Bench::start(&before).await;
    assert_eq!(here.pass(6).await, 5);
    here.write(&before.replace("limits.each", "limits.other").replace("\"each\"", "\"other\""));
    here.handle.reload().await.unwrap();
    assert_eq!(here.pass(6).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_began_without_the_store_shares_once_that_is_there_and_gives_nothing_back() {
    if !is_installed() {
        return;
    }
    let (mut redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    redis.end();
    let text = text(&origin, &burst(5), &section(&redis));
    let here = Bench::start(&text).await;
    assert_eq!(here.pass(4).await, 4);
    let before = here.number("plimsoll_snapshot_generation").await;
    assert!(redis.begin());
    here.until_store(Store::Up).await;
    let wait = async {
        while here.number("plimsoll_snapshot_generation").await == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it is published anew");
    // Workers take it up one after another: until then the old bucket counts, in which one is left, too.
    assert!(here.pass(10).await <= 2);
    assert_eq!(here.alice().await, 429);
}

/// What `edges` let pass in about `time` if they are asked all the time; and how long that was.
async fn under_load(edges: &[Bench], time: Duration) -> (usize, usize, Duration) {
    let began = Instant::now();
    let mut clients = Vec::new();
    for edge in edges {
        let mut client = Client::connect(edge.address().await).await;
        clients.push(tokio::spawn(async move {
            let (mut asked, mut passed) = (0, 0);
            while began.elapsed() < time {
                asked += 1;
                passed += usize::from(client.get_at(ALICE).await.unwrap().0 == 200);
            }
            (asked, passed)
        }));
    }
    let (mut asked, mut passed) = (0, 0);
    for client in clients {
        let (more, of_them) = client.await.unwrap();
        (asked, passed) = (asked + more, passed + of_them);
    }
    (asked, passed, began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn four_edges_together_let_pass_what_the_formula_says_and_not_much_less_than_one() {
    if !is_installed() {
        return;
    }
    let (rate, burst) = (100.0, 20.0);
    // Of the guide: two rounds, and four calls of 500 ms.
    let lag = 0.1 + 4.0 * 0.5;
    let (redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    let text = text(&origin, "rate = \"100/s\"\nburst = 20", &section(&redis));
    let mut edges = Vec::new();
    for _ in 0..4 {
        edges.push(Bench::start(&text).await);
    }
    let (asked, passed, took) = under_load(&edges, Duration::from_secs(6)).await;
    let flowed = rate * took.as_secs_f64();
    let bound = flowed + 4.0 * (burst + rate * lag);
    println!(
        "four edges: {passed} of {asked} passed in {took:?}; {flowed:.0} flowed in; bound {bound:.0}"
    );
    let mut errors = 0;
    for edge in &edges {
        errors += edge.number("plimsoll_store_errors_total").await;
        assert_eq!(edge.number("plimsoll_store_settlements_lost_total").await, 0);
    }
    // A machine that is too busy for a call within its deadline makes each edge decide alone.
    if errors == 0 {
        assert!(passed as f64 <= bound, "{passed} passed, and {bound} may");
    }
    // As far as they were asked for more.
    if asked as f64 > 1.5 * flowed {
        assert!(passed as f64 >= 0.9 * flowed, "{passed} of {flowed} passed");
    }
    // One that has all the requests has all of the limit.
    let (asked, passed, took) = under_load(&edges[..1], Duration::from_secs(2)).await;
    let flowed = rate * took.as_secs_f64();
    println!("one edge: {passed} of {asked} passed in {took:?}; {flowed:.0} flowed in");
    if asked as f64 > 1.5 * flowed {
        // What all of them let pass too much before is paid off first.
        let debt = 4.0 * (burst + rate * lag) - burst;
        assert!(passed as f64 >= 0.9 * flowed - debt, "{passed} of {flowed} passed");
    }
    assert!(passed as f64 <= flowed + burst + 1.0, "{passed} of {flowed} passed");
}
