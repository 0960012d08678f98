//! Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016).
//!
//! A popular key must not drown the instance it belongs to. No candidate may have more in flight
//! than the bound times the average, rounded up; who is at its limit is passed over, and its keys
//! go to the next in their order. The average is that of the candidates and counts the request
//! itself; a candidate's limit is in proportion to its weight. Limits sum up to more than what is in
//! flight, so one candidate is always below its own.

use super::{Candidate, Round, Slot};
use crate::field::Field;

/// The bound: a factor of at least 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LoadBound {
    factor: f64,
}

/// What the candidates of one pick may have in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The bound times all that is in flight, the request itself included.
    load: f64,
    /// All weights.
    weight: f64,
}

impl LoadBound {
    pub(crate) fn new(factor: f64) -> Self {
        Self { factor: factor.max(1.0) }
    }

    /// The limits of the candidates of this round.
    #[inline]
    pub(crate) fn limits<F: Field>(self, round: &Round<'_, F>, slots: &[Slot]) -> Limits {
        let mut in_flight = 1.0;
        let mut weight = 0.0;
        for candidate in round.candidates(slots) {
            in_flight += f64::from(round.field.in_flight(candidate.slot.index));
            weight += candidate.weight as f64;
        }
        Limits { load: self.factor * in_flight, weight }
    }
}

impl Limits {
    /// Whether `candidate` stays within its limit with one more.
    #[inline]
    pub(crate) fn allow<F: Field>(&self, round: &Round<'_, F>, candidate: &Candidate<'_>) -> bool {
        // A whole number is below a limit that is rounded up if it is below the limit.
        let in_flight = f64::from(round.field.in_flight(candidate.slot.index));
        in_flight * self.weight < self.load * candidate.weight as f64
    }
}
