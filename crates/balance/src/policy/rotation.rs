//! `round_robin`: one rotation for all workers.
//!
//! Members of equal weight take turns by a number that all workers share, and [`Field`](crate::Field)
//! gives out, so that requests alternate whichever worker each of them comes to. Where weights differ,
//! by the file or as one starts slowly, each worker takes [`Turns`] for itself: to agree on those, they
//! would have to wait for each other, and over any number of requests the shares are the same.

use super::Slot;
use super::turns::Turns;

/// Whose turn it is.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    turns: Turns,
}

impl Rotation {
    pub(crate) fn new(slots: usize) -> Self {
        Self { turns: Turns::new(slots) }
    }

    /// Whose turn it is, of these places with their weights; `turn` gives the number of the turn.
    #[inline]
    pub(crate) fn take(
        &mut self,
        weights: impl Iterator<Item = (usize, u64)> + Clone,
        turn: impl FnOnce() -> u64,
    ) -> Option<usize> {
        let mut others = weights.clone();
        let (_, weight) = others.next()?;
        let (mut count, mut differ) = (1, false);
        for (_, other) in others {
            count += 1;
            differ |= other != weight;
        }
        if differ {
            return self.turns.take(weights);
        }
        let mut weights = weights;
        weights.nth((turn() % count) as usize).map(|(place, _)| place)
    }

    /// Goes on where `before` is in the turns that are its own.
    pub(crate) fn adopt(&mut self, slots: &[Slot], before: &Self, slots_before: &[Slot]) {
        self.turns.adopt(slots, &before.turns, slots_before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_alternate_together_whichever_is_asked() {
        let mut workers = [Rotation::new(2), Rotation::new(2)];
        let mut taken = 0;
        let mut take = |worker: usize| {
            let turn = taken;
            taken += 1;
            workers[worker].take([1024, 1024].into_iter().enumerate(), || turn).unwrap()
        };
        let picks: Vec<usize> = [0, 0, 1, 0, 1, 1, 1, 0].map(&mut take).to_vec();
        assert_eq!(picks, [0, 1, 0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn no_turn_is_taken_where_nobody_can_serve() {
        let none = std::iter::empty::<(usize, u64)>();
        assert_eq!(Rotation::new(0).take(none, || panic!("nobody's turn")), None);
    }
}
