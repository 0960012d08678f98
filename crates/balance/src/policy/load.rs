//! What a candidate's load is, by which the lighter one is found.

use std::cmp::Ordering;

use super::Candidate;
use crate::field::Field;

/// What an instance with an unknown latency and something in flight costs, in seconds: more than
/// any that has ever answered, so that a new one gets a first request and no second before it
/// answered (Finagle's penalty).
const UNKNOWN: f64 = 1e6;

/// What counts of the requests in flight on one instance, at the most: a weight is below 2^42, so
/// that the product of both fits.
const IN_FLIGHT_MAX: u32 = (1 << 22) - 1;

/// Requests in flight by weight, compared without division.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connections {
    in_flight: u64,
    weight: u64,
}

/// What a request may expect on `candidate`, in seconds for its weight: each one in flight before
/// it takes the smoothed latency, and so does itself.
#[inline]
pub(crate) fn expected_latency<F: Field>(field: &F, candidate: &Candidate<'_>) -> f64 {
    let in_flight = f64::from(field.in_flight(candidate.slot.index));
    let latency = field.latency(candidate.slot.index);
    let cost = match latency == 0.0 && in_flight > 0.0 {
        true => UNKNOWN + in_flight,
        false => latency * (in_flight + 1.0),
    };
    cost / candidate.weight as f64
}

impl Connections {
    /// As many as there can be: no other is greater.
    pub(crate) const MOST: Self = Self { in_flight: IN_FLIGHT_MAX as u64, weight: 1 };

    /// The requests in flight on `candidate`, for its weight.
    #[inline]
    pub(crate) fn of<F: Field>(field: &F, candidate: &Candidate<'_>) -> Self {
        let in_flight = field.in_flight(candidate.slot.index).min(IN_FLIGHT_MAX);
        Self { in_flight: u64::from(in_flight), weight: candidate.weight }
    }

    #[inline]
    fn times(self, other: Self) -> u64 {
        self.in_flight * other.weight
    }
}

impl PartialEq for Connections {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.times(*other) == other.times(*self)
    }
}

impl PartialOrd for Connections {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.times(*other).cmp(&other.times(*self)))
    }
}
