//! The least of all by some load, ties in rotation.
//!
//! Idle instances are equal, and most are idle most of the time: without rotation the first would
//! get everything. Ties are broken as nginx's `least_conn` breaks them, by smooth weighted turns
//! among the equal, so that an idle pair alternates and weights hold at any load.

use super::Candidate;
use super::turns::Turns;

/// The memory of a policy that takes the least.
#[derive(Clone, Debug)]
pub(crate) struct Least {
    turns: Turns,
    /// Places and weights of those that are equal so far, during a pick. Loads are read once: one
    /// that changes meanwhile cannot make a second look differ from the first.
    equal: Box<[(usize, u64)]>,
}

impl Least {
    pub(crate) fn new(slots: usize) -> Self {
        Self { turns: Turns::new(slots), equal: vec![(0, 0); slots].into() }
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    pub(crate) fn turns_mut(&mut self) -> &mut Turns {
        &mut self.turns
    }

    /// The place of the candidate with the least load; no load is above `most`.
    #[inline]
    pub(crate) fn take<'s, L: PartialOrd + Copy>(
        &mut self,
        candidates: impl IntoIterator<Item = Candidate<'s>>,
        most: L,
        load: impl Fn(&Candidate<'s>) -> L,
    ) -> Option<usize> {
        let (mut least, mut count) = (most, 0);
        for candidate in candidates {
            let load = load(&candidate);
            count = if load < least { 0 } else { count };
            // Kept only if the next one does not overwrite it.
            self.equal[count] = (candidate.place, candidate.weight);
            count += usize::from(load <= least);
            least = if load < least { load } else { least };
        }
        match &self.equal[..count] {
            [] => None,
            [(place, _)] => Some(*place),
            equal => self.turns.take(equal.iter().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Slot;
    use super::*;

    fn pick(least: &mut Least, loads: &[u32]) -> Option<usize> {
        let slot = Slot { index: 0, id: 0, weight: 1 };
        let candidates = (0..loads.len()).map(|place| Candidate { place, slot: &slot, weight: 1 });
        least.take(candidates, u32::MAX, |candidate| loads[candidate.place])
    }

    #[test]
    fn the_least_is_taken_and_the_equal_take_turns() {
        let mut least = Least::new(4);
        assert_eq!(pick(&mut least, &[3, 1, 2, 5]), Some(1));
        assert_eq!(pick(&mut least, &[9, 8, 7, 8]), Some(2));
        let picks: Vec<_> = (0..6).filter_map(|_| pick(&mut least, &[2, 0, 0, 0])).collect();
        assert_eq!(picks, [1, 2, 3, 1, 2, 3]);
        let picks: Vec<_> = (0..4).filter_map(|_| pick(&mut least, &[u32::MAX; 4])).collect();
        assert_eq!(picks, [0, 1, 2, 3], "the greatest load is one, too");
        assert_eq!(pick(&mut least, &[]), None);
    }
}
