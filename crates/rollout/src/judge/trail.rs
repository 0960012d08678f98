//! What can be shown of the hits that speak against the new release: since when they count, on which of its instances they
//! fell, and some of the requests.
//!
//! It says nothing of how certain anything is, and no verdict rests on it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::InstanceName;

use super::matter::Ground;
use super::question::Hit;
use super::verdict::Struck;
use crate::block::Fate;
use crate::event::Side;

/// Requests that are kept as examples: those that came last.
const EXAMPLES: usize = 5;

/// Instances whose hits are counted one by one. Of further ones, which only a deploy has that replaces one after the other,
/// nothing but the examples is shown.
const INSTANCES_MAX: usize = 64;

/// A request that speaks against the new release, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The id that its client got as `X-Request-Id`, and that the access log has of it.
    pub request_id: Arc<str>,
    /// When it ended, in the machine's time.
    pub at: Duration,
    /// By which route it came, by its name; `None` for what counts by none.
    pub route: Option<Arc<str>>,
    /// The instance that was asked.
    pub instance: InstanceName,
    /// The status of its response, if there was one.
    pub status: Option<u16>,
    /// In which way it ended.
    pub fate: Fate,
    /// From the request to the head of its response, or to where it failed.
    pub latency: Duration,
}

/// What can be shown of some hits.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    /// `None` until there is a hit, where nothing was dropped before.
    since: Option<Duration>,
    /// The latest first.
    examples: VecDeque<Example>,
    /// Hits by the places of the new release's instances.
    hits: Vec<u64>,
}

impl Trail {
    /// Nothing counts of what came before.
    pub(super) fn of(since: Duration) -> Self {
        Self { since: Some(since), ..Self::default() }
    }

    /// Since when hits count, in the machine's time.
    pub(super) fn since(&self) -> Duration {
        self.since.unwrap_or_default()
    }

    /// Takes up a hit; one on the old release is none to show.
    pub(super) fn add(&mut self, hit: &Hit) {
        if hit.stake.side == Side::Stable {
            return;
        }
        if let Some(place) = hit.instance.filter(|place| *place < INSTANCES_MAX) {
            if self.hits.len() <= place {
                self.hits.resize(place + 1, 0);
            }
            self.hits[place] += hit.stake.count as u64;
        }
        if let Some(example) = &hit.example {
            self.since.get_or_insert(example.at);
            self.examples.truncate(EXAMPLES - 1);
            self.examples.push_front(example.clone());
        }
    }

    /// Some of the requests, the latest first.
    pub(super) fn examples(&self) -> Vec<Example> {
        self.examples.iter().cloned().collect()
    }

    /// The instances that were hit, those that were hit most first.
    pub(super) fn struck(&self, ground: &Ground) -> Vec<Struck> {
        let hit = self.hits.iter().enumerate().filter(|(_, hits)| **hits > 0);
        let struck = hit.map(|(place, hits)| {
            let instance = ground.places.instance(place).clone();
            Struck { instance, hits: *hits }
        });
        let mut struck: Vec<Struck> = struck.collect();
        struck.sort_by_key(|it| std::cmp::Reverse(it.hits));
        struck
    }
}
