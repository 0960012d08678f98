//! What several edges share, over a real Redis: settlements, nonces, keys, bans.

use std::time::{Duration, Instant};

use crate::support::{Edge, PATIENCE, Server, is_installed};
use store::{Follower, Nonce, NonceUse, Said, Saying, Settlement};

/// So many milliseconds' worth, of a bucket into which 1 flows in a microsecond.
fn spent(bucket: u128, millis: u64) -> Settlement {
    Settlement { bucket, spent: 1_000 * millis, age: Duration::ZERO, at_least: 0, flow: 1.0 }
}

const SECOND: u64 = 1_000_000;

fn nonce(nonce: &[u8]) -> Nonce<'_> {
    Nonce { scope: "app", nonce, lifetime: Duration::from_secs(600) }
}

fn saying(key: &str, text: &str, seconds: u64) -> Saying {
    let remaining = Duration::from_secs(seconds);
    Saying { key: key.into(), text: text.into(), remaining, age: Duration::ZERO }
}

fn texts(said: &[Said]) -> Vec<(&str, &str)> {
    said.iter().map(|it| (it.key.as_str(), it.text.as_str())).collect()
}

#[tokio::test]
async fn what_edges_spend_of_a_bucket_is_added_up_and_forgotten_when_it_is_full() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (one, other) = (server.edge().await, server.edge().await);
    let began = Instant::now();
    let first = one.shared().settle(&[spent(1, 60_000), spent(2, 0)]).await.unwrap();
    assert_eq!(first, [60 * SECOND, 0]);
    // The other edge pays, too, and the bucket is in debt by what both let pass.
    let second = other.shared().settle(&[spent(1, 60_000)]).await.unwrap()[0];
    let flowed = began.elapsed().as_micros() as u64 + 1;
    assert!(second <= 120 * SECOND, "{second:?}");
    assert!(second + flowed >= 120 * SECOND, "{second:?}, {flowed:?}");
    let asked = one.shared().settle(&[spent(1, 0)]).await.unwrap()[0];
    assert!(asked <= second && asked > 60 * SECOND, "asking spends nothing: {asked:?}");
    let left: u64 = server.cli(&["PTTL", &format!("plimsoll:bucket:{:032x}", 1)]).parse().unwrap();
    assert!(left > 60_000 && left <= 120_000, "it is forgotten when it is full: {left} ms");
    let keys = server.cli(&["KEYS", "plimsoll:bucket:*"]);
    assert_eq!(keys.lines().count(), 1, "who has only asked is not remembered: {keys}");
    one.shared().settle(&[spent(3, 1)]).await.unwrap();
    let end = Instant::now() + PATIENCE;
    while server.cli(&["EXISTS", &format!("plimsoll:bucket:{:032x}", 3)]) != "0" {
        assert!(Instant::now() < end, "a bucket that is full again is kept");
    }
}

#[tokio::test]
async fn thousands_of_buckets_are_settled_at_once_beside_a_million_others() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&["--enable-debug-command", "yes"]);
    assert_eq!(server.cli(&["DEBUG", "POPULATE", "1000000", "other"]), "OK");
    let edge = server.edge().await;
    let all: Vec<_> = (0..5_000).map(|bucket| spent(bucket, 1_000 * bucket as u64)).collect();
    let gone = edge.shared().settle(&all).await.unwrap();
    let wanted: Vec<_> = all.iter().map(|it| it.spent).collect();
    assert_eq!(gone, wanted, "in the order in which they were asked for");
    // Scripts that the server has forgotten are told to it anew.
    assert_eq!(server.cli(&["SCRIPT", "FLUSH"]), "OK");
    edge.shared().settle(&all).await.unwrap();
    assert_eq!(edge.shared().errors(), 0);
}

#[tokio::test]
async fn a_debt_has_a_bound() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let edge = server.edge().await;
    for _ in 0..3 {
        let much = Settlement { spent: u64::MAX, ..spent(1, 0) };
        let most = store::DEBT_MAX.as_micros() as u64;
        assert_eq!(edge.shared().settle(&[much]).await.unwrap(), [most]);
    }
}

#[tokio::test]
async fn what_is_gone_at_least_is_said_twice_as_well_as_once_and_another_rate_changes_nothing() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let edge = server.edge().await;
    // So slow that nothing flows in while the test runs.
    let slow = |more, at_least| Settlement { spent: more, at_least, flow: 1e-9, ..spent(7, 0) };
    let settle = async |one| edge.shared().settle(&[one]).await.unwrap()[0];
    assert_eq!(settle(slow(5, 0)).await, 5);
    assert_eq!(settle(slow(1, 4)).await, 5, "a hair has flowed in of 6");
    assert_eq!(settle(slow(0, 9)).await, 9);
    assert_eq!(settle(slow(0, 9)).await, 9);
    // Of what was spent a while ago, what has flowed in since is there again.
    let old = Settlement { bucket: 8, spent: 5_000, age: Duration::from_secs(1), ..slow(0, 0) };
    assert_eq!(settle(Settlement { flow: 0.003, ..old }).await, 2_000);
    let faster = Settlement { bucket: 7, flow: 1e-7, ..slow(0, 0) };
    assert_eq!(settle(faster).await, 8, "what is gone is gone, at whatever rate it comes back");
}

#[tokio::test]
async fn what_is_no_bucket_under_its_key_is_written_over() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let edge = server.edge().await;
    let key = format!("plimsoll:bucket:{:032x}", 1);
    let values: [&[&str]; 6] = [
        &["SET", &key, "soup"],
        &["SET", &key, "nan 1"],
        &["SET", &key, "7 soup"],
        // As if the server's clock had been set back: it counts from now on.
        &["SET", &key, "0 9999999999999999 9999999999999999"],
        &["LPUSH", &key, "a"],
        &["HSET", &key, "a", "b"],
    ];
    for value in values {
        server.cli(&["DEL", &key]);
        server.cli(value);
        let gone = edge.shared().settle(&[spent(1, 60_000)]).await.unwrap();
        assert_eq!(gone, [60 * SECOND], "{value:?}");
        let next = edge.shared().settle(&[spent(1, 1)]).await.unwrap()[0];
        assert!(next > 59 * SECOND && next <= 60 * SECOND + 1_000, "{value:?}: {next}");
    }
    assert_eq!(edge.shared().errors(), 0);
}

#[tokio::test]
async fn a_nonce_that_is_used_on_two_edges_at_once_passes_on_one() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (one, other) = (server.edge().await, server.edge().await);
    for round in 0..100u32 {
        let bytes = round.to_le_bytes();
        let uses = tokio::join!(one.0.use_nonce(nonce(&bytes)), other.0.use_nonce(nonce(&bytes)));
        let firsts = [uses.0.unwrap(), uses.1.unwrap()].map(|it| it == NonceUse::First);
        assert!(firsts[0] ^ firsts[1], "round {round}: {firsts:?}");
    }
    one.0.use_nonce(nonce(b"last")).await.unwrap();
    let left: u64 = server.cli(&["PTTL", "plimsoll:nonce:app:last"]).parse().unwrap();
    assert!(left > 0 && left <= 600_000, "it is forgotten when its time is over: {left} ms");
}

#[tokio::test]
async fn the_first_edge_makes_a_key_and_all_have_it() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (one, other) = (server.edge().await, server.edge().await);
    assert_eq!(one.shared().shared_key("limits", [1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(other.shared().shared_key("limits", [2; 32]).await.unwrap(), [1; 32]);
    assert_eq!(other.shared().shared_key("other", [2; 32]).await.unwrap(), [2; 32]);
    assert_eq!(server.cli(&["FLUSHALL"]), "OK");
    assert_eq!(other.shared().shared_key("limits", [1; 32]).await.unwrap(), [1; 32]);
    // What is known is proposed, by what is opened in its place, too.
    assert_eq!(one.shared().agree_on_key("limits", [3; 32]).await.unwrap(), [1; 32]);
    assert_eq!(one.shared().known_key("limits"), Some([1; 32]));
    assert_eq!(server.cli(&["FLUSHALL"]), "OK");
    let elsewhere = model::Store { prefix: "elsewhere".into(), ..server.wanted() };
    let reopened = Edge(store::Store::open(Some(&elsewhere), &one.0));
    reopened.until_up().await;
    assert_eq!(reopened.shared().known_key("limits"), Some([1; 32]));
    assert_eq!(reopened.shared().agree_on_key("limits", [4; 32]).await.unwrap(), [1; 32]);
}

#[tokio::test]
async fn what_one_edge_says_all_hear_and_a_gap_is_caught_up() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (one, other) = (server.edge().await, server.edge().await);
    let mut follower = Follower::default();
    let news = follower.read(other.shared()).await.unwrap();
    assert_eq!(
        (texts(&news.said), news.say_again),
        (vec![], true),
        "a new edge says what it knows"
    );
    other.shared().say(&[]).await.unwrap();
    follower.read(other.shared()).await.unwrap();
    one.shared().say(&[saying("subject alice", "ban", 60)]).await.unwrap();
    let news = follower.read(other.shared()).await.unwrap();
    assert_eq!((texts(&news.said), news.say_again), (vec![("subject alice", "ban")], false));
    let remaining = news.said[0].remaining;
    assert!(remaining <= Duration::from_secs(60) && remaining > Duration::from_secs(20));
    // A gap of more than a page, in which something is said twice.
    let many: Vec<_> = (0..3_000).map(|it| saying(&format!("token {it}"), "ban", 60)).collect();
    one.shared().say(&many).await.unwrap();
    one.shared().say(&[saying("subject alice", "lifted", 60)]).await.unwrap();
    let news = follower.read(other.shared()).await.unwrap();
    assert_eq!((news.said.len(), news.say_again), (3_001, false));
    assert_eq!(texts(&news.said).last(), Some(&("subject alice", "lifted")));
    assert_eq!(follower.read(other.shared()).await.unwrap().said, []);
    // One that comes late hears everything, and of each only the last.
    let news = Follower::default().read(one.shared()).await.unwrap();
    assert_eq!(news.said.len(), 3_001);
}

#[tokio::test]
async fn what_is_older_replaces_nothing_and_what_is_over_is_forgotten() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let edge = server.edge().await;
    edge.shared().say(&[saying("subject bob", "lifted", 60)]).await.unwrap();
    let old = Saying { age: Duration::from_secs(30), ..saying("subject bob", "ban", 60) };
    edge.shared().say(&[old, saying("subject eve", "ban", 0)]).await.unwrap();
    let mut follower = Follower::default();
    let news = follower.read(edge.shared()).await.unwrap();
    assert_eq!(texts(&news.said), [("subject bob", "lifted")]);
    // Said again by another edge after a failover: nothing new, and no work for the others.
    let same = Saying { age: Duration::from_millis(5), ..saying("subject bob", "lifted", 60) };
    edge.shared().say(&[same]).await.unwrap();
    assert_eq!(follower.read(edge.shared()).await.unwrap().said, []);
    let short = Saying { remaining: Duration::from_millis(1), ..saying("subject kim", "ban", 60) };
    edge.shared().say(&[short]).await.unwrap();
    let end = Instant::now() + PATIENCE;
    while server.cli(&["HLEN", "{plimsoll:bans}:said"]) != "1" {
        assert!(Instant::now() < end, "what is over is kept");
        edge.shared().say(&[]).await.unwrap();
    }
    assert_eq!(server.cli(&["ZCARD", "{plimsoll:bans}:changes"]), "1");
    assert_eq!(server.cli(&["ZCARD", "{plimsoll:bans}:ends"]), "1");
}

#[tokio::test]
async fn a_store_that_was_emptied_or_lost_its_last_writes_is_filled_by_the_edges() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let edge = server.edge().await;
    let mut follower = Follower::default();
    edge.shared().say(&[saying("subject alice", "ban", 60)]).await.unwrap();
    follower.read(edge.shared()).await.unwrap();
    assert!(!follower.read(edge.shared()).await.unwrap().say_again);
    assert_eq!(server.cli(&["FLUSHALL"]), "OK");
    assert!(follower.read(edge.shared()).await.unwrap().say_again, "it is empty");
    edge.shared().say(&[saying("subject alice", "ban", 60)]).await.unwrap();
    let news = follower.read(edge.shared()).await.unwrap();
    assert!(news.say_again, "it is another");
    assert_eq!(texts(&news.said), [("subject alice", "ban")]);
    assert!(!follower.read(edge.shared()).await.unwrap().say_again);
    // A failover to a replica that lacked the last writes.
    edge.shared().say(&[saying("subject bob", "ban", 60)]).await.unwrap();
    follower.read(edge.shared()).await.unwrap();
    server.cli(&["HSET", "{plimsoll:bans}:meta", "last", "7"]);
    assert!(follower.read(edge.shared()).await.unwrap().say_again);
}
