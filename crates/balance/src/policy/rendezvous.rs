//! Rendezvous hashing, highest random weight wins (Thaler and Ravishankar, 1996), with exact
//! weights by the logarithmic method (Schindelhauer and Schomaker, "Weighted distributed hash
//! tables", 2005).
//!
//! Key and member draw a distance d from (0, 1); the member with the highest `weight / -ln(1 - d)`
//! wins, which happens with a probability of exactly its part of all weights. The others' do not
//! depend on who is there: when a member leaves only its keys move, each to the next in that key's
//! own order; when a weight rises keys move only to it. Slow start brings an instance's keys back by
//! degrees.

use super::bound::LoadBound;
use super::{Candidate, Round, Slot};
use crate::field::Field;
use crate::key::Key;

/// The place of the key's own among the candidates; with a bound, of the first in the key's order
/// that is below its limit.
#[inline]
pub(crate) fn pick<F: Field>(
    round: &Round<'_, F>,
    slots: &[Slot],
    key: Key,
    bound: Option<LoadBound>,
) -> Option<usize> {
    let any = || highest(round.candidates(slots), key, |_| true);
    match bound {
        None => any(),
        Some(bound) => {
            let limits = bound.limits(round, slots);
            // None is allowed only when loads grew since the limits were reckoned.
            highest(round.candidates(slots), key, |candidate| limits.allow(round, candidate))
                .or_else(any)
        }
    }
}

/// The place of the wanted candidate with the highest score.
#[inline]
fn highest<'s>(
    candidates: impl Iterator<Item = Candidate<'s>>,
    key: Key,
    wanted: impl Fn(&Candidate<'s>) -> bool,
) -> Option<usize> {
    let (mut best, mut winner) = (Draw { hash: 0, weight: 0 }, None);
    for candidate in candidates {
        let draw = Draw { hash: key.draw(candidate.slot.id), weight: candidate.weight };
        if draw.is_ahead_of(best) && wanted(&candidate) {
            (best, winner) = (draw, Some(candidate.place));
        }
    }
    winner
}

/// What key and member have drawn: the greater the hash, the smaller the distance.
#[derive(Clone, Copy, Debug)]
struct Draw {
    hash: u64,
    weight: u64,
}

impl Draw {
    /// Whether its score is the higher. No logarithm is needed where hash and weight agree on it, as
    /// they always do among equal weights; nor mostly elsewhere, as d < -ln(1 - d) < d / (1 - d) and
    /// winners are close.
    #[inline]
    fn is_ahead_of(self, other: Self) -> bool {
        if self.weight <= other.weight && self.hash <= other.hash {
            return false;
        }
        if self.weight >= other.weight && self.hash >= other.hash {
            return true;
        }
        let (own, its) = (self.distance(), other.distance());
        if self.weight as f64 * its <= other.weight as f64 * own * (1.0 - its) {
            return false;
        }
        self.score() > other.score()
    }

    /// From 0 to 1, both excluded: the middle of one of 2^52 equal parts.
    #[inline]
    fn distance(self) -> f64 {
        // Both are exact, and so is its difference from 1.
        ((!self.hash >> 12) as i64 as f64 + 0.5) / (1i64 << 52) as f64
    }

    #[inline]
    fn score(self) -> f64 {
        self.weight as f64 / -(1.0 - self.distance()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::mix;

    #[test]
    fn the_short_way_finds_the_highest_score() {
        let slots: Vec<Slot> =
            (0..9).map(|index| Slot { index, id: mix(index as u64), weight: 1 }).collect();
        for number in 0..10_000 {
            let key = Key::from_hash(mix(!number));
            let weight = |slot: &Slot| mix(number ^ slot.id) % 5 + 1;
            let candidates = slots.iter().enumerate().map(|(place, slot)| Candidate {
                place,
                slot,
                weight: weight(slot),
            });
            let scored =
                |slot: &&Slot| Draw { hash: key.draw(slot.id), weight: weight(slot) }.score();
            let expected = slots.iter().max_by(|one, other| scored(one).total_cmp(&scored(other)));
            assert_eq!(highest(candidates, key, |_| true), expected.map(|slot| slot.index));
        }
    }

    #[test]
    fn scores_are_finite_and_positive_at_both_ends() {
        for hash in [0, u64::MAX] {
            let score = Draw { hash, weight: 1 }.score();
            assert!(score.is_finite() && score > 0.0, "{score}");
        }
    }
}
