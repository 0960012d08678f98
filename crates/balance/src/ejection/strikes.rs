//! How long an instance is out: longer each time, and forgiven by good behaviour.

use std::time::Duration;

/// No ejection is longer than this many times the base.
const TERM_MAX: u32 = 10;

/// Strikes from which on the term does not grow: 2^4 is above [`TERM_MAX`].
const STRIKES_MAX: u32 = 5;

/// An instance's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Strikes {
    count: u32,
    /// How long it was out the last time.
    term: Duration,
}

impl Strikes {
    pub(super) fn count(self) -> u32 {
        self.count
    }

    /// One more, after `calm` without; tells how long the instance is out for it: `base` doubled
    /// with each strike before. Each time that it stayed calm for as long as it was out the last
    /// time takes a strike away.
    pub(super) fn strike(&mut self, base: Duration, calm: Duration) -> Duration {
        self.count = self.count.saturating_sub(self.forgiven(calm));
        self.count = (self.count + 1).min(STRIKES_MAX);
        self.term = base.saturating_mul((1 << (self.count - 1)).min(TERM_MAX));
        self.term
    }

    fn forgiven(self, calm: Duration) -> u32 {
        match calm.as_nanos().checked_div(self.term.as_nanos()) {
            Some(times) => u32::try_from(times).unwrap_or(u32::MAX),
            None => u32::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn terms_double_up_to_ten_times_the_base() {
        let mut strikes = Strikes::default();
        let terms: Vec<_> = (0..7).map(|_| strikes.strike(S(3), S(0)).as_secs()).collect();
        assert_eq!(terms, [3, 6, 12, 24, 30, 30, 30]);
    }

    #[test]
    fn calm_as_long_as_the_last_term_takes_a_strike_away() {
        let mut strikes = Strikes::default();
        strikes.strike(S(10), S(0));
        strikes.strike(S(10), S(0));
        assert_eq!(strikes.strike(S(10), S(19)), S(40));
        assert_eq!(strikes.strike(S(10), S(40)), S(40));
        assert_eq!(strikes.strike(S(10), S(80)), S(20));
        assert_eq!(strikes.strike(S(10), S(9_999)), S(10));
    }

    #[test]
    fn endless_terms_do_not_overflow() {
        let mut strikes = Strikes::default();
        assert_eq!(strikes.strike(Duration::MAX, S(0)), Duration::MAX);
        assert_eq!(strikes.strike(Duration::MAX, S(0)), Duration::MAX);
        assert_eq!(Strikes::default().strike(Duration::ZERO, S(0)), S(0));
    }
}
