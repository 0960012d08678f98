//! What is observed of an authentication for which it takes a while to find out who asks: kept by its name, whatever is published
//! meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;
use model::AuthName;
use telemetry::{Counter, InquiryOutcome};

/// That a server fails is told once in so many seconds by all workers.
const TOLD_EVERY: u64 = 10;

/// What is observed of one authentication.
#[derive(Debug)]
pub struct InquiryLive {
    name: AuthName,
    /// What became of requests, by each worker for itself.
    shards: Box<[CachePadded<[Counter; InquiryOutcome::ALL.len()]>]>,
    failures: Failures,
}

/// What is told of a server that fails.
#[derive(Debug, Default)]
struct Failures {
    /// When it is told again, in seconds since 1970.
    silent_until: AtomicU64,
    untold: AtomicU64,
    /// That it failed was told, and not that it responds again.
    is_told: AtomicBool,
    /// What was told last, while it fails.
    now: Mutex<Option<ServerFault>>,
}

/// That a server gives nothing that can be used, as it was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFault {
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Why.
    pub why: String,
}

impl InquiryLive {
    pub(crate) fn new(name: AuthName, workers: usize) -> Self {
        let shards = (0..workers).map(|_| CachePadded::default());
        Self { name, shards: shards.collect(), failures: Failures::default() }
    }

    /// That became of a request on `worker`.
    pub(crate) fn count(&self, worker: usize, outcome: InquiryOutcome) {
        self.shards[worker][outcome as usize].add(1);
    }

    /// The server gave nothing that can be used, in this second since 1970, for this reason. Says how often it has since that was told and before this,
    /// where it is to be told.
    pub(crate) fn fails(&self, now: u64, why: &str) -> Option<u64> {
        let Failures { silent_until, untold, is_told, .. } = &self.failures;
        let until = silent_until.load(Ordering::Relaxed);
        let next = now.saturating_add(TOLD_EVERY);
        // A clock that was set back silences nobody for longer.
        let is_due = now >= until || until > next;
        let turn =
            || silent_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed);
        if !is_due || turn().is_err() {
            untold.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        is_told.store(true, Ordering::Relaxed);
        let mut fault = self.failures.now();
        let since = fault.take().map_or(now, |before| before.since);
        *fault = Some(ServerFault { since, why: why.to_owned() });
        Some(untold.swap(0, Ordering::Relaxed))
    }

    /// The server gave something that can be used. Whether that is to be told.
    pub(crate) fn recovers(&self) -> bool {
        let is_told = &self.failures.is_told;
        let is_news = is_told.load(Ordering::Relaxed) && is_told.swap(false, Ordering::Relaxed);
        if is_news {
            *self.failures.now() = None;
        }
        is_news
    }

    /// That its server fails, if it does.
    pub fn fault(&self) -> Option<ServerFault> {
        self.failures.now().clone()
    }

    /// The authentication.
    pub fn name(&self) -> &AuthName {
        &self.name
    }

    /// How many requests that became of.
    pub fn total(&self, outcome: InquiryOutcome) -> u64 {
        self.shards.iter().map(|shard| shard[outcome as usize].get()).sum()
    }
}

impl Failures {
    fn now(&self) -> MutexGuard<'_, Option<ServerFault>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_fails_all_the_time_is_told_once_a_while_with_how_often() {
        let live = InquiryLive::new("legacy".into(), 1);
        assert!(!live.recovers());
        assert_eq!(live.fails(1_000, "refused"), Some(0));
        let told: Vec<_> = (1_000..1_030).filter_map(|second| live.fails(second, "slow")).collect();
        assert_eq!(told, [10, 9]);
        assert_eq!(live.fault(), Some(ServerFault { since: 1_000, why: "slow".into() }));
        assert!(live.recovers() && !live.recovers());
        assert_eq!(live.fault(), None);
        // The clock is set back.
        assert_eq!(live.fails(500, "slow"), Some(9));
        assert_eq!(live.fails(501, "slow"), None);
    }
}
