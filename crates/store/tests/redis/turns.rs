//! Turns and the board, over a real Redis: one edge does what all need, and one that wakes too late overwrites nothing.

use std::time::{Duration, Instant};

use crate::support::{Edge, PATIENCE, Server, is_installed};
use store::{Board, BoardReader, Claim, Posted, Record, Right, Turn};

const LENGTH: Duration = Duration::from_secs(30);

fn record(name: &str, text: &str, worth: u64) -> Record {
    let remaining = Duration::from_secs(600);
    Record { name: name.into(), text: text.into(), remaining, worth }
}

async fn take(edge: &Edge, name: &str, length: Duration) -> Turn {
    match edge.shared().take_turn("a", name, length).await.unwrap() {
        Claim::Ours(turn) => turn,
        others => panic!("{others:?}"),
    }
}

async fn post(edge: &Edge, record: Record, right: Right) -> bool {
    edge.shared().post(&record, right).await.unwrap() != Posted::Refused
}

fn texts(board: &Board) -> Vec<&str> {
    board.records.iter().map(|it| it.text.as_str()).collect()
}

#[tokio::test]
async fn a_turn_is_one_edge_s_as_long_as_it_keeps_it_and_who_waits_hears_of_it() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (one, other) = (server.edge().await, server.edge().await);
    let first = take(&one, "one", Duration::from_millis(200)).await;
    // Its own goes on, with a higher number.
    assert!(take(&one, "one", LENGTH).await > first);
    let told = "no A record: 100 % wrong";
    one.shared().tell_of_turn("a", "one", told, LENGTH).await.unwrap();
    let others = Claim::Others { edge: "one".into(), told: told.into() };
    assert_eq!(other.shared().take_turn("a", "two", LENGTH).await.unwrap(), others);
    // What another has is neither kept, told of nor ended.
    let short = Duration::from_millis(1);
    other.shared().keep_turns(&["a".into(), "b".into()], "two", short).await.unwrap();
    other.shared().tell_of_turn("a", "two", "mine", short).await.unwrap();
    other.shared().end_turn("a", "two").await.unwrap();
    assert_eq!(other.shared().take_turn("a", "two", LENGTH).await.unwrap(), others);
    one.shared().end_turn("a", "one").await.unwrap();
    let second = take(&other, "two", Duration::from_millis(300)).await;
    assert!(second > first);
    // It is nobody's once its holder keeps it no longer.
    let end = Instant::now() + PATIENCE;
    loop {
        match one.shared().take_turn("a", "one", LENGTH).await.unwrap() {
            Claim::Ours(third) => break assert!(third > second),
            Claim::Others { .. } => assert!(Instant::now() < end, "it does not end"),
        }
    }
}

#[tokio::test]
async fn who_was_paused_in_its_turn_overwrites_nothing_also_where_the_store_was_emptied() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (paused, other) = (server.edge().await, server.edge().await);
    let old = take(&paused, "paused", LENGTH).await;
    server.cli(&["FLUSHALL"]);
    let new = take(&other, "other", LENGTH).await;
    assert!(new > old, "numbers grow over an emptied store");
    assert!(!post(&paused, record("a", "late", 9), Right::Turn(old)).await, "another has the turn");
    assert!(post(&other, record("a", "new", 1), Right::Turn(new)).await);
    other.shared().end_turn("a", "other").await.unwrap();
    assert!(!post(&paused, record("a", "late", 9), Right::Turn(old)).await, "nor after that");
    let there = other.shared().record("a").await.unwrap().unwrap();
    assert_eq!((there.text.as_str(), there.worth), ("new", 1));
    assert!(there.remaining > Duration::from_secs(590), "{there:?}");
    assert_eq!(other.shared().record("b").await.unwrap(), None);
    // A turn that nobody took after it is as good as it was.
    let last = take(&paused, "paused", Duration::from_millis(1)).await;
    while server.cli(&["EXISTS", "{plimsoll:edges}:turn:a"]) != "0" {}
    assert!(post(&paused, record("a", "in time", 0), Right::Turn(last)).await);
    // What is offered has to be worth more, and does not lower the fence.
    assert!(!post(&other, record("a", "as good", 0), Right::WorthMore).await);
    assert!(post(&other, record("a", "better", 5), Right::WorthMore).await);
    assert!(!post(&paused, record("a", "late", 9), Right::Turn(old)).await);
    assert!(post(&paused, record("a", "", 0), Right::Any).await);
}

#[tokio::test]
async fn edges_read_what_has_changed_and_it_is_known_who_has() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (one, other) = (server.edge().await, server.edge().await);
    let (mut first, mut second) = (BoardReader::new("one"), BoardReader::new("two"));
    assert!(first.read(one.shared()).await.unwrap().is_whole, "there was nothing to know before");
    second.read(other.shared()).await.unwrap();
    for number in 0..200 {
        let record = record(&format!("n{number}"), &format!("{number}"), number);
        assert!(post(&one, record, Right::Any).await);
    }
    let short = Record { remaining: Duration::from_millis(1), ..record("short", "gone", 0) };
    let posted = one.shared().post(&short, Right::Any).await.unwrap();
    let Posted::Taken(change) = posted else { panic!("{posted:?}") };
    assert_eq!(one.shared().unread(change, "one").await.unwrap(), 1);
    let board = second.read(other.shared()).await.unwrap();
    assert_eq!((board.records.len() >= 200, board.is_whole, board.edges), (true, false, 2));
    assert_eq!(texts(&board)[..3], ["0", "1", "2"]);
    assert_eq!(one.shared().unread(change, "one").await.unwrap(), 1, "it may be at it still");
    assert_eq!(second.read(other.shared()).await.unwrap().records, []);
    assert_eq!(one.shared().unread(change, "one").await.unwrap(), 0);
    assert_eq!(readers(&server), "2");

    server.cli(&["FLUSHALL"]);
    let board = second.read(other.shared()).await.unwrap();
    assert_eq!((board.records.len(), board.is_whole, board.edges), (0, true, 1));
    assert!(post(&one, record("n", "again", 0), Right::WorthMore).await);
    assert_eq!(texts(&second.read(other.shared()).await.unwrap()), ["again"]);
    second.begin_anew();
    let board = second.read(other.shared()).await.unwrap();
    assert!(board.is_whole && texts(&board) == ["again"]);
}

/// How many edges the store knows of.
fn readers(server: &Server) -> String {
    server.cli(&["HLEN", "{plimsoll:edges}:readers"])
}
