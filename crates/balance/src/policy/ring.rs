//! Consistent hashing on a ring (Karger and others, 1997): each member owns points on it by its
//! weight, a key belongs to the owner of the first point at or after it.
//!
//! A member's points depend on nothing but its id and weight (up to [`POINTS_MAX`] of all), so when
//! it leaves only its keys move.
//! Keys of a member that may not be chosen go to the owners of the points that follow, spread over
//! all the others.

use std::sync::Arc;

use super::bound::LoadBound;
use super::{Candidate, Round, Slot};
use crate::field::Field;
use crate::key::{Key, mix};

/// Points for each unit of weight (as nginx's and ketama's): loads differ by some 8 % then.
const POINTS: u64 = 160;

/// The most points of a ring (1.5 MiB). Great weights get fewer for each unit rather than more than
/// this: halved until they fit, so that a change of the membership seldom changes it.
const POINTS_MAX: u64 = 1 << 17;

/// All points in order.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    points: Arc<[u64]>,
    /// The place of each point's owner.
    owners: Arc<[u32]>,
}

impl Ring {
    pub(crate) fn new(slots: &[Slot]) -> Self {
        let counts = point_counts(slots);
        let mut points: Vec<(u64, u64, u32)> = Vec::new();
        for ((place, slot), count) in (0u32..).zip(slots).zip(counts) {
            let point = |number| (mix(slot.id ^ mix(number)), slot.id, place);
            points.extend((1..=count).map(point));
        }
        // By id where points coincide: the order of the list must not matter.
        points.sort_unstable();
        Self {
            points: points.iter().map(|(point, ..)| *point).collect(),
            owners: points.iter().map(|(.., owner)| *owner).collect(),
        }
    }

    /// The owner of the first point from the key on that may be chosen and is not above its limit.
    #[inline]
    pub(crate) fn pick<F: Field>(
        &self,
        round: &Round<'_, F>,
        slots: &[Slot],
        key: Key,
        bound: Option<LoadBound>,
    ) -> Option<usize> {
        if slots.is_empty() {
            return None;
        }
        let start = self.points.partition_point(|point| *point < key.hash());
        if let Some(bound) = bound {
            let limits = bound.limits(round, slots);
            return self.walk(round, slots, start, |candidate| limits.allow(round, candidate));
        }
        let owner = self.owners[start % self.owners.len()] as usize;
        match round.candidate(owner, &slots[owner]) {
            Some(candidate) if warmth(&candidate) == 1.0 => Some(owner),
            _ => self.walk_to_warm(round, slots, key, start),
        }
    }

    /// As a member's points are fixed, slow start is a chance of being passed over, drawn from key
    /// and member so that a key comes home once and stays. The warmest is never passed over.
    #[inline(never)]
    fn walk_to_warm<F: Field>(
        &self,
        round: &Round<'_, F>,
        slots: &[Slot],
        key: Key,
        start: usize,
    ) -> Option<usize> {
        let warmest =
            round.candidates(slots).map(|candidate| warmth(&candidate)).fold(0.0f64, f64::max);
        self.walk(round, slots, start, |candidate| {
            let draw = key.draw(candidate.slot.id) as f64 / u64::MAX as f64;
            draw * warmest <= warmth(candidate)
        })
    }

    /// The first candidate from point `start` on that is `wanted`, or else the first.
    fn walk<F: Field>(
        &self,
        round: &Round<'_, F>,
        slots: &[Slot],
        start: usize,
        wanted: impl Fn(&Candidate<'_>) -> bool,
    ) -> Option<usize> {
        // Who has few points among many that may not be chosen would be a long way off.
        let mut candidates = round.candidates(slots);
        let only = candidates.next()?;
        if candidates.next().is_none() {
            return Some(only.place);
        }
        let mut first = None;
        let (before, after) = self.owners.split_at(start);
        for owner in after.iter().chain(before) {
            let place = *owner as usize;
            let Some(candidate) = round.candidate(place, &slots[place]) else { continue };
            if wanted(&candidate) {
                return Some(place);
            }
            first = first.or(Some(place));
        }
        first
    }
}

/// How many points each slot owns: never none.
fn point_counts(slots: &[Slot]) -> impl Iterator<Item = u64> {
    let all = slots.iter().map(|slot| u64::from(slot.weight)).sum::<u64>() * POINTS;
    let halvings = (all.div_ceil(POINTS_MAX)).next_power_of_two().ilog2();
    slots.iter().map(move |slot| ((u64::from(slot.weight) * POINTS) >> halvings).max(1))
}

/// The share of its weight that a candidate counts with, from 0 to 1.
#[inline]
fn warmth(candidate: &Candidate<'_>) -> f64 {
    candidate.weight as f64 / candidate.whole_weight() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(weights: &[u32]) -> Vec<Slot> {
        let slot = |(index, weight): (usize, &u32)| Slot {
            index,
            id: mix(index as u64 + 1),
            weight: *weight,
        };
        weights.iter().enumerate().map(slot).collect()
    }

    #[test]
    fn points_are_by_weight() {
        assert!(point_counts(&slots(&[1, 3])).eq([160, 480]));
    }

    #[test]
    fn great_weights_keep_their_proportion_within_the_most_points() {
        let counts: Vec<u64> = point_counts(&slots(&[1_000_000, 3_000_000, 1])).collect();
        assert!(counts.iter().sum::<u64>() <= POINTS_MAX + 3);
        assert!(counts.iter().sum::<u64>() > POINTS_MAX / 2);
        assert!(counts[1].abs_diff(3 * counts[0]) <= 3);
        assert_eq!(counts[2], 1);
    }

    #[test]
    fn points_do_not_depend_on_the_order_of_the_list() {
        let one = slots(&[1, 2, 3]);
        let other: Vec<Slot> = one.iter().rev().copied().collect();
        let (one_ring, other_ring) = (Ring::new(&one), Ring::new(&other));
        assert_eq!(one_ring.points, other_ring.points);
        let ids = |ring: &Ring, slots: &[Slot]| -> Vec<u64> {
            ring.owners.iter().map(|owner| slots[*owner as usize].id).collect()
        };
        assert_eq!(ids(&one_ring, &one), ids(&other_ring, &other));
    }
}
