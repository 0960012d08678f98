use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::names::Lookups;
use crate::resolve::{Answer, Resolve, ResolveError};
use futures_util::FutureExt;

type Lookup = Result<Answer, ResolveError>;

/// Gives these answers one after the other, then none.
struct Script(Mutex<VecDeque<Lookup>>);

impl Resolve for Script {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Lookup> {
        let next = self.0.lock().unwrap().pop_front();
        async { next.unwrap_or(Err(ResolveError::NoAddress)) }.boxed()
    }
}

/// Takes ten seconds for each lookup, and counts those under way.
#[derive(Default)]
struct Slow {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Resolve for Slow {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Lookup> {
        async {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            let guard = scopeguard(&self.now);
            tokio::time::sleep(Duration::from_secs(10)).await;
            drop(guard);
            Err(ResolveError::Silent)
        }
        .boxed()
    }
}

/// Counts one less when it is dropped, as a fetch that is given up is.
fn scopeguard(now: &AtomicUsize) -> impl Drop + '_ {
    struct Guard<'a>(&'a AtomicUsize);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    Guard(now)
}

fn lookups(resolver: impl Resolve + 'static) -> Arc<Fetches<Lookups>> {
    Arc::new(Fetches::new(Lookups(Arc::new(resolver))))
}

fn answer(last: u8, ttl: u64) -> Lookup {
    let addresses = [[10, 0, 0, last].into()].into();
    Ok(Answer { addresses, ttl: Duration::from_secs(ttl) })
}

fn feed(
    script: impl IntoIterator<Item = Lookup>,
) -> (Feed<Lookups>, mpsc::UnboundedReceiver<Arrival<Lookups>>) {
    let (tell, told) = mpsc::unbounded_channel();
    (
        Feed::new(
            lookups(Script(Mutex::new(script.into_iter().collect()))),
            tell,
            Events::default(),
        ),
        told,
    )
}

fn first_of(lookup: Lookup) -> Vec<Arrival<Lookups>> {
    let outcome = lookup.map(|it| Fetched { value: it.addresses, lifetime: it.ttl });
    vec![Arrival::before("a".into(), outcome)]
}

fn a() -> BTreeSet<String> {
    ["a".to_owned()].into()
}

/// The last number of each address that is known of `a`.
fn known(feed: &Feed<Lookups>) -> Vec<String> {
    feed.values().flat_map(|(_, value)| value.iter().map(ToString::to_string)).collect()
}

/// Whether so much time has passed since `began`, as far as chance allows.
fn is_about(began: Instant, seconds: u64) -> bool {
    let passed = began.elapsed().as_secs_f64();
    (seconds as f64..=seconds as f64 * 1.1 + 0.1).contains(&passed)
}

#[tokio::test(start_paused = true)]
async fn an_input_is_fetched_again_when_its_lifetime_is_over() {
    let (mut feed, mut told) = feed([answer(2, 7)]);
    let began = Instant::now();
    feed.follow(&a(), first_of(answer(1, 30)));
    let arrival = told.recv().await.unwrap();
    assert!(is_about(began, 30), "{:?}", began.elapsed());
    assert!(feed.take_up(arrival), "it has changed");
    assert_eq!(known(&feed), ["10.0.0.2"]);
    let began = Instant::now();
    told.recv().await.unwrap();
    assert!(is_about(began, 7), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_fails_keeps_the_last_value_and_is_tried_again_soon() {
    let (mut feed, mut told) = feed([]);
    feed.follow(&a(), first_of(answer(1, 30)));
    let mut began = Instant::now();
    for waited in [30, 1, 2, 4] {
        let arrival = told.recv().await.unwrap();
        assert!(is_about(began, waited), "{waited}: {:?}", began.elapsed());
        assert!(!feed.take_up(arrival));
        began = Instant::now();
    }
    assert!(feed.fault("a").is_some());
    assert_eq!(feed.stale(), 1);
    assert!(feed.well_known().is_empty());
    assert_eq!(known(&feed), ["10.0.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_any_more_is_forgotten() {
    let (mut feed, mut told) = feed([]);
    feed.follow(&a(), first_of(answer(1, 1)));
    let late = told.recv().await.unwrap();
    feed.follow(&BTreeSet::new(), Vec::new());
    assert!(known(&feed).is_empty());
    assert!(!feed.take_up(late));
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(told.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_a_reload_has_found_is_not_undone_by_what_was_on_its_way() {
    let (mut feed, mut told) = feed([]);
    feed.follow(&a(), first_of(Err(ResolveError::Silent)));
    let failure = told.recv().await.unwrap();
    feed.follow(&a(), first_of(answer(3, 60)));
    let began = Instant::now();
    assert!(!feed.take_up(failure));
    assert!(feed.fault("a").is_none());
    assert_eq!(known(&feed), ["10.0.0.3"]);
    told.recv().await.unwrap();
    assert!(is_about(began, 60), "by the lifetime of what was found: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_holds_nobody_up_for_long() {
    let began = Instant::now();
    let found =
        first(&lookups(Slow::default()), ["a".to_owned(), "b".to_owned()].into(), Insist::Never)
            .await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|it| matches!(it.outcome, Err(ResolveError::TooSlow(_)))));
    assert_eq!(began.elapsed(), Lookups::TIMES.patience);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_fetched_once_at_a_time_and_all_of_them_no_more_than_their_source_bears() {
    let slow = Arc::new(Slow::default());
    let fetches = Fetches::new(Lookups(slow.clone()));
    let key = "a".to_owned();
    let long = Duration::from_secs(100);
    let both = async || tokio::join!(fetches.fetch(&key, long), fetches.fetch(&key, long));
    let began = Instant::now();
    let _ = both().await;
    assert_eq!((slow.most.load(Ordering::SeqCst), began.elapsed().as_secs()), (1, 20));

    let many: BTreeSet<String> = (0..1000).map(|number| format!("name-{number}")).collect();
    first(&fetches, many, Insist::Never).await;
    assert_eq!(slow.most.load(Ordering::SeqCst), Lookups::TIMES.at_once);
    assert_eq!(slow.now.load(Ordering::SeqCst), 0, "what was given up is not under way");
    assert!(fetches.fetch(&key, Duration::from_secs(1)).await.is_err(), "its turn has come back");
}
