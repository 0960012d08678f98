//! Whatever is wrong with a server becomes one clear word, calls never wait for long, and it heals by itself.

use std::time::{Duration, Instant};

use crate::support::{
    Edge, PATIENCE, Server, TIMEOUT, is_installed, node, scripted, wanted, with_password,
};
use model::{OnFailure, Redis, Store as Wanted};
use rustix::process::Signal;
use store::{Health, Nonce, NonceError, NonceUse, Settlement};

const ONE: [Settlement; 1] =
    [Settlement { bucket: 1, spent: 1_000_000, age: Duration::ZERO, at_least: 0, flow: 1.0 }];

fn nonce(nonce: &[u8]) -> Nonce<'_> {
    Nonce { scope: "app", nonce, lifetime: Duration::from_secs(600) }
}

#[tokio::test]
async fn a_server_that_stops_is_down_at_once_and_up_when_it_is_back() {
    if !is_installed() {
        return;
    }
    let mut server = Server::start(&[]);
    let edge = server.edge().await;
    edge.shared().settle(&ONE).await.unwrap();
    server.end();
    let down = edge.shared().settle(&ONE).await.unwrap_err();
    assert!(down.to_string().starts_with("the store is down: "), "{down}");
    let why = edge.until_down("cannot connect to 127.0.0.1:").await;
    assert!(why.contains("refused"), "{why}");
    // Since when is that of the first failure, whatever is tried meanwhile.
    let Health::Down(first) = edge.shared().health() else { panic!("it is up") };
    let before = edge.shared().errors();
    assert!(edge.shared().settle(&ONE).await.is_err());
    assert_eq!(edge.shared().errors(), before, "it is not asked while it is down");
    assert!(server.begin());
    edge.until_up().await;
    assert!(first.since <= std::time::SystemTime::now());
    edge.shared().settle(&ONE).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_frozen_costs_one_deadline_and_then_nothing() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let wanted = Wanted { timeout: Duration::from_millis(300), ..server.wanted() };
    let edge = Edge::of(&wanted);
    edge.until_up().await;
    server.signal(Signal::STOP);
    // The probe may be the first that notices.
    let _ = edge.shared().settle(&ONE).await.unwrap_err();
    edge.until_down("no response within").await;
    let began = Instant::now();
    for _ in 0..1_000 {
        edge.shared().settle(&ONE).await.unwrap_err();
    }
    assert!(began.elapsed() < Duration::from_secs(10), "a thousand refusals wait for nothing");
    server.signal(Signal::CONT);
    edge.until_up().await;
    edge.shared().settle(&ONE).await.unwrap();
}

#[tokio::test]
async fn a_replica_is_down_until_it_is_promoted() {
    if !is_installed() {
        return;
    }
    let (primary, server) = (Server::start(&[]), Server::start(&[]));
    let edge = server.edge().await;
    server.cli(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let end = Instant::now() + PATIENCE;
    let down = loop {
        match edge.shared().settle(&ONE).await {
            Ok(_) => assert!(Instant::now() < end, "a replica is written to"),
            Err(down) => break down,
        }
    };
    edge.until_down("read-only").await;
    assert!(!down.to_string().is_empty());
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    edge.until_up().await;
}

#[tokio::test]
async fn a_server_without_room_is_down_until_it_has_some() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let edge = server.edge().await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    edge.until_down("memory is full").await;
    assert!(edge.shared().settle(&ONE).await.is_err());
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    edge.until_up().await;
}

#[tokio::test]
async fn what_is_no_redis_or_not_ready_is_said_in_words() {
    for (answer, words) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "not Redis's protocol"),
        ("\0\u{1}\u{2}\u{3}\r\n", "not Redis's protocol"),
        ("-LOADING Redis is loading the dataset in memory\r\n", "loading"),
        ("-MISCONF Redis is configured to save RDB snapshots\r\n", "cannot save"),
        ("-NOAUTH Authentication required.\r\n", "password"),
        ("-CLUSTERDOWN The cluster is down\r\n", "cluster"),
        ("-BUSY Redis is busy running a script.\r\n", "a script blocks it"),
        ("-NOPERM this user has no permissions\r\n", "may not run"),
        ("-EVIL \u{1b}[2J\u{7}\r\n", "it says"),
    ] {
        let address = scripted(answer).await;
        let edge = Edge::of(&wanted(Redis::Single(Box::new(node(address.port())))));
        let why = edge.until_down(words).await;
        assert!(!why.chars().any(char::is_control), "{answer:?}: {why:?}");
        edge.shared().settle(&ONE).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_password_is_in_no_message_even_if_the_server_repeats_it() {
    let address = scripted("-ERR unknown command, with args beginning with: {told}\r\n").await;
    let secret = with_password(address.port(), "hunter2");
    let edge = Edge::of(&wanted(Redis::Single(Box::new(secret))));
    let why = edge.until(|health| health.down().is_some_and(|it| !it.why.contains("yet"))).await;
    let texts = [format!("{why:?}"), format!("{:?}", edge.0)];
    assert!(texts.iter().all(|text| !text.contains("hunter2")), "{texts:?}");
    if !is_installed() {
        return;
    }
    let server = Server::start(&["--requirepass", "opensesame"]);
    let at = |password| wanted(Redis::Single(Box::new(with_password(server.port, password))));
    Edge::of(&at("opensesame")).until_up().await;
    let why = Edge::of(&at("hunter2")).until_down("refused").await;
    assert!(!why.contains("hunter2"), "{why}");
    Edge::of(&server.wanted()).until_down("password").await;
}

#[tokio::test]
async fn without_the_store_a_nonce_is_this_edge_s_alone_or_refused() {
    if !is_installed() {
        return;
    }
    let mut server = Server::start(&[]);
    let edge = server.edge().await;
    let refuse = Edge::of(&Wanted { on_failure: OnFailure::Refuse, ..server.wanted() });
    refuse.until_up().await;
    assert_eq!(edge.0.use_nonce(nonce(b"a")).await, Ok(NonceUse::First));
    assert_eq!(refuse.0.use_nonce(nonce(b"a")).await, Ok(NonceUse::Again));
    server.end();
    edge.until_down("cannot connect").await;
    refuse.until_down("cannot connect").await;
    assert_eq!(edge.0.use_nonce(nonce(b"a")).await, Ok(NonceUse::Again), "seen before the fall");
    assert_eq!(edge.0.use_nonce(nonce(b"b")).await, Ok(NonceUse::First));
    assert_eq!(edge.0.use_nonce(nonce(b"b")).await, Ok(NonceUse::Again));
    let refused = refuse.0.use_nonce(nonce(b"c")).await;
    assert!(matches!(refused, Err(NonceError::Down(_))), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_was_never_there_is_waited_for_by_nobody() {
    let edge = Edge::of(&wanted(Redis::Single(Box::new(node(crate::support::free_port())))));
    let began = Instant::now();
    edge.shared().settle(&ONE).await.unwrap_err();
    assert!(began.elapsed() < TIMEOUT, "{:?}", began.elapsed());
    edge.until_down("cannot connect").await;
}
