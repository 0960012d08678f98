//! One bad instance among the new release's: the same bet, of one against the others.
//!
//! For each instance two bets are kept: that it fails more often than its siblings, and that the release fails more often than
//! the old one *without* it. Where the release is guilty, but not without the instance, the instance is.

use std::time::Duration;

use super::bet::{Bet, Stake};
use super::question::Matter;
use super::trail::Trail;
use super::window::Rate;
use crate::event::Side;

/// Instances that are watched so; of further ones only the release's evidence is kept.
const INSTANCES_MAX: usize = 32;

/// One that had no request for so long has no part in them.
const ABSENT: Duration = Duration::from_secs(10);

/// Half of what was counted is forgotten in so long.
const HALF_LIFE: Duration = Duration::from_secs(5);

/// A block with fewer requests does not say how they were divided.
const BLOCK_MIN: f64 = 8.0;

/// How much likelier than not it has to be, where the release is guilty, that one instance alone is.
const ODDS: f64 = 20.0;

/// Hits that an instance has at least, where nothing but its siblings speaks against it, and how large a part of its requests.
const ALONE_MIN: (u64, f64) = (8, 0.02);

/// The instances of the new release, by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Siblings(Vec<Sibling>);

#[derive(Clone, Debug)]
struct Sibling {
    of_late: f64,
    last: Duration,
    rate: Rate,
    /// What can be shown of its hits.
    trail: Trail,
    /// That it is worse than its siblings.
    own: Bet,
    /// That the release is worse without it.
    without: Bet,
    is_out: bool,
}

/// Requests of an instance in a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy {
    pub(super) instance: usize,
    pub(super) requests: u64,
}

impl Siblings {
    /// Takes a block up. `whole` is the release's bet before it.
    pub(super) fn take(&mut self, matter: &Matter<'_>, whole: &Bet, gain_max: f64) {
        let Matter { now, passed, hits, busy, barred, .. } = *matter;
        self.count(now, passed, busy, whole);
        if hits.is_empty() {
            return;
        }
        let is_in = |it: &Sibling| !it.is_out && it.last + ABSENT >= now;
        let there = self.0.iter().filter(|it| is_in(it)).count() as f64;
        // Where some are ejected the others get their requests at once.
        let open = (there - f64::from(barred)).max(1.0);
        let all: f64 = self.0.iter().filter(|it| is_in(it)).map(|it| it.of_late).sum();
        let in_block: f64 = busy.iter().map(|it| it.requests as f64).sum();
        let in_block = if in_block < BLOCK_MIN { f64::MAX } else { in_block };
        let (mut own, mut without) = (Vec::new(), Vec::new());
        for place in 0..self.0.len() {
            let it = &self.0[place];
            // What it has in this block, too: where its siblings are ejected, all falls on it at once.
            let now_had = busy.iter().find(|it| it.instance == place).map_or(0, |it| it.requests);
            let share =
                (it.of_late / all.max(1.0)).max(1.0 / open).max(now_had as f64 / in_block.max(1.0));
            own.clear();
            without.clear();
            for hit in hits {
                let is_own = hit.stake.side == Side::Canary && hit.instance == Some(place);
                if !is_own {
                    without.push(hit.stake);
                }
                let is_sibling = hit.instance.is_some_and(|at| self.0.get(at).is_some_and(is_in));
                if hit.stake.side == Side::Canary && is_sibling {
                    let side = if is_own { Side::Canary } else { Side::Stable };
                    own.push(Stake { share, side, ..hit.stake });
                }
            }
            let is_among = is_in(it) && there > 1.0;
            let it = &mut self.0[place];
            it.without.take(&without, gain_max);
            if is_among {
                it.own.take(&own, gain_max);
                let counted = own.iter().filter(|stake| stake.side == Side::Canary);
                it.rate.hits += counted.map(|stake| stake.count as u64).sum::<u64>();
                let on_it = hits.iter().filter(|hit| hit.instance == Some(place));
                on_it.for_each(|hit| it.trail.add(hit));
            }
        }
    }

    fn count(&mut self, now: Duration, passed: Duration, busy: &[Busy], whole: &Bet) {
        let kept = 0.5f64.powf(passed.as_secs_f64() / HALF_LIFE.as_secs_f64());
        self.0.iter_mut().for_each(|it| it.of_late *= kept);
        for Busy { instance, requests } in busy.iter().filter(|it| it.instance < INSTANCES_MAX) {
            while self.0.len() <= *instance {
                self.0.push(Sibling {
                    of_late: 0.0,
                    last: Duration::ZERO,
                    rate: Rate::default(),
                    trail: Trail::of(now),
                    own: Bet::default(),
                    without: whole.clone(),
                    is_out: false,
                });
            }
            let it = &mut self.0[*instance];
            it.of_late += *requests as f64;
            it.last = now;
            it.rate.requests += requests;
        }
    }

    /// The one that alone is to blame where the release is guilty, which takes `enough`.
    pub(super) fn scapegoat(&self, enough: f64) -> Option<usize> {
        let (place, it) = self.worst()?;
        let is_likely = it.own.worth() >= (self.count_in() * ODDS).ln();
        (is_likely && it.without.worth() < enough).then_some(place)
    }

    /// One that is certainly worse than its siblings, whatever the old release does; `enough` is what that takes.
    pub(super) fn black_sheep(&self, enough: f64) -> Option<usize> {
        let (place, it) = self.worst()?;
        let (hits, share) = ALONE_MIN;
        let is_much = it.rate.hits >= hits && it.rate.share() >= share;
        (is_much && it.own.worth() >= enough + self.count_in().ln()).then_some(place)
    }

    pub(super) fn rate(&self, place: usize) -> Rate {
        self.0[place].rate
    }

    /// The same of all others.
    pub(super) fn others(&self, place: usize) -> Rate {
        let others = self.0.iter().enumerate().filter(|(at, _)| *at != place);
        others.fold(Rate::default(), |mut sum, (_, it)| {
            sum.add(it.rate.hits, it.rate.requests);
            sum
        })
    }

    /// What can be shown of its hits.
    pub(super) fn trail(&self, place: usize) -> &Trail {
        &self.0[place].trail
    }

    pub(super) fn worth(&self, place: usize) -> f64 {
        self.0[place].own.worth()
    }

    /// It is replaced, and counts no longer: what is left is the evidence without it.
    pub(super) fn forgive(&mut self, place: usize) -> Option<Bet> {
        let it = self.0.get_mut(place)?;
        it.is_out = true;
        let left = it.without.clone();
        for it in &mut self.0 {
            (it.without, it.own) = (left.clone(), Bet::default());
        }
        Some(left)
    }

    pub(super) fn is_out(&self, place: usize) -> bool {
        self.0.get(place).is_some_and(|it| it.is_out)
    }

    fn worst(&self) -> Option<(usize, &Sibling)> {
        let among = self.0.iter().enumerate().filter(|(_, it)| !it.is_out);
        among.max_by(|(_, one), (_, other)| one.own.worth().total_cmp(&other.own.worth()))
    }

    fn count_in(&self) -> f64 {
        self.0.iter().filter(|it| !it.is_out).count().max(2) as f64
    }
}
