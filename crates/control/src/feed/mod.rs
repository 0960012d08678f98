//! Inputs that the data plane needs and that come from outside: each is fetched, kept and fetched again when its
//! lifetime is over.
//!
//! A kind of input gives a [`Fetch`]: how one is fetched, and what is said of it. What a [`Feed`] has is the
//! writer's to publish; nothing here publishes, and no request ever waits for a fetch. A fetch that fails changes
//! nothing: the last good value stays, and it is tried again soon.

mod fetches;
mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use telemetry::{Event, Events};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) use fetches::Fetches;
pub(crate) use pace::Times;

use crate::task::Task;
use pace::Pace;

/// One kind of input.
pub(crate) trait Fetch: Send + Sync + Sized + 'static {
    /// What says which input is meant.
    type Key: Clone + Debug + Ord + Send + Sync + 'static;
    /// What is fetched. How large it may be is the fetch's to bound.
    type Value: Debug + PartialEq + Send + 'static;
    /// Why it could not be.
    type Error: Debug + Send + 'static;

    /// When an input is fetched, and how long that may take.
    const TIMES: Times;

    /// Fetches the input `key`.
    fn fetch<'a>(&'a self, key: &'a Self::Key) -> BoxFuture<'a, Outcome<Self>>;

    /// What an earlier run has left of `key`, for a first fetch that fails. May read a disk.
    fn kept(&self, _key: &Self::Key) -> Option<Self::Value> {
        None
    }

    /// The error of a fetch that has not ended within `limit`.
    fn too_slow(limit: Duration) -> Self::Error;

    /// What is told, once for each time of trouble, where `key` cannot be fetched, with what stays in use: what
    /// was fetched last, if anything ever was.
    fn becomes_stale(key: &Self::Key, why: &Self::Error, kept: Option<&Self::Value>) -> Event;

    /// What is told when the trouble is over.
    fn recovers(key: &Self::Key) -> Event;
}

/// What came of a fetch.
pub(crate) type Outcome<F> = Result<Fetched<<F as Fetch>::Value>, <F as Fetch>::Error>;

/// An input, and how long it may be used without asking anew.
#[derive(Debug)]
pub(crate) struct Fetched<Value> {
    pub(crate) value: Value,
    pub(crate) lifetime: Duration,
}

/// A fetch that has ended.
#[derive(Debug)]
pub(crate) struct Arrival<F: Fetch> {
    pub(crate) key: F::Key,
    pub(crate) outcome: Outcome<F>,
    /// What an earlier run has left, where that failed.
    kept: Option<F::Value>,
    /// The task that fetched it; `None` where it was fetched before it was followed.
    task: Option<TaskNumber>,
}

impl<F: Fetch> Arrival<F> {
    /// What was fetched by others than the feed, before `key` is followed.
    pub(crate) fn before(key: F::Key, outcome: Outcome<F>) -> Self {
        Self { key, outcome, kept: None, task: None }
    }

    /// The value that came, or what an earlier run has left of it.
    pub(crate) fn value(&self) -> Option<&F::Value> {
        self.outcome.as_ref().ok().map(|it| &it.value).or(self.kept.as_ref())
    }
}

/// Tells one task of a key from those that were before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TaskNumber(u64);

/// What becomes of a first fetch that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Insist {
    /// It is told at once.
    #[default]
    Never,
    /// It is tried again as long as there is patience, unless an earlier run has left something: what is asked may be starting, too.
    WhileNothingIsThere,
}

/// Fetches all of `keys`, as long as [`Times::patience`] allows: for a configuration that is about to be published.
/// What takes longer arrives later.
pub(crate) async fn first<F: Fetch>(
    fetches: &Fetches<F>,
    keys: BTreeSet<F::Key>,
    insist: Insist,
) -> Vec<Arrival<F>> {
    let end = Instant::now() + F::TIMES.patience;
    let fetch = async |key: F::Key| loop {
        let left = end.saturating_duration_since(Instant::now());
        let outcome = fetches.fetch(&key, left).await;
        let kept = if outcome.is_err() { fetches.kept(&key) } else { None };
        let again = Instant::now() + F::TIMES.retry_min;
        let is_final = outcome.is_ok() || kept.is_some() || insist == Insist::Never || again >= end;
        if is_final {
            return Arrival { key, outcome, kept, task: None };
        }
        tokio::time::sleep_until(again).await;
    };
    keys.into_iter().map(fetch).collect::<FuturesUnordered<_>>().collect().await
}

/// Every input of a kind that is in use.
pub(crate) struct Feed<F: Fetch> {
    fetches: Arc<Fetches<F>>,
    tell: mpsc::UnboundedSender<Arrival<F>>,
    events: Events,
    followed: BTreeMap<F::Key, Followed<F>>,
    last_task: TaskNumber,
}

struct Followed<F: Fetch> {
    value: Option<F::Value>,
    /// Why the last fetch failed, if it did.
    fault: Option<F::Error>,
    number: TaskNumber,
    /// When it was last fetched out of its turn.
    hurried: Option<Instant>,
    /// Ends with it.
    task: Task,
}

impl<F: Fetch> Feed<F> {
    /// A feed that follows nothing yet. What is fetched is told to `tell`, and from there belongs to
    /// [`Feed::take_up`].
    pub(crate) fn new(
        fetches: Arc<Fetches<F>>,
        tell: mpsc::UnboundedSender<Arrival<F>>,
        events: Events,
    ) -> Self {
        Self { fetches, tell, events, followed: BTreeMap::new(), last_task: TaskNumber::default() }
    }

    /// Follows `wanted` from now on and nothing else. `found` are fetches that have just ended, of all keys that
    /// are new at least.
    pub(crate) fn follow(&mut self, wanted: &BTreeSet<F::Key>, found: Vec<Arrival<F>>) {
        self.followed.retain(|key, _| wanted.contains(key));
        for Arrival { key, outcome, kept, .. } in
            found.into_iter().filter(|it| wanted.contains(&it.key))
        {
            let mut pace = Pace::new(F::TIMES);
            let lifetime = outcome.as_ref().ok().map(|it| it.lifetime);
            let wait = pace.after(lifetime, fastrand::f64());
            let (number, task) = self.spawn(&key, pace, wait);
            let (value, fault, hurried) = match self.followed.remove(&key) {
                Some(before) => (before.value.or(kept), before.fault, before.hurried),
                None => (kept, None, None),
            };
            let mut followed = Followed { value, fault, number, hurried, task };
            followed.take_up(&key, outcome, &self.events);
            self.followed.insert(key, followed);
        }
    }

    /// Fetches `key` now, unless that was done within `every`: there is reason to think that it has changed.
    pub(crate) fn hurry(&mut self, key: &F::Key, every: Duration) {
        let now = Instant::now();
        let is_followed = self.followed.get(key).is_some_and(|followed| {
            followed.hurried.is_none_or(|hurried| now.duration_since(hurried) >= every)
        });
        if is_followed {
            let (number, task) = self.spawn(key, Pace::new(F::TIMES), Duration::ZERO);
            let followed = self.followed.get_mut(key).expect("it is followed");
            (followed.number, followed.hurried, followed.task) = (number, Some(now), task);
        }
    }

    fn spawn(&mut self, key: &F::Key, pace: Pace, wait: Duration) -> (TaskNumber, Task) {
        self.last_task.0 += 1;
        let (fetches, tell) = (self.fetches.clone(), self.tell.clone());
        let round = Round { key: key.clone(), number: self.last_task, fetches, tell };
        (self.last_task, Task::spawn(round.run(pace, wait)))
    }

    /// Takes up what has arrived, and says whether the value of a followed key has changed.
    pub(crate) fn take_up(&mut self, arrival: Arrival<F>) -> bool {
        let Arrival { key, outcome, task, .. } = arrival;
        match self.followed.get_mut(&key) {
            // What an earlier task of the key had on its way is older than what is known.
            Some(followed) if task == Some(followed.number) => {
                followed.take_up(&key, outcome, &self.events)
            }
            _ => false,
        }
    }

    /// What was fetched last of each followed key of which anything was.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&F::Key, &F::Value)> {
        self.followed.iter().filter_map(|(key, followed)| Some((key, followed.value.as_ref()?)))
    }

    /// What was fetched last of `key`, if anything was.
    pub(crate) fn value(&self, key: &F::Key) -> Option<&F::Value> {
        self.followed.get(key)?.value.as_ref()
    }

    /// Those whose last fetch did not fail.
    pub(crate) fn well_known(&self) -> BTreeSet<F::Key> {
        let well = self.followed.iter().filter(|(_, followed)| followed.fault.is_none());
        well.map(|(key, _)| key.clone()).collect()
    }

    /// How many of them cannot be fetched at the moment.
    pub(crate) fn stale(&self) -> usize {
        self.followed.values().filter(|followed| followed.fault.is_some()).count()
    }

    /// Why the last fetch of `key` failed, if it did.
    pub(crate) fn fault<Key: Ord + ?Sized>(&self, key: &Key) -> Option<&F::Error>
    where
        F::Key: std::borrow::Borrow<Key>,
    {
        self.followed.get(key)?.fault.as_ref()
    }
}

impl<F: Fetch> Followed<F> {
    fn take_up(&mut self, key: &F::Key, outcome: Outcome<F>, events: &Events) -> bool {
        match outcome {
            Ok(Fetched { value, .. }) => {
                if self.fault.take().is_some() {
                    events.emit(F::recovers(key));
                }
                let has_changed = self.value.as_ref() != Some(&value);
                // The same value is left as it is: others may know it by its place.
                if has_changed {
                    self.value = Some(value);
                }
                has_changed
            }
            Err(fault) => {
                if self.fault.is_none() {
                    events.emit(F::becomes_stale(key, &fault, self.value.as_ref()));
                }
                self.fault = Some(fault);
                false
            }
        }
    }
}

/// The task that fetches one key again and again.
struct Round<F: Fetch> {
    key: F::Key,
    number: TaskNumber,
    fetches: Arc<Fetches<F>>,
    tell: mpsc::UnboundedSender<Arrival<F>>,
}

impl<F: Fetch> Round<F> {
    async fn run(self, mut pace: Pace, mut wait: Duration) {
        loop {
            tokio::time::sleep(wait).await;
            let outcome = self.fetches.fetch(&self.key, F::TIMES.deadline).await;
            wait = pace.after(outcome.as_ref().ok().map(|it| it.lifetime), fastrand::f64());
            let (key, task) = (self.key.clone(), Some(self.number));
            let arrival = Arrival { key, outcome, kept: None, task };
            if self.tell.send(arrival).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
