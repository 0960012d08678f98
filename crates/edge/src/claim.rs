//! The claim and drain protocol: when an instance can certainly not be reached any more.
//!
//! A worker reads the snapshot, chooses an instance and claims it. Were an instance taken to be
//! idle as soon as a snapshot without it is published and its count is zero, this could happen:
//! a request reads the old snapshot; the new one is published; the count is zero, so the instance
//! is stopped; the request claims it. So two things are asked, in this order:
//!
//! 1. no worker holds a generation that knows the instance any more ([`Ledger::has_passed`]);
//! 2. nothing is in flight on it ([`InFlight::total`]).
//!
//! A worker claims while it holds the generation and lets go of it afterwards, with `Release`; who
//! sees it let go, with `Acquire`, sees the claim too. Each count has one writer, so that entering
//! and leaving are plain loads and stores. Model-checked under loom (`tests/claim_loom.rs`).

use crossbeam_utils::CachePadded;

// The model checker includes this file with atomics of its own.
use crate::atomic::{AtomicU32, AtomicU64, Ordering};

/// The oldest generation that each worker holds.
#[derive(Debug)]
pub(crate) struct Ledger {
    oldest: Box<[CachePadded<AtomicU64>]>,
}

impl Ledger {
    /// A ledger of workers that hold nothing yet.
    pub(crate) fn new(workers: usize) -> Self {
        Self { oldest: (0..workers).map(|_| CachePadded::new(AtomicU64::new(0))).collect() }
    }

    /// Says that `worker` holds `generation` and later ones only. Called by that worker alone.
    pub(crate) fn hold_from(&self, worker: usize, generation: u64) {
        self.oldest[worker].store(generation, Ordering::Release);
    }

    /// Whether no worker holds a generation older than `generation`.
    pub(crate) fn has_passed(&self, generation: u64) -> bool {
        self.oldest.iter().all(|oldest| oldest.load(Ordering::Acquire) >= generation)
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

/// Whether an instance that `generation` is the first not to know can be reached by nothing.
pub(crate) fn is_unreachable(ledger: &Ledger, in_flight: &InFlight, generation: u64) -> bool {
    ledger.has_passed(generation) && in_flight.total() == 0
}
