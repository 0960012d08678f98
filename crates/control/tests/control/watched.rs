//! Reloads that are watched: one after which requests fail more often is rolled back, and no other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control::{IfRolledBack, ReloadEnding, ReloadError, ReloadProgress, ReloadRequest, Reloaded};
use model::Revision;
use telemetry::event::{EventId, Followed, Kind};
use tokio::task::JoinHandle;

use crate::bench::{Bench, Client, Origin};

/// Longer than anything here takes, so that only what is found can end it.
const LONG: Duration = Duration::from_secs(600);
/// As long as it takes to see that nothing is found.
const SHORT: Duration = Duration::from_secs(3);
/// No ending is waited for any longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The route that reloads edit.
const ROUTE: &str = "[[routes]]\npath = \"/a\"\nto = \"api\"\n";

fn services(of: &[(&str, SocketAddr)]) -> String {
    let service = |(name, at): &(&str, SocketAddr)| {
        format!("[services.{name}]\ntargets = [\"{at}\"]\npassive = false\n")
    };
    of.iter().map(service).collect()
}

/// Clients that ask `/a` and `/b` in turn, and what they got.
struct Load {
    ended: Arc<AtomicBool>,
    got: Arc<Mutex<BTreeMap<u16, usize>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    async fn begin(bench: &Bench) -> Self {
        let address = bench.address().await;
        let (ended, got) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let client = || {
            let (ended, got): (_, Arc<Mutex<BTreeMap<u16, usize>>>) =
                (Arc::clone(&ended), Arc::clone(&got));
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                while !ended.load(Ordering::Relaxed) {
                    for path in ["/a", "/b"] {
                        let status = client.get_at(path).await.unwrap().0;
                        *got.lock().unwrap().entry(status).or_default() += 1;
                    }
                }
            })
        };
        let clients = (0..2).map(|_| client()).collect();
        Self { ended, got, clients }
    }

    /// Waits until so many requests more got this status.
    async fn until(&self, status: u16, more: usize) {
        let count = || self.got.lock().unwrap().get(&status).copied().unwrap_or_default();
        let wanted = count() + more;
        let wait = async {
            while count() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }

    async fn end(self) {
        self.ended.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
    }
}

/// A configuration that serves, with clients, and with a past.
async fn served(text: &str) -> (Bench, Load) {
    let bench = Bench::start(text).await;
    let load = Load::begin(&bench).await;
    load.until(200, 200).await;
    (bench, load)
}

async fn watch(bench: &Bench, length: Duration) -> Reloaded {
    let request = ReloadRequest { watch: Some(length), ..ReloadRequest::default() };
    bench.handle.reload_as(request).await.unwrap()
}

/// How the watch of a revision ended, once it has.
async fn ended(bench: &Bench, revision: Revision) -> ReloadProgress {
    let mut progress = bench.handle.reload_progress(revision).await.unwrap().unwrap();
    let over = progress.wait_for(|progress| progress.ending.is_some());
    tokio::time::timeout(PATIENCE, over).await.unwrap().unwrap().clone()
}

/// Waits until an event of this kind has been told, since the start.
async fn is_told(bench: &Bench, kind: Kind) {
    let events = bench.handle.events();
    let start = EventId { number: 0, ..events.last() };
    let mut follower = events.follow(Some(start));
    let told = async {
        loop {
            match follower.next().await {
                Some(Followed::Event(recorded)) if recorded.event.kind() == kind => return,
                Some(_) => {}
                None => panic!("the events have ended"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
}

/// Has a change of the file watched that is bad: it is rolled back, for this reason, and what was served before is served again.
async fn is_rolled_back(bench: &Bench, load: &Load, why: &str) {
    let reloaded = watch(bench, LONG).await;
    assert_eq!((reloaded.revision, reloaded.watch), (Revision(2), Some(LONG)));
    let progress = ended(bench, reloaded.revision).await;
    let Some(ReloadEnding::RolledBack { revision, why: told }) = progress.ending else {
        panic!("{progress:?}");
    };
    assert_eq!(revision, Revision(3));
    assert!(told.contains(why), "{told}");
    is_told(bench, Kind::ReloadRolledBack).await;
    load.until(200, 100).await;
    let mut client = Client::connect(bench.address().await).await;
    assert_eq!(client.get_at("/a").await.unwrap(), (200, "one".into()));
    let status = bench.handle.status().await.unwrap();
    assert!(status.last_reload.unwrap().outcome.unwrap_err().contains("rolled back"));
    assert_eq!(status.rolled_back.unwrap().revision, Revision(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_led_to_a_dead_service_is_rolled_back_and_refused_until_the_file_changes() {
    let one = Origin::start("one").await;
    let dead = Origin::start("dead").await;
    let at = dead.address;
    dead.kill().await;
    let text = format!("{}{ROUTE}", services(&[("api", one.address), ("dead", at)]));
    let (bench, load) = served(&text).await;
    bench.edit("path = \"/a\"\nto = \"api\"", "path = \"/a\"\nto = \"dead\"");
    is_rolled_back(&bench, &load, "/a").await;

    let refused = bench.handle.reload().await.unwrap_err();
    assert!(matches!(refused, ReloadError::RolledBack { revision: Revision(2), .. }), "{refused}");
    assert!(refused.to_string().contains("--anyway"), "{refused}");
    let anyway = ReloadRequest { refused: IfRolledBack::TakeUp, ..ReloadRequest::default() };
    assert_eq!(bench.handle.reload_as(anyway).await.unwrap().revision, Revision(4));
    assert_eq!(bench.handle.status().await.unwrap().rolled_back, None);
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_to_what_is_not_there_is_rolled_back() {
    let one = Origin::start("one").await;
    let (bench, load) = served(&format!("{}{ROUTE}", services(&[("api", one.address)]))).await;
    bench.edit("path = \"/a\"", "rewrite = { add_prefix = \"/missing\" }\npath = \"/a\"");
    is_rolled_back(&bench, &load, "got a 4xx").await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_the_service_cannot_bear_is_rolled_back() {
    let one = Origin::start("one").await;
    let (bench, load) = served(&format!("{}{ROUTE}", services(&[("api", one.address)]))).await;
    let header = "request_headers = { set = { x-poison = \"1\" } }";
    bench.edit("path = \"/a\"", &format!("{header}\npath = \"/a\""));
    is_rolled_back(&bench, &load, "failed").await;
    load.end().await;
}

/// Half of the service's requests: what is slow counts once it could not be for being new.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_makes_the_service_slow_is_rolled_back() {
    let one = Origin::start("one").await;
    let (bench, load) = served(&format!("{}{ROUTE}", services(&[("api", one.address)]))).await;
    let header = "request_headers = { set = { x-heavy = \"1\" } }";
    bench.edit("path = \"/a\"", &format!("{header}\npath = \"/a\""));
    is_rolled_back(&bench, &load, "ms or longer, before it at most").await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_the_new_file_does_not_have_is_served_on_until_the_watch_ends() {
    let one = Origin::start("one").await;
    let dead = Origin::start("dead").await;
    let at = dead.address;
    dead.kill().await;
    let (old, new) = (services(&[("api", one.address), ("old", one.address)]), "to = \"old\"");
    let text = format!("{old}{}", ROUTE.replace("to = \"api\"", new));
    let (bench, load) = served(&text).await;
    bench.edit("[services.old]", "[services.new]");
    bench.edit(new, "to = \"new\"");
    let text = services(&[("new", one.address)]);
    bench.edit(&text, &services(&[("new", at)]));
    let reloaded = watch(&bench, LONG).await;
    assert_eq!(reloaded.diff.services.removed, ["old".into()]);
    let name = |name: &'static str| move |it: &control::ServiceStatus| it.name.as_str() == name;
    let progress = ended(&bench, reloaded.revision).await;
    assert!(matches!(progress.ending, Some(ReloadEnding::RolledBack { .. })), "{progress:?}");
    let status = bench.handle.status().await.unwrap();
    let old = status.services.iter().find(|it| name("old")(it)).unwrap();
    assert!(old.instances[0].totals.ok >= 100, "its record is kept: {:?}", old.instances[0].totals);
    assert!(!status.services.iter().any(name("new")));

    // One that stays lets it go when the watch is over.
    bench.edit(&format!("\"{at}\""), &format!("\"{}\"", one.address));
    let reloaded = watch(&bench, SHORT).await;
    let held = bench.handle.status().await.unwrap();
    assert!(held.services.iter().any(name("old")));
    let progress = ended(&bench, reloaded.revision).await;
    assert!(matches!(progress.ending, Some(ReloadEnding::Stands(_))), "{progress:?}");
    bench.until("it is let go", |status| !status.services.iter().any(name("old"))).await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_reload_stays_and_says_with_how_much_it_was_compared() {
    let one = Origin::start("one").await;
    let (bench, load) = served(&format!("{}{ROUTE}", services(&[("api", one.address)]))).await;
    bench.edit("path = \"/a\"", "request_headers = { set = { x-good = \"1\" } }\npath = \"/a\"");
    let reloaded = watch(&bench, SHORT).await;
    assert!(bench.handle.status().await.unwrap().watched.is_some());
    let progress = ended(&bench, reloaded.revision).await;
    assert!(matches!(progress.ending, Some(ReloadEnding::Stands(_))), "{progress:?}");
    assert!(progress.requests >= 50 && progress.failed == 0, "{progress:?}");
    is_told(&bench, Kind::ReloadWatched).await;
    is_told(&bench, Kind::ReloadWatchEnded).await;
    let status = bench.handle.status().await.unwrap();
    assert_eq!((status.revision, status.watched), (Revision(2), None));
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_hits_what_was_left_as_well_rolls_nothing_back() {
    let one = Origin::start("one").await;
    let (bench, load) = served(&format!("{}{ROUTE}", services(&[("api", one.address)]))).await;
    bench.edit("path = \"/a\"", "request_headers = { set = { x-good = \"1\" } }\npath = \"/a\"");
    let reloaded = watch(&bench, SHORT).await;
    one.set_answer(503);
    load.until(503, 20).await;
    let progress = ended(&bench, reloaded.revision).await;
    let Some(ReloadEnding::Stands(why)) = &progress.ending else { panic!("{progress:?}") };
    assert!(why.contains("so do requests"), "{why}");
    assert_eq!(bench.handle.status().await.unwrap().revision, Revision(2));
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_reload_meanwhile_ends_the_watch() {
    let one = Origin::start("one").await;
    let (bench, load) = served(&format!("{}{ROUTE}", services(&[("api", one.address)]))).await;
    bench.edit("path = \"/a\"", "path = \"/aa\"");
    let first = watch(&bench, LONG).await;
    bench.handle.reload().await.unwrap();
    assert!(bench.handle.status().await.unwrap().watched.is_some(), "nothing has changed");
    bench.edit("path = \"/aa\"", "path = \"/aaa\"");
    bench.handle.reload().await.unwrap();
    let progress = ended(&bench, first.revision).await;
    assert_eq!(progress.ending, Some(ReloadEnding::Superseded(Revision(4))));
    assert_eq!(bench.handle.status().await.unwrap().watched, None);
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_requests_it_stays_and_says_that_it_was_not_compared() {
    let one = Origin::start("one").await;
    let bench = Bench::start(&format!("{}{ROUTE}", services(&[("api", one.address)]))).await;
    bench.edit("path = \"/a\"", "path = \"/aa\"");
    let reloaded = watch(&bench, Duration::from_millis(500)).await;
    let progress = ended(&bench, reloaded.revision).await;
    let Some(ReloadEnding::NotCompared(why)) = &progress.ending else { panic!("{progress:?}") };
    assert!(why.contains("not compared"), "{why}");
}
