//! What is observed of a route's policies.

use crossbeam_utils::CachePadded;
use telemetry::{Ending, EndingCounters, EndingTotals};

/// What is observed of one route's policies: kept by its [`RouteId`](model::RouteId), so that it survives every
/// swap whatever the route's place in the file.
#[derive(Debug)]
pub struct RouteLive {
    /// Refusals, by each worker for itself.
    shards: Box<[CachePadded<EndingCounters>]>,
}

impl RouteLive {
    pub(crate) fn new(workers: usize) -> Self {
        Self { shards: (0..workers).map(|_| CachePadded::new(EndingCounters::default())).collect() }
    }

    /// A request was refused here on `worker`.
    pub(crate) fn refused(&self, worker: usize, ending: Ending) {
        self.shards[worker].count(ending);
    }

    /// How many requests its policies have refused, by what the log says of them.
    pub fn refusals(&self) -> EndingTotals {
        self.shards.iter().fold(EndingTotals::default(), |mut all, shard| {
            all.merge(&shard.totals());
            all
        })
    }
}
