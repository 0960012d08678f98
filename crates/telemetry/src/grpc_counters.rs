//! How many gRPC calls ended with each status.

use crate::counter::Counter;
use crate::grpc::GrpcStatus;

/// Each status, and behind them that there was none.
const ENDS: usize = GrpcStatus::ALL.len() + 1;
/// The value of the label where no status was told.
pub(crate) const NONE: &str = "none";

fn place(status: Option<GrpcStatus>) -> usize {
    status.map_or(ENDS - 1, |status| status as usize)
}

/// How many calls ended with each status, or without one. Written by one thread, as [`Counter`] is.
#[derive(Debug, Default)]
pub struct GrpcCounters([Counter; ENDS]);

impl GrpcCounters {
    /// Counts one call. Called by one thread only.
    pub fn count(&self, status: Option<GrpcStatus>) {
        self.0[place(status)].add(1);
    }

    /// What was counted so far.
    pub fn totals(&self) -> GrpcTotals {
        GrpcTotals(std::array::from_fn(|index| self.0[index].get()))
    }
}

/// How many calls had ended with each status, or without one, at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrpcTotals([u64; ENDS]);

impl GrpcTotals {
    /// How many ended so.
    pub fn of(&self, status: Option<GrpcStatus>) -> u64 {
        self.0[place(status)]
    }

    /// Adds what another had counted.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// The values of the label, each with its count; nothing where there was no call.
    pub(crate) fn by_label(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let has_any = self.0.iter().any(|count| *count > 0);
        let names = GrpcStatus::ALL.iter().map(|status| status.as_str()).chain([NONE]);
        names.zip(self.0).filter(move |_| has_any)
    }
}

impl FromIterator<(Option<GrpcStatus>, u64)> for GrpcTotals {
    fn from_iter<I: IntoIterator<Item = (Option<GrpcStatus>, u64)>>(counts: I) -> Self {
        let mut totals = Self::default();
        counts.into_iter().for_each(|(status, count)| totals.0[place(status)] += count);
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_a_count_of_its_own() {
        let counters = GrpcCounters::default();
        let all = || GrpcStatus::ALL.iter().map(|status| Some(*status)).chain([None]);
        for (index, status) in all().enumerate() {
            (0..=index).for_each(|_| counters.count(status));
        }
        let mut totals = counters.totals();
        totals.merge(&counters.totals());
        for (index, status) in all().enumerate() {
            assert_eq!(totals.of(status), 2 * (index as u64 + 1));
        }
        assert_eq!(totals.by_label().count(), ENDS);
    }

    #[test]
    fn a_service_without_calls_has_no_series() {
        assert_eq!(GrpcTotals::default().by_label().count(), 0);
        let one: GrpcTotals = [(Some(GrpcStatus::Ok), 1)].into_iter().collect();
        assert_eq!(one.by_label().next(), Some(("OK", 1)));
        assert_eq!(one.by_label().count(), ENDS, "the others stand at zero");
    }
}
