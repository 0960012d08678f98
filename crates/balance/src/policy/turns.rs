//! Taking turns by weight, smoothly: nginx's weighted round robin.
//!
//! Each candidate's credit grows by its weight; the one with the most is chosen and pays what all
//! have got together. Weights 5, 1, 1 give a a b a c a a, never five in a row. Credits may be asked
//! of another set of candidates each time. From nginx's `ngx_http_upstream_round_robin.c`
//! ("smooth weighted round-robin balancing", commit 52327e0627f4).

use std::collections::BTreeMap;

use super::Slot;
use crate::slow_start::WeightShare;

/// The credits of a pool's slots.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    credits: Box<[i64]>,
}

impl Turns {
    pub(crate) fn new(slots: usize) -> Self {
        Self { credits: vec![0; slots].into() }
    }

    /// Whose turn it is, of these places with their weights.
    // Plain variables instead of an option, as here and in `Least`: who is ahead cannot be predicted,
    // so it must not be branched upon.
    #[inline]
    pub(crate) fn take(
        &mut self,
        weights: impl IntoIterator<Item = (usize, u64)>,
    ) -> Option<usize> {
        let (mut all, mut most, mut winner) = (0, i64::MIN, usize::MAX);
        for (place, weight) in weights {
            let credit = self.credits[place] + weight as i64;
            self.credits[place] = credit;
            all += weight as i64;
            if credit > most {
                (most, winner) = (credit, place);
            }
        }
        *self.credits.get_mut(winner)? -= all;
        Some(winner)
    }

    /// Takes over the credits of those that were there before: membership changes often (names are
    /// resolved again, instances come and go), and to begin anew each time would favour whoever
    /// stands first.
    pub(crate) fn adopt(&mut self, slots: &[Slot], before: &Self, slots_before: &[Slot]) {
        let known: BTreeMap<u64, i64> =
            slots_before.iter().map(|slot| slot.id).zip(before.credits.iter().copied()).collect();
        // A credit earned at far greater weights would take long to be used up.
        let most = slots
            .iter()
            .map(|slot| i64::from(slot.weight) * i64::from(WeightShare::FULL.parts()))
            .sum::<i64>();
        for (slot, credit) in slots.iter().zip(&mut self.credits) {
            *credit = known.get(&slot.id).map_or(0, |known| (*known).clamp(-most, most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(turns: &mut Turns, weights: &[u64], length: usize) -> Vec<usize> {
        let weights = weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0);
        (0..length).map(|_| turns.take(weights.clone()).unwrap()).collect()
    }

    #[test]
    fn turns_are_smooth() {
        let mut turns = Turns::new(3);
        assert_eq!(sequence(&mut turns, &[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns.credits[..], [0, 0, 0]);
    }

    #[test]
    fn who_is_left_out_does_not_catch_up() {
        let mut turns = Turns::new(3);
        sequence(&mut turns, &[1, 1, 0], 100);
        let after = sequence(&mut turns, &[1, 1, 1], 6);
        assert_eq!(after.iter().filter(|place| **place == 2).count(), 2);
    }

    #[test]
    fn adopted_credits_follow_the_identity() {
        let slot = |id, weight| Slot { index: 0, id, weight };
        let mut before = Turns::new(2);
        assert_eq!(sequence(&mut before, &[1, 1], 1), [0]);
        let mut turns = Turns::new(3);
        turns.adopt(&[slot(9, 1), slot(2, 1), slot(1, 1)], &before, &[slot(1, 1), slot(2, 1)]);
        assert_eq!(sequence(&mut turns, &[1, 1, 1], 3), [1, 0, 2]);
    }
}
