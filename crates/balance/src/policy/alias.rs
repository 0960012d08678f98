//! Weighted chance in constant time: Walker's alias method, with Vose's way to build the table
//! ("A linear algorithm for generating random numbers with a given distribution", 1991).

use std::sync::Arc;

use super::Slot;

/// One, as a column's threshold.
const ONE: u64 = 1 << 32;

/// A table of columns of equal width, each shared by at most two slots.
#[derive(Clone, Debug)]
pub(crate) struct AliasTable {
    columns: Arc<[Column]>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    /// The part of the column that is its own slot's, in 2^-32.
    threshold: u64,
    /// Whose the rest is.
    alias: usize,
}

impl AliasTable {
    pub(crate) fn new(slots: &[Slot]) -> Self {
        let count = slots.len() as u128;
        let all = slots.iter().map(|slot| u128::from(slot.weight)).sum::<u128>();
        // Scaled so that the mean is `all`: exact, as nothing is divided before the end.
        let mut masses: Vec<u128> =
            slots.iter().map(|slot| u128::from(slot.weight) * count).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..slots.len()).partition(|place| masses[*place] < all);
        let mut columns: Vec<Column> =
            (0..slots.len()).map(|alias| Column { threshold: ONE, alias }).collect();
        while let (Some(low), Some(high)) = (small.pop(), large.last().copied()) {
            let threshold = (masses[low] * u128::from(ONE) / all) as u64;
            columns[low] = Column { threshold, alias: high };
            masses[high] -= all - masses[low];
            if masses[high] < all {
                large.pop();
                small.push(high);
            }
        }
        Self { columns: columns.into() }
    }

    /// The place of the slot that a uniformly random number stands for. The table is not empty.
    #[inline]
    pub(crate) fn place(&self, random: u64) -> usize {
        let column = (((random >> 32) * self.columns.len() as u64) >> 32) as usize;
        let Column { threshold, alias } = self.columns[column];
        match random & (ONE - 1) < threshold {
            true => column,
            false => alias,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of all random numbers that each slot gets.
    fn shares(table: &AliasTable) -> Vec<f64> {
        let count = table.columns.len() as f64;
        let mut shares = vec![0.0; table.columns.len()];
        for (place, column) in table.columns.iter().enumerate() {
            let own = column.threshold as f64 / ONE as f64;
            shares[place] += own / count;
            shares[column.alias] += (1.0 - own) / count;
        }
        shares
    }

    #[test]
    fn table_holds_the_weights_exactly() {
        for weights in [&[1][..], &[1, 1, 1], &[5, 1, 1], &[1, 1_000_000], &[7, 0x7fff_ffff, 3]] {
            let slots: Vec<_> =
                weights.iter().map(|weight| Slot { index: 0, id: 0, weight: *weight }).collect();
            let all = weights.iter().map(|weight| f64::from(*weight)).sum::<f64>();
            for (share, weight) in shares(&AliasTable::new(&slots)).iter().zip(weights) {
                assert!((share - f64::from(*weight) / all).abs() < 1e-9, "{weights:?}");
            }
        }
    }
}
