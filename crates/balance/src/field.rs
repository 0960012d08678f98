//! What a picker sees of the instances at the moment of a pick.

use crate::eligibility::Eligibility;
use crate::slow_start::WeightShare;

/// Which attempt of a request a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptKind {
    /// The first takes a turn.
    First,
    /// A further one takes none: with two instances, of which one fails, each retry would else bring
    /// the next request to the one that fails.
    Retry,
}

/// What is observed of the instances of one service. An instance is named by its place in the list
/// of [`Member`](crate::Member)s that the picker was made from.
///
/// The methods are called on the way of each request, some several times for each instance: they
/// should be a load or two. What they read may change between two calls; a picker then decides on
/// one or the other, but never fails.
pub trait Field {
    /// How it stands.
    fn eligibility(&self, instance: usize) -> Eligibility;

    /// Whether it has as many requests in flight as it may: it is passed over, but counts as one
    /// that could serve (so that the request waits instead of going to a backup).
    #[inline]
    fn is_full(&self, _instance: usize) -> bool {
        false
    }

    /// Its part of its weight, by [slow start](crate::slow_start).
    #[inline]
    fn share(&self, _instance: usize) -> WeightShare {
        WeightShare::FULL
    }

    /// Requests in flight on it, over all workers.
    fn in_flight(&self, instance: usize) -> u32;

    /// The number of the next turn, over all workers; a first attempt takes it. Only asked by
    /// `round_robin`, once for each pick.
    fn turn(&self, attempt: AttemptKind) -> u64;

    /// Its smoothed latency, in seconds; 0 while unknown. Only asked by `peak_ewma`.
    #[inline]
    fn latency(&self, _instance: usize) -> f64 {
        0.0
    }
}
