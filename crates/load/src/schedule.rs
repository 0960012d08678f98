//! When each request is due.

use std::num::NonZeroU32;
use std::time::Duration;

/// A constant number of requests a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub NonZeroU32);

impl Rate {
    /// When the request of this number is due, counted from the first one, which has number 0.
    /// Computed anew for each, so that no rounding adds up.
    pub(crate) fn due(self, number: u64) -> Duration {
        let rate = u64::from(self.0.get());
        let nanos = (number % rate) * 1_000_000_000 / rate;
        Duration::new(number / rate, u32::try_from(nanos).expect("less than a second"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_evenly_and_never_drift() {
        let rate = Rate(NonZeroU32::new(3).unwrap());
        let due: Vec<u128> = (0..4).map(|number| rate.due(number).as_nanos()).collect();
        assert_eq!(due, [0, 333_333_333, 666_666_666, 1_000_000_000]);
        assert_eq!(rate.due(3_000_000), Duration::from_secs(1_000_000));
    }
}
