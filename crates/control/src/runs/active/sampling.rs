//! What becomes of the requests of a deploy's instances: taken up for the judge, the evidence and the receipt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use edge::{Edge, ServiceLive};
use model::InstanceName;
use rollout::{Block, Count, Fate, Fates, Latencies, Place, Side, Tally, Timed};

use super::Active;
use crate::runs::Running;
use crate::runs::account::{Account, Routes, observed};
use crate::runs::past::Recollection;
use crate::runs::receipt::ReleaseTally;

/// What became of a release's attempts while it is deployed, or replaced.
#[derive(Default)]
pub(super) struct Did {
    pub(super) tally: Tally,
    fates: Fates,
    /// Of requests that asked for it.
    asked: Fates,
}

/// So many responses have to be known before it is said how long they usually take.
const USUAL_MIN: u64 = 50;

impl Active {
    /// Takes up what became of the last requests of an instance, and keeps it in mind: of the old release, in `past`.
    pub(crate) fn owe(
        &mut self,
        instance: &InstanceName,
        account: Account,
        past: &mut Recollection,
    ) {
        let side = self.side_of(instance);
        let (past, did) = match side {
            Side::Stable => (past, &mut self.stable_did),
            Side::Canary => (&mut self.past, &mut self.canary_did),
        };
        past.note(&account);
        did.asked.add(&account.asked);
        let counts = account.counts.into_iter().map(|(route, assignment, fates)| {
            let place = Place { route, instance: instance.clone(), side, assignment };
            Count { place, fates }
        });
        self.owed.counts.extend(counts);
        if account.latencies.count() > 0 {
            let (instance, latencies) = (instance.clone(), account.latencies);
            self.owed.latencies.push(Timed { instance, side, latencies });
        }
    }

    fn side_of(&self, instance: &InstanceName) -> Side {
        self.sides.get(instance).copied().unwrap_or(Side::Stable)
    }

    /// What became of the requests of `instances`, and of those that are gone, since the last time; with what the workers
    /// handed over, which they do from the first time on. `past` is the old release's.
    pub(crate) fn sample(
        &mut self,
        edge: &Edge,
        instances: &mut BTreeMap<InstanceName, Running>,
        live: Option<&Arc<ServiceLive>>,
        past: &mut Recollection,
    ) -> Block {
        let routes = Routes::of(live);
        for (name, running) in &mut *instances {
            self.owe(name, running.take_account(&routes), past);
        }
        let now = edge.now();
        past.turn(now);
        self.past.turn(now);
        let mut block = std::mem::take(&mut self.owed);
        block.share = self.split.as_ref().map(|split| split.share);
        block.barred = self.bars.look(instances, &self.sides);
        for (id, name) in routes.names() {
            if self.named.insert(id.clone()) {
                block.routes.insert(id.clone(), name.clone());
            }
        }
        if let Some(live) = live {
            self.take_samples(edge, live, &routes, past, &mut block);
        }
        self.canary_did.add(&block, Side::Canary);
        self.stable_did.add(&block, Side::Stable);
        self.evidence.add(now, self.rollout.serving(), &block);
        block
    }

    /// Takes up what the workers handed over, and keeps in mind how long it took by route.
    fn take_samples(
        &mut self,
        edge: &Edge,
        live: &ServiceLive,
        routes: &Routes,
        past: &mut Recollection,
        block: &mut Block,
    ) {
        let patience = self.patience(&past.recent_latencies());
        let Some(hearing) = self.hearing.as_ref().filter(|it| live.judged.hears(it)) else {
            self.hearing = Some(live.judged.begin(patience));
            return;
        };
        if let Some(patience) = patience {
            live.judged.expect(patience);
        }
        let others = |count: &Count| count.fates.requests() - count.fates.of(Fate::Failed);
        let samples = live.judged.take(hearing, block.counts.iter().map(others).sum());
        block.lost = samples.lost;
        block.observed = samples
            .all
            .into_iter()
            .filter_map(|sample| {
                let (at, side) = (edge.time_of(sample.at), self.side_of(&sample.instance.name));
                observed(sample, at, side, routes)
            })
            .collect();
        block.observed.sort_by_key(|observed| observed.at);
        for attempt in block.observed.iter().filter(|it| it.fate != Fate::Failed) {
            let of_side = match attempt.place.side {
                Side::Stable => &mut *past,
                Side::Canary => &mut self.past,
            };
            of_side.hear(attempt.place.route.clone(), attempt.latency);
        }
    }

    /// Nothing more is handed over to it.
    pub(crate) fn hush(&mut self, live: Option<&Arc<ServiceLive>>) {
        if let (Some(hearing), Some(live)) = (self.hearing.take(), live) {
            live.judged.end(hearing);
        }
    }

    /// How long a client need wait before its giving up counts as a failure: twice as long as 99 % of the old release's responses
    /// take, where that is known, and longer by what is never slow.
    fn patience(&self, usual: &Latencies) -> Option<Duration> {
        let p99 = usual.quantile(0.99).filter(|_| usual.count() >= USUAL_MIN)?;
        Some((p99 * 2).max(p99 + self.slowdown_floor))
    }
}

impl Did {
    /// For the receipt: with what asked for the release.
    pub(super) fn of_release(&self, version: &str) -> ReleaseTally {
        let (mut tally, mut fates) = (self.tally.clone(), self.fates);
        tally.requests += self.asked.requests();
        tally.errors += self.asked.failed;
        fates.add(&self.asked);
        ReleaseTally { version: version.to_owned(), tally, fates, asked: self.asked.requests() }
    }

    fn add(&mut self, block: &Block, side: Side) {
        self.tally.add(&block.tally(side));
        let counts = block.counts.iter().filter(|count| count.place.side == side);
        counts.for_each(|count| self.fates.add(&count.fates));
    }
}
