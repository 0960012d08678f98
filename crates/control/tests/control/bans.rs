//! Who is banned: over restarts, and over edges that share a store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control::{Ban, BanError, Banned};
use rustix::process::Signal;
use telemetry::event::Kind;

use testkit::RedisServer;

use crate::bench::{Bench, Origin};
use crate::redis::{is_installed, section};

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Everybody who asks here.
fn everybody() -> Banned {
    Banned::Address("127.0.0.0/8".parse().unwrap())
}

fn ban(banned: Banned, length: Duration) -> Ban {
    Ban { banned, at: now(), until: now() + length, reason: Some("guesses".into()) }
}

const HOUR: Duration = Duration::from_secs(3_600);

fn text(origin: &Origin, more: &str) -> String {
    format!("[services.api]\ntargets = [\"{}\"]\n{more}", origin.address)
}

impl Bench {
    /// Asks until that is the status.
    async fn until_status(&self, what: &str, wanted: u16) {
        let ask = async {
            while self.get().await.0 != wanted {
                tokio::task::yield_now().await;
            }
        };
        let asked = tokio::time::timeout(Duration::from_secs(30), ask).await;
        assert!(asked.is_ok(), "waited for: {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_holds_over_a_restart_until_it_is_lifted() {
    let origin = Origin::start("one").await;
    let mut bench = Bench::start(&text(&origin, "")).await;
    let said = bench.handle.ban(ban(everybody(), HOUR)).await.unwrap();
    bench.until_status("it is refused", 403).await;
    bench.restart().await;
    assert_eq!(bench.get().await.0, 403, "from the first request on");
    let all = bench.handle.bans().await.unwrap();
    assert_eq!((all.len(), &all[0].banned, &all[0].reason), (1, &said.banned, &said.reason));
    assert!(bench.handle.scrape().await.unwrap().contains("\nplimsoll_bans 1\n"));
    bench.handle.lift(everybody()).await.unwrap();
    assert_eq!(bench.handle.lift(everybody()).await, Err(BanError::NotThere));
    bench.until_status("it is served", 200).await;
    bench.restart().await;
    assert_eq!(bench.get().await.0, 200);
    assert!(bench.handle.bans().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_by_itself_and_one_that_is_over_is_not_taken_up() {
    let origin = Origin::start("one").await;
    let bench = Bench::start(&text(&origin, "")).await;
    bench.handle.ban(ban(everybody(), Duration::from_secs(2))).await.unwrap();
    let over = async { while !bench.handle.bans().await.unwrap().is_empty() {} };
    tokio::time::timeout(Duration::from_secs(30), over).await.expect("it is over");
    // By a worker's calendar it may be over a moment later.
    bench.until_status("it is over, whether or not it was forgotten", 200).await;
    let late = Ban { until: now() - HOUR, ..ban(everybody(), HOUR) };
    assert!(matches!(bench.handle.ban(late).await, Err(BanError::NotTaken(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_list_keeps_nobody_from_starting_and_that_is_told() {
    let origin = Origin::start("one").await;
    let mut bench = Bench::start(&text(&origin, "")).await;
    bench.handle.ban(ban(everybody(), HOUR)).await.unwrap();
    let path = bench.state("bans");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, whole.replace("\nend\n", "\n{\"banned\":")).unwrap();
    bench.restart().await;
    assert_eq!(bench.get().await.0, 403, "what can be read holds");
    let told = bench.handle.events().recent();
    assert!(told.iter().any(|it| it.event.kind() == Kind::BansDamaged));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_edge_is_told_all_know() {
    if !is_installed() {
        return;
    }
    let (redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    let text = text(&origin, &section(&redis));
    let (here, there) = (Bench::start(&text).await, Bench::start(&text).await);
    here.handle.ban(ban(everybody(), HOUR)).await.unwrap();
    there.until_status("it is told to the other", 403).await;
    assert_eq!(there.handle.bans().await.unwrap()[0].reason.as_deref(), Some("guesses"));
    there.handle.lift(everybody()).await.unwrap();
    here.until_status("it is lifted on both", 200).await;
    // One that comes later knows, too.
    here.handle.ban(ban(everybody(), HOUR)).await.unwrap();
    let late = Bench::start(&text).await;
    late.until_status("it has read what was said", 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_the_store_is_away_is_told_when_it_is_back() {
    if !is_installed() {
        return;
    }
    let (mut redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    let text = text(&origin, &section(&redis));
    let (here, mut there) = (Bench::start(&text).await, Bench::start(&text).await);
    // Frozen: nothing is lost.
    redis.signal(Signal::STOP);
    here.until("it is down", |status| status.store.as_ref().is_some_and(|it| it.why.is_some()))
        .await;
    here.handle.ban(ban(everybody(), HOUR)).await.unwrap();
    here.until_status("it holds here at once", 403).await;
    assert_eq!(there.get().await.0, 200);
    redis.signal(Signal::CONT);
    there.until_status("it is told when the store is back", 403).await;
    // Emptied: the edges fill it again, for those that come later.
    assert_eq!(redis.cli(&["FLUSHALL"]), "OK");
    let late = Bench::start(&text).await;
    late.until_status("it was said again", 403).await;
    drop(late);
    // Gone with all that it knew, and lifted meanwhile: nobody brings it back.
    redis.end();
    here.handle.lift(everybody()).await.unwrap();
    assert!(redis.begin());
    there.until_status("it is lifted there, too", 200).await;
    there.restart().await;
    assert_eq!(there.get().await.0, 200);
    here.until_status("nobody brings it back", 200).await;
}

/// Four refusals at once are one too many; the origin says 401.
const ABUSE: &str = "[abuse.guessing]\nrate = \"1/d\"\nburst = 3\nban = \"1h\"\n\
                     [policies]\nabuse = \"guessing\"\n";

impl Bench {
    /// Is refused by the instance until it is banned for that.
    async fn gather_refusals(&self) {
        for _ in 0..4 {
            assert_eq!(self.get().await.0, 401);
        }
        self.until_status("it is banned", 403).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_for_abuse_is_a_ban_like_any_other() {
    let origin = Origin::start("one").await;
    origin.set_answer(401);
    let mut bench = Bench::start(&text(&origin, ABUSE)).await;
    bench.gather_refusals().await;
    bench.restart().await;
    assert_eq!(bench.get().await.0, 403, "it holds over a restart");
    let all = bench.handle.bans().await.unwrap();
    let [ban] = &all[..] else { panic!("{all:?}") };
    assert_eq!(ban.banned, Banned::Address("127.0.0.1/32".parse().unwrap()));
    assert_eq!(ban.reason.as_deref(), Some("abuse guessing: more than 3 refusals (401, 403)"));
    assert!(ban.until > now() + HOUR / 2 && ban.until <= now() + HOUR);
    bench.handle.lift(ban.banned.clone()).await.unwrap();
    bench.until_status("it is lifted", 401).await;
    // Refusals begin anew, and lead to the next.
    bench.until_status("it is banned again", 403).await;
    let told = bench.handle.events().recent();
    let is_it =
        |it: &&std::sync::Arc<telemetry::event::Recorded>| it.event.kind() == Kind::ClientBanned;
    assert!(told.iter().filter(is_it).count() > 0, "it was told");
    let scraped = bench.handle.scrape().await.unwrap();
    let banned = "plimsoll_abuse_refusals_total{abuse=\"guessing\",verdict=\"banned\"} ";
    let count = scraped.split_once(banned).expect("it is there").1;
    assert!(!count.starts_with('0'), "{scraped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_for_abuse_does_not_shorten_an_operators() {
    let origin = Origin::start("one").await;
    origin.set_answer(401);
    let bench = Bench::start(&text(&origin, ABUSE)).await;
    let long = Ban { until: now() + HOUR * 24, ..ban(everybody(), HOUR) };
    let own = Ban { banned: Banned::Address("127.0.0.1/32".parse().unwrap()), ..long };
    for _ in 0..3 {
        assert_eq!(bench.get().await.0, 401);
    }
    // The fourth is under way when the operator's word comes, as far as can be.
    let (status, said) = tokio::join!(bench.get(), bench.handle.ban(own.clone()));
    assert!(said.is_ok() && [401, 403].contains(&status.0));
    bench.until_status("it is banned", 403).await;
    let all = bench.handle.bans().await.unwrap();
    assert!(all.len() == 1 && all[0].until == own.until, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_for_abuse_holds_on_all_edges() {
    if !is_installed() {
        return;
    }
    let (redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    origin.set_answer(401);
    let text = text(&origin, &format!("{ABUSE}{}", section(&redis)));
    let (here, there) = (Bench::start(&text).await, Bench::start(&text).await);
    here.gather_refusals().await;
    there.until_status("the other knows", 403).await;
    let all = there.handle.bans().await.unwrap();
    assert!(all[0].reason.as_deref().unwrap().starts_with("abuse guessing"), "{all:?}");
}
