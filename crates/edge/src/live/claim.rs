//! The claim and drain protocol: when an instance can certainly not be reached any more.
//!
//! A worker chooses an instance that is not barred, and claims it. Were an instance taken to be idle
//! as soon as it is barred and its count is zero, this could happen: a request looks, and there is
//! no bar; the bar is put up; the count is zero, so the instance is stopped; the request claims it.
//! So two things are asked once the bar is up, in this order:
//!
//! 1. each worker has read an order that was sent after the bar was put up ([`Ledger::has_passed`]);
//! 2. nothing is in flight on the instance ([`InFlight::total`]).
//!
//! A worker looks for bars and claims in one step, and reads its orders between such steps. What it
//! chooses after the order, it chooses with the bar before its eyes; what it claimed before, it had
//! counted when it said, with `Release`, that it has read the order, and who sees that, with
//! `Acquire`, sees the claim too. Nobody waits for requests that began before the bar and are busy
//! elsewhere: should they choose again, they see the bar. Each count has one writer, so that entering
//! and leaving are plain loads and stores. Model-checked under loom (`tests/claim_loom.rs`).

use crossbeam_utils::CachePadded;

// The model checker includes this file with atomics of its own.
use crate::atomic::{AtomicU32, AtomicU64, Ordering};

/// How far each worker has read its orders, as far as a drain asks.
#[derive(Debug)]
pub(crate) struct Ledger {
    read: Box<[CachePadded<AtomicU64>]>,
}

impl Ledger {
    /// A ledger of workers that have read nothing yet.
    pub(crate) fn new(workers: usize) -> Self {
        let read = (0..workers).map(|_| CachePadded::new(AtomicU64::new(0)));
        Self { read: read.collect() }
    }

    /// Says that `worker` has read the order `number`, which is higher than those that it read
    /// before. Called by that worker alone.
    pub(crate) fn pass(&self, worker: usize, number: u64) {
        self.read[worker].store(number, Ordering::Release);
    }

    /// Whether every worker has read the order `number`, or a later one.
    pub(crate) fn has_passed(&self, number: u64) -> bool {
        self.read.iter().all(|read| read.load(Ordering::Acquire) >= number)
    }
}

/// What is in flight on an instance, counted by each worker for itself.
#[derive(Debug)]
pub(crate) struct InFlight {
    shards: Box<[CachePadded<AtomicU32>]>,
}

impl InFlight {
    /// Nothing in flight.
    pub(crate) fn new(workers: usize) -> Self {
        Self { shards: (0..workers).map(|_| CachePadded::new(AtomicU32::new(0))).collect() }
    }

    /// Counts one more. Called by `worker` alone.
    #[inline]
    pub(crate) fn enter(&self, worker: usize) {
        let shard = &self.shards[worker];
        shard.store(shard.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Counts one less. Called by `worker` alone, once for each [`InFlight::enter`].
    #[inline]
    pub(crate) fn leave(&self, worker: usize) {
        let shard = &self.shards[worker];
        shard.store(shard.load(Ordering::Relaxed) - 1, Ordering::Release);
    }

    /// How many are in flight over all workers.
    #[inline]
    pub(crate) fn total(&self) -> u32 {
        self.shards.iter().map(|shard| shard.load(Ordering::Acquire)).sum()
    }
}

/// Whether an instance that was barred before the order `number` was sent, and still is, can be
/// reached by nothing.
pub(crate) fn is_unreachable(ledger: &Ledger, in_flight: &InFlight, number: u64) -> bool {
    ledger.has_passed(number) && in_flight.total() == 0
}
