//! How many exchanges ended in each way.

use crate::counter::Counter;
use crate::ending::Ending;

const ENDINGS: usize = Ending::ALL.len();

/// How many exchanges ended in each way. Written by one thread, as [`Counter`] is.
#[derive(Debug)]
pub struct EndingCounters([Counter; ENDINGS]);

impl Default for EndingCounters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl EndingCounters {
    /// Counts one exchange. Called by one thread only.
    #[inline]
    pub fn count(&self, ending: Ending) {
        self.0[ending as usize].add(1);
    }

    /// What was counted so far.
    pub fn totals(&self) -> EndingTotals {
        EndingTotals(std::array::from_fn(|index| self.0[index].get()))
    }
}

/// How many exchanges had ended in each way at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndingTotals([u64; ENDINGS]);

impl Default for EndingTotals {
    fn default() -> Self {
        Self([0; ENDINGS])
    }
}

impl EndingTotals {
    /// How many ended so.
    pub fn of(&self, ending: Ending) -> u64 {
        self.0[ending as usize]
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds what another had counted.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_has_a_count_of_its_own() {
        let counters = EndingCounters::default();
        for (index, ending) in Ending::ALL.iter().enumerate() {
            (0..=index).for_each(|_| counters.count(*ending));
        }
        let mut totals = counters.totals();
        totals.merge(&counters.totals());
        for (index, ending) in Ending::ALL.iter().enumerate() {
            assert_eq!(totals.of(*ending), 2 * (index as u64 + 1));
        }
        assert_eq!(totals.total(), (ENDINGS * (ENDINGS + 1)) as u64);
    }
}
