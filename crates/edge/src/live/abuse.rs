//! What is kept of a rule of abuse, for all workers and whatever is published meanwhile: how often each key was refused, and what
//! came of that.

use std::num::NonZeroU32;

use crossbeam_utils::CachePadded;
use model::{Abuse, AbuseKey, AbuseName};
use policy::abuse::Refusals;
use telemetry::{AbuseOutcome, Counter};

use crate::live::served_clock::ServedClock;

/// What makes two rules, of two publications, the same one: all of it but how much it forgives, and what it does then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AbuseId {
    name: AbuseName,
    key: AbuseKey,
    /// What its table is made for.
    keys: NonZeroU32,
}

impl AbuseId {
    pub(crate) fn of(abuse: &Abuse) -> Self {
        Self { name: abuse.name.clone(), key: abuse.key, keys: abuse.keys }
    }
}

/// What is kept of one rule.
#[derive(Debug)]
pub struct AbuseLive {
    pub(crate) refusals: Refusals,
    pub(crate) clock: ServedClock,
    /// What came of refusals, by each worker for itself.
    shards: Box<[CachePadded<[Counter; AbuseOutcome::ALL.len()]>]>,
}

impl AbuseLive {
    pub(crate) fn new(id: &AbuseId, workers: usize) -> Self {
        Self {
            refusals: Refusals::new(id.keys.get()),
            clock: ServedClock::default(),
            shards: (0..workers).map(|_| CachePadded::default()).collect(),
        }
    }

    /// `worker` has seen a refusal.
    pub(crate) fn count(&self, worker: usize, outcome: AbuseOutcome) {
        self.shards[worker][outcome as usize].add(1);
    }

    /// How many refusals led to this.
    pub fn total(&self, outcome: AbuseOutcome) -> u64 {
        self.shards.iter().map(|shard| shard[outcome as usize].get()).sum()
    }

    /// Memory that its keys take, in bytes.
    pub fn bytes(&self) -> u64 {
        self.refusals.bytes()
    }
}
