//! The names of targets, each looked up again when its time is over.
//!
//! One task for each name asks and tells the control loop. A lookup that fails changes nothing:
//! the last good answer stays, and the name is asked for again soon.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::instances::Addresses;
use crate::resolve::{Answer, Resolve, ResolveError};
use crate::task::Task;

/// How long an answer is believed at least, since some servers give no time at all.
const TTL_MIN: Duration = Duration::from_secs(1);
/// How long an answer is believed at most: an operator who moves a server waits for this.
const TTL_MAX: Duration = Duration::from_secs(300);
/// When a failed lookup is tried again; doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long a configuration waits for the first answers. What comes later is published then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// The outcome of a lookup.
pub(crate) type Lookup = Result<Answer, ResolveError>;

/// A lookup that has ended.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) name: String,
    pub(crate) lookup: Lookup,
}

/// Every name that is looked up.
pub(crate) struct Names {
    resolver: Arc<dyn Resolve>,
    tell: mpsc::UnboundedSender<Resolved>,
    followed: BTreeMap<String, Followed>,
}

struct Followed {
    addresses: BTreeSet<IpAddr>,
    /// Why the last lookup failed, if it did.
    fault: Option<ResolveError>,
    _task: Task,
}

impl Names {
    /// Follows no name yet. What is found is told to `tell`.
    pub(crate) fn new(resolver: Arc<dyn Resolve>, tell: mpsc::UnboundedSender<Resolved>) -> Self {
        Self { resolver, tell, followed: BTreeMap::new() }
    }

    /// Follows `wanted` from now on and nothing else. `found` are lookups that have just ended, of
    /// all that are new at least.
    pub(crate) fn follow(&mut self, wanted: &BTreeSet<String>, found: Vec<Resolved>) {
        self.followed.retain(|name, _| wanted.contains(name));
        for Resolved { name, lookup } in found.into_iter().filter(|it| wanted.contains(&it.name)) {
            let mut followed = self.followed.remove(&name).unwrap_or_else(|| {
                let mut pace = Pace::default();
                let wait = pace.after(&lookup);
                let (resolver, tell) = (self.resolver.clone(), self.tell.clone());
                let task = Task::spawn(follow(name.clone(), resolver, tell, pace, wait));
                Followed { addresses: BTreeSet::new(), fault: None, _task: task }
            });
            followed.take_up(&name, lookup);
            self.followed.insert(name, followed);
        }
    }

    /// Takes up what was found, and says whether the addresses of a followed name have changed.
    pub(crate) fn take_up(&mut self, resolved: Resolved) -> bool {
        let Resolved { name, lookup } = resolved;
        self.followed.get_mut(&name).is_some_and(|followed| followed.take_up(&name, lookup))
    }

    /// The addresses of every name that is followed.
    pub(crate) fn addresses(&self) -> Addresses {
        let addresses = |followed: &Followed| followed.addresses.clone();
        self.followed.iter().map(|(name, followed)| (name.clone(), addresses(followed))).collect()
    }

    /// Those whose last lookup did not fail.
    pub(crate) fn well_known(&self) -> BTreeSet<String> {
        let well = self.followed.iter().filter(|(_, followed)| followed.fault.is_none());
        well.map(|(name, _)| name.clone()).collect()
    }

    /// Why the last lookup of `name` failed, if it did.
    pub(crate) fn fault(&self, name: &str) -> Option<&ResolveError> {
        self.followed.get(name)?.fault.as_ref()
    }
}

impl Followed {
    fn take_up(&mut self, name: &str, lookup: Lookup) -> bool {
        match lookup {
            Ok(answer) => {
                if self.fault.take().is_some() {
                    tracing::info!(name, "name resolves again");
                }
                let changed = self.addresses != answer.addresses;
                self.addresses = answer.addresses;
                changed
            }
            Err(fault) => {
                // Said once for each time of trouble.
                if self.fault.is_none() {
                    let kept = self.addresses.len();
                    let why = crate::chain::chain(&fault);
                    tracing::warn!(
                        name,
                        why,
                        kept,
                        "cannot resolve name; keeping the known addresses"
                    );
                }
                self.fault = Some(fault);
                false
            }
        }
    }
}

/// Looks all `names` up at once, within [`PATIENCE`].
pub(crate) async fn first_answers(
    resolver: &dyn Resolve,
    names: BTreeSet<String>,
) -> Vec<Resolved> {
    let ask = async |name: String| {
        let lookup = tokio::time::timeout(PATIENCE, resolver.resolve(&name)).await;
        let lookup = lookup.unwrap_or(Err(ResolveError::TooSlow(PATIENCE)));
        Resolved { name, lookup }
    };
    names.into_iter().map(ask).collect::<FuturesUnordered<_>>().collect().await
}

async fn follow(
    name: String,
    resolver: Arc<dyn Resolve>,
    tell: mpsc::UnboundedSender<Resolved>,
    mut pace: Pace,
    mut wait: Duration,
) {
    loop {
        tokio::time::sleep(wait).await;
        let lookup = resolver.resolve(&name).await;
        wait = pace.after(&lookup);
        if tell.send(Resolved { name: name.clone(), lookup }).is_err() {
            return;
        }
    }
}

/// When to ask again.
#[derive(Debug, Default)]
struct Pace {
    failures: u32,
}

impl Pace {
    fn after(&mut self, lookup: &Lookup) -> Duration {
        match lookup {
            Ok(answer) => {
                self.failures = 0;
                answer.ttl.clamp(TTL_MIN, TTL_MAX)
            }
            Err(_) => {
                let wait = RETRY_MIN.saturating_mul(1 << self.failures.min(16)).min(RETRY_MAX);
                self.failures += 1;
                wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    /// Gives these answers one after the other, then none.
    struct Script(Mutex<VecDeque<Lookup>>);

    impl Resolve for Script {
        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Lookup> {
            let next = self.0.lock().unwrap().pop_front();
            async { next.unwrap_or(Err(ResolveError::NoAddress)) }.boxed()
        }
    }

    fn answer(last: u8, ttl: u64) -> Lookup {
        let addresses = [IpAddr::from([10, 0, 0, last])].into();
        Ok(Answer { addresses, ttl: Duration::from_secs(ttl) })
    }

    fn names(
        script: impl IntoIterator<Item = Lookup>,
    ) -> (Names, mpsc::UnboundedReceiver<Resolved>) {
        let (tell, told) = mpsc::unbounded_channel();
        let resolver = Script(Mutex::new(script.into_iter().collect()));
        (Names::new(Arc::new(resolver), tell), told)
    }

    fn first(lookup: Lookup) -> Vec<Resolved> {
        vec![Resolved { name: "a".into(), lookup }]
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_again_when_its_time_is_over() {
        let (mut names, mut told) = names([answer(2, 7)]);
        let began = tokio::time::Instant::now();
        names.follow(&["a".to_owned()].into(), first(answer(1, 30)));
        let resolved = told.recv().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 30);
        assert!(names.take_up(resolved));
        assert_eq!(names.addresses()["a"], [IpAddr::from([10, 0, 0, 2])].into());
        told.recv().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 37);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_lookup_keeps_the_last_answer_and_is_tried_again_soon() {
        let (mut names, mut told) = names([]);
        names.follow(&["a".to_owned()].into(), first(answer(1, 30)));
        let began = tokio::time::Instant::now();
        for waited in [30, 31, 33, 37] {
            let resolved = told.recv().await.unwrap();
            assert_eq!(began.elapsed().as_secs(), waited);
            assert!(!names.take_up(resolved));
        }
        assert!(names.fault("a").is_some());
        assert_eq!(names.addresses()["a"], [IpAddr::from([10, 0, 0, 1])].into());
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_not_wanted_any_more_is_forgotten() {
        let (mut names, mut told) = names([]);
        names.follow(&["a".to_owned()].into(), first(answer(1, 1)));
        names.follow(&BTreeSet::new(), Vec::new());
        assert!(names.addresses().is_empty());
        assert!(!names.take_up(Resolved { name: "a".into(), lookup: answer(2, 1) }));
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(told.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_holds_nobody_up_for_long() {
        struct Silent;
        impl Resolve for Silent {
            fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Lookup> {
                std::future::pending().boxed()
            }
        }
        let began = tokio::time::Instant::now();
        let found = first_answers(&Silent, ["a".to_owned(), "b".to_owned()].into()).await;
        assert_eq!((found.len(), began.elapsed()), (2, PATIENCE));
    }
}
