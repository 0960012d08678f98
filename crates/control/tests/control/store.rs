//! `[store]`: opened with the file, changed by a reload, told of while it is down.

use control::{Status, StoreStatus};
use rustix::process::Signal;
use telemetry::event::Kind;

use testkit::RedisServer;

use crate::bench::{Bench, Origin};
use crate::redis::{is_installed, section};

fn is_up(status: &Status) -> bool {
    status.store.as_ref().is_some_and(|store| store.down_since.is_none())
}

fn is_down(status: &Status) -> bool {
    status.store.as_ref().is_some_and(|store| store.down_since.is_some())
}

fn services(origin: &Origin) -> String {
    format!("[services.api]\ntargets = [\"{}\"]\n", origin.address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_served_once_it_is_up_and_a_reload_changes_it() {
    if !is_installed() {
        return;
    }
    let (redis, other, origin) =
        (RedisServer::start(&[]), RedisServer::start(&[]), Origin::start("one").await);
    let text = services(&origin) + &section(&redis);
    let bench = Bench::start(&text).await;
    let status = bench.handle.status().await.unwrap();
    assert!(is_up(&status), "it was tried before it was served: {:?}", status.store);
    assert_eq!(status.store.unwrap().place, format!("127.0.0.1:{}", redis.port));
    bench.edit(&redis.port.to_string(), &other.port.to_string());
    let reloaded = bench.handle.reload().await.unwrap();
    assert!(reloaded.diff.store_changed && !reloaded.diff.is_empty());
    let status = bench.handle.status().await.unwrap();
    assert!(is_up(&status), "{:?}", status.store);
    assert_eq!(status.store.unwrap().place, format!("127.0.0.1:{}", other.port));
    bench.write(&services(&origin));
    bench.handle.reload().await.unwrap();
    assert_eq!(bench.handle.status().await.unwrap().store, None);
    assert!(!bench.handle.scrape().await.unwrap().contains("plimsoll_store_up"));
    assert_eq!(bench.get().await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_down_that_is_told_with_the_reason_and_it_heals_by_itself() {
    if !is_installed() {
        return;
    }
    let (mut redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    let bench = Bench::start(&(services(&origin) + &section(&redis))).await;
    redis.end();
    let status = bench.until("it is down", is_down).await;
    let StoreStatus { why, .. } = status.store.unwrap();
    assert!(why.is_some_and(|why| !why.is_empty()));
    let scrape = bench.handle.scrape().await.unwrap();
    assert!(scrape.contains("\nplimsoll_store_up 0\n"), "{scrape}");
    assert_eq!(bench.get().await.0, 200, "what does not need it is served");
    assert!(redis.begin());
    bench.until("it is up again", is_up).await;
    redis.signal(Signal::STOP);
    bench.until("it is frozen", is_down).await;
    redis.signal(Signal::CONT);
    bench.until("it is up again", is_up).await;
    let told = bench.handle.events().recent();
    let kinds: Vec<_> = told.iter().map(|it| it.event.kind()).collect();
    assert!(kinds.contains(&Kind::StoreDown) && kinds.contains(&Kind::StoreUp), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_reached_keeps_nothing_from_being_served() {
    let origin = Origin::start("one").await;
    // Nothing listens there.
    let text = services(&origin) + "[store]\nredis = \"redis://127.0.0.1:1\"\n";
    let bench = Bench::start(&text).await;
    let status = bench.until("it is down", is_down).await;
    assert!(status.store.unwrap().why.unwrap().contains("cannot connect"));
    assert_eq!(bench.get().await.0, 200);
}
