//! What is kept of a limit, for all workers and whatever is published meanwhile: its buckets, or its counts of open requests;
//! and what is observed of a route's use of one.

use std::num::NonZeroU32;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use model::{Bound, KeyPart, Limit, LimitName};
use policy::limit::{InUse, Place, Table, Unit};
use telemetry::{Counter, LimitOutcome};

use crate::live::served_clock::ServedClock;

/// What makes two limits, of two publications, the same one: all of it but how much it lets pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LimitId {
    name: LimitName,
    key: Vec<KeyPart>,
    kind: Kind,
    /// What its table is made for.
    keys: NonZeroU32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Rate(Unit),
    Open,
}

impl LimitId {
    pub(crate) fn of(limit: &Limit) -> Self {
        let kind = match limit.bound {
            Bound::Requests { .. } => Kind::Rate(Unit::Requests),
            Bound::Bytes { .. } => Kind::Rate(Unit::Bytes),
            Bound::Concurrent(_) => Kind::Open,
        };
        Self { name: limit.name.clone(), key: limit.key.clone(), kind, keys: limit.keys }
    }
}

/// What is kept of one limit.
#[derive(Debug)]
pub(crate) enum LimitLive {
    Buckets(Buckets),
    Open(InUse),
}

/// The buckets of one limit.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// Tells it from those of other limits of this edge.
    pub(crate) number: u64,
    pub(crate) table: Table,
    /// By it the table's numbers are to be read.
    pub(crate) clock: ServedClock,
}

impl LimitLive {
    /// What is kept under `id`; no other of the edge has the same `number`.
    pub(crate) fn new(id: &LimitId, number: u64) -> Self {
        match id.kind {
            Kind::Rate(_) => {
                let (table, clock) = (Table::new(id.keys.get()), ServedClock::default());
                Self::Buckets(Buckets { number, table, clock })
            }
            Kind::Open => Self::Open(InUse::new(id.keys.get())),
        }
    }

    /// Memory that it has taken by now, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Buckets(buckets) => buckets.table.bytes(),
            Self::Open(open) => open.bytes(),
        }
    }
}

/// A request that a limit counts as open until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    live: Arc<LimitLive>,
    place: Place,
}

impl OpenRequest {
    /// One that was let in at `place` of `live`.
    pub(crate) fn new(live: &Arc<LimitLive>, place: Place) -> Self {
        Self { live: live.clone(), place }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if let LimitLive::Open(open) = &*self.live {
            open.leave(self.place);
        }
    }
}

/// What is observed of one route's use of one limit.
#[derive(Debug)]
pub struct LimitUseLive {
    name: LimitName,
    /// What became of requests, by each worker for itself.
    shards: Box<[CachePadded<[Counter; LimitOutcome::ALL.len()]>]>,
}

impl LimitUseLive {
    pub(crate) fn new(name: LimitName, workers: usize) -> Self {
        let shards = (0..workers).map(|_| CachePadded::default());
        Self { name, shards: shards.collect() }
    }

    /// A request was decided on by `worker`.
    #[inline]
    pub(crate) fn count(&self, worker: usize, outcome: LimitOutcome) {
        self.shards[worker][outcome as usize].add(1);
    }

    /// The limit's name.
    pub fn name(&self) -> &LimitName {
        &self.name
    }

    /// How many requests of the route it has decided on so.
    pub fn total(&self, outcome: LimitOutcome) -> u64 {
        self.shards.iter().map(|shard| shard[outcome as usize].get()).sum()
    }
}
