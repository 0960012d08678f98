//! Wall-clock time as tokens and signatures have it. The caller asks the clock; nothing here does.

use std::time::Duration;

/// Whole seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last second of the year 9999: no credential has a later time.
    pub const LAST: Self = Self(253_402_300_799);

    /// `seconds` since 1970-01-01 UTC.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01 UTC.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// `by` later, its fraction of a second left away; never later than the type holds.
    #[must_use]
    pub const fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.as_secs()))
    }

    /// `by` earlier, its fraction of a second left away; never before 1970.
    #[must_use]
    pub const fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.as_secs()))
    }
}
