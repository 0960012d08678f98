//! Targets at DNS names follow what the names stand for.

use balance::Mode;

use crate::bench::{Bench, FakeNames, Origin};

fn names_of(status: &control::Status) -> Vec<&str> {
    status.services[0].instances.iter().map(|instance| instance.name.as_str()).collect()
}

/// Whether the metrics say that so many names cannot be looked up.
async fn are_stale(bench: &Bench, names: u64) -> bool {
    let page = bench.handle.scrape().await.unwrap();
    page.contains(&format!("plimsoll_feed_stale{{feed=\"names\"}} {names}\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_follow_a_name_and_stay_while_it_cannot_be_resolved() {
    let origin = Origin::start("one").await;
    let target = format!("app.internal:{}", origin.address.port());
    let names = FakeNames::default();
    names.set("app.internal", &["127.0.0.1"]);
    let text = format!("[services.api]\ntargets = [\"{target}\"]");
    let bench = Bench::start_with(&text, names).await;
    assert_eq!(bench.get().await, (200, "one".into()));
    let status = bench.handle.status().await.unwrap();
    let first = format!("{target}/127.0.0.1");
    assert_eq!(names_of(&status), [first.as_str()]);
    let generation = status.generation;

    bench.names.set("app.internal", &["127.0.0.1", "127.0.0.9"]);
    let second = format!("{target}/127.0.0.9");
    let status = bench.until("two", |status| names_of(status) == [&first, &second]).await;
    assert_eq!((status.generation, status.revision.0), (generation.next(), 1));
    let kept = &status.services[0].instances[0];
    assert_eq!(kept.totals.ok, 1, "what was observed of it is kept");

    bench.names.set("app.internal", &[]);
    let status =
        bench.until("a failed lookup", |status| !status.services[0].unresolved.is_empty()).await;
    assert_eq!(names_of(&status), [&first, &second]);
    assert_eq!(status.generation, generation.next(), "nothing was published for it");
    assert_eq!(status.services[0].unresolved[0].1, "the name has no address");
    assert!(are_stale(&bench, 1).await);

    bench.names.set("app.internal", &["127.0.0.1"]);
    bench.until("one", |status| names_of(status) == [&first]).await;
    assert!(are_stale(&bench, 0).await);
    assert_eq!(bench.get().await, (200, "one".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_cannot_be_resolved_at_the_start_is_tried_again_soon() {
    let origin = Origin::start("one").await;
    let text = format!("[services.api]\ntargets = [\"app.internal:{}\"]", origin.address.port());
    let bench = Bench::start(&text).await;
    assert_eq!(bench.get().await.0, 503);
    assert_eq!(bench.handle.status().await.unwrap().services[0].mode, Mode::Nobody);
    bench.names.set("app.internal", &["127.0.0.1"]);
    bench.until("resolved", |status| names_of(status).len() == 1).await;
    assert_eq!(bench.get().await, (200, "one".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_asks_anew_for_names_that_could_not_be_resolved() {
    let origin = Origin::start("one").await;
    let text = format!("[services.api]\ntargets = [\"app.internal:{}\"]", origin.address.port());
    let bench = Bench::start(&text).await;
    bench.names.set("app.internal", &["127.0.0.1"]);
    bench.handle.reload().await.unwrap();
    assert_eq!(bench.get().await, (200, "one".into()));
    assert!(bench.handle.status().await.unwrap().services[0].unresolved.is_empty());
}
