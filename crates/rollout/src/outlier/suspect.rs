//! One instance: what speaks against it, and since when.

use std::time::Duration;

use model::InstanceName;

use super::{BLOCK, Outlier, Part};
use crate::detector::Detector;

/// What is bet, as a part of the most that can be: with all of it a single failure elsewhere would take everything. Three quarters on that hardly any fall elsewhere.
const BETS: [f64; 4] = [0.98, 0.98, 0.98, 0.4];

/// Nobody is named for fewer failures, nor for a share of the attempts that is greater than the others' by less.
const FAILED_MIN: u64 = 5;
const MORE_MIN: f64 = 0.001;

/// It is looked whether it is still an outlier each five minutes, once so many failures more than its part would have fallen on it if it were as when it was
/// named; with less than a fifth of those it is none any more.
const LOOK_BLOCKS: u32 = 30;
const LOOK_FAILED: f64 = 5.0;
const STILL: f64 = 0.2;

/// What fell on an instance in a second, of one route.
#[derive(Clone, Copy)]
pub(super) struct Fell<'a> {
    pub(super) part: &'a Part,
    /// The chance of each failure to fall on it.
    pub(super) chance: f64,
    /// On all instances.
    pub(super) failed: u64,
    pub(super) all: u64,
}

/// Counts of it and of all.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    failed: u64,
    requests: u64,
    failed_all: u64,
    requests_all: u64,
    /// Failures that would have fallen on it.
    expected: f64,
}

/// What it did as an outlier.
#[derive(Clone, Copy, Debug, Default)]
struct Named {
    /// By how much its share of failures was greater than the others'.
    more: f64,
    blocks: u32,
    counts: Counts,
}

#[derive(Debug)]
pub(super) struct Suspect {
    detector: Detector<{ BETS.len() }>,
    block: Counts,
    /// Since it may have begun: where the sum of what speaks against it was least (E. Page 1954).
    window: Counts,
    sum: f64,
    since: Duration,
    /// Since it was named, or since it was last looked whether it still is one.
    named: Named,
    pub(super) outlier: Option<Outlier>,
}

impl Suspect {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            detector: Detector::default(),
            block: Counts::default(),
            window: Counts::default(),
            sum: 0.0,
            since: now.saturating_sub(Duration::from_secs(1)),
            named: Named::default(),
            outlier: None,
        }
    }

    pub(super) fn count(&mut self, fell: Fell<'_>) {
        self.block.add(&Counts {
            failed: fell.part.failed,
            requests: fell.part.requests,
            failed_all: fell.failed,
            requests_all: fell.all,
            expected: fell.chance * fell.failed as f64,
        });
    }

    /// A block is over.
    pub(super) fn close(&mut self, now: Duration) {
        let block = std::mem::take(&mut self.block);
        if block.requests == 0 {
            return;
        }
        if self.sum <= 0.0 {
            (self.sum, self.window) = (0.0, Counts::default());
            self.since = now.saturating_sub(BLOCK);
        }
        self.window.add(&block);
        self.named.counts.add(&block);
        self.named.blocks += 1;
        if block.failed_all == 0 {
            return;
        }
        let all = block.failed_all as f64;
        let (mean, chance) = ((block.failed as f64 - block.expected) / all, block.expected / all);
        // Only between the two could it have fallen elsewhere.
        if chance > 0.0 && chance < 1.0 {
            self.detector.take(BETS.map(|part| (part / chance * mean).ln_1p()), f64::INFINITY);
            self.sum += mean;
        }
    }

    /// Whether it is an outlier from now on.
    pub(super) fn name(&mut self, instance: &InstanceName, enough: f64) -> Option<Outlier> {
        let is_new = self.outlier.is_none()
            && self.detector.worth() >= enough
            && self.window.failed >= FAILED_MIN
            && self.window.more() >= MORE_MIN;
        if !is_new {
            return None;
        }
        let Counts { failed, requests, failed_all, requests_all, .. } = self.window;
        let (instance, since) = (instance.clone(), self.since);
        let outlier = Outlier { instance, since, failed, requests, failed_all, requests_all };
        self.named = Named { more: self.window.more(), ..Named::default() };
        self.outlier = Some(outlier.clone());
        Some(outlier)
    }

    /// Whether it is none any more from now on.
    pub(super) fn recovers(&mut self) -> bool {
        let Named { more, blocks, counts } = self.named;
        let as_before = more * counts.requests as f64;
        if self.outlier.is_none() || blocks < LOOK_BLOCKS || as_before < LOOK_FAILED {
            return false;
        }
        self.named = Named { more, ..Named::default() };
        let recovers = counts.failed as f64 - counts.expected <= STILL * as_before;
        if recovers {
            (self.outlier, self.detector, self.sum) = (None, Detector::default(), 0.0);
        }
        recovers
    }
}

impl Counts {
    fn add(&mut self, more: &Self) {
        self.failed += more.failed;
        self.requests += more.requests;
        self.failed_all += more.failed_all;
        self.requests_all += more.requests_all;
        self.expected += more.expected;
    }

    /// By how much its share of failures is greater than the others'.
    fn more(&self) -> f64 {
        let share = |failed: u64, of: u64| failed as f64 / of.max(1) as f64;
        let others = share(self.failed_all - self.failed, self.requests_all - self.requests);
        share(self.failed, self.requests) - others
    }
}
