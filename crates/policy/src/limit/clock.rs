//! Time as a bucket counts it: in what it gains meanwhile.

use std::time::Duration;

use model::Rate;

/// What is counted, in the smallest part that a bucket knows: a whole byte, or 1/65,536 of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grains(pub u64);

/// What a bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Requests, or what a response says that one has cost.
    Requests,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// Bits behind the point. At a million requests a second 64 bits last for nine years, and at ten gigabytes for fifty.
    const fn fraction(self) -> u32 {
        match self {
            Self::Requests => 16,
            Self::Bytes => 0,
        }
    }

    /// So many of them; the most that there can be where it is more.
    pub fn grains(self, count: u64) -> Grains {
        let most = u64::MAX >> 1;
        Grains(if count > most >> self.fraction() { most } else { count << self.fraction() })
    }

    /// How many whole ones that is.
    pub fn whole(self, grains: Grains) -> u64 {
        grains.0 >> self.fraction()
    }
}

/// Turns time into what a bucket of this rate gains in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What it showed at `since`.
    base: Grains,
    /// Time since an origin that its caller chose, in nanoseconds.
    since: u64,
    /// It gains so many grains
    gains: u64,
    /// in so many nanoseconds.
    within: u64,
}

impl Clock {
    /// A clock that begins at the origin.
    pub fn new(unit: Unit, rate: Rate) -> Self {
        let within = u64::try_from(rate.per.length().as_nanos()).expect("a day is no more");
        // It never shows 0, which is what an empty slot says.
        Self { base: Grains(1), since: 0, gains: unit.grains(rate.units.get()).0, within }
    }

    /// The clock of another rate, which shows at `now` what this one shows: what has been taken of a bucket stays
    /// taken, and comes back at the new rate from then on.
    #[must_use]
    pub fn at_rate(&self, unit: Unit, rate: Rate, now: Duration) -> Self {
        let other = Self::new(unit, rate);
        if (other.gains, other.within) == (self.gains, self.within) {
            return *self;
        }
        Self { base: self.show(now), since: nanos(now), ..other }
    }

    /// What it shows at `now`.
    #[inline]
    pub fn show(&self, now: Duration) -> Grains {
        let passed = nanos(now).saturating_sub(self.since);
        let gained = u128::from(passed) * u128::from(self.gains) / u128::from(self.within);
        let gained = u64::try_from(gained).unwrap_or(u64::MAX >> 1);
        Grains(self.base.0.saturating_add(gained).min(u64::MAX >> 1))
    }

    /// What it gains in `time`, rounded up.
    pub fn gained_in(&self, time: Duration) -> Grains {
        let gained = u128::from(nanos(time)) * u128::from(self.gains);
        let gained = gained.div_ceil(u128::from(self.within));
        Grains(u64::try_from(gained).unwrap_or(u64::MAX >> 1).min(u64::MAX >> 1))
    }

    /// What it gains in a microsecond, as nearly as can be.
    pub fn per_microsecond(&self) -> f64 {
        self.gains as f64 * 1_000.0 / self.within as f64
    }

    /// How long it takes until so many are gained, rounded up.
    pub fn time_to_gain(&self, grains: Grains) -> Duration {
        let nanos = match grains.0.checked_mul(self.within) {
            Some(time) => time.div_ceil(self.gains),
            None => {
                let time = u128::from(grains.0) * u128::from(self.within);
                u64::try_from(time.div_ceil(u128::from(self.gains))).unwrap_or(u64::MAX)
            }
        };
        Duration::from_nanos(nanos)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use model::Per;

    use super::*;

    fn rate(units: u64, per: Per) -> Rate {
        Rate { units: NonZeroU64::new(units).unwrap(), per }
    }

    #[test]
    fn no_rate_drifts_however_long_it_runs() {
        let ten_years = Duration::from_secs(3650 * 86_400);
        for (units, per, gained) in [
            (1, Per::Day, 3650),
            (7, Per::Second, 7 * 3650 * 86_400),
            (999_999, Per::Minute, 999_999 * 3650 * 1440),
        ] {
            let clock = Clock::new(Unit::Requests, rate(units, per));
            let shown = clock.show(ten_years).0 - clock.show(Duration::ZERO).0;
            assert_eq!(shown, gained << 16, "{units} {per:?}");
        }
    }

    #[test]
    fn the_time_to_gain_is_the_first_at_which_it_is_gained() {
        for (units, per) in [(1, Per::Day), (7, Per::Second), (1_000_000, Per::Second)] {
            let clock = Clock::new(Unit::Requests, rate(units, per));
            for count in [1, 2, 3, 1000] {
                let wanted = Unit::Requests.grains(count);
                let time = clock.time_to_gain(wanted);
                let gained = |time| Grains(clock.show(time).0 - clock.show(Duration::ZERO).0);
                assert_eq!(gained(time), wanted);
                assert!(gained(time - Duration::from_nanos(1)) < wanted);
            }
        }
    }

    #[test]
    fn another_rate_goes_on_where_the_old_one_was() {
        let clock = Clock::new(Unit::Requests, rate(1, Per::Hour));
        let hour = Duration::from_secs(3600);
        let faster = clock.at_rate(Unit::Requests, rate(100, Per::Second), hour);
        assert_eq!(faster.show(hour), clock.show(hour));
        let gained = faster.show(hour + Duration::from_secs(1)).0 - faster.show(hour).0;
        assert_eq!(gained, Unit::Requests.grains(100).0);
        assert_eq!(
            clock.at_rate(Unit::Requests, rate(1, Per::Hour), hour),
            clock,
            "nothing changed"
        );
    }

    #[test]
    fn the_end_of_time_stops_the_clock_and_breaks_nothing() {
        let clock = Clock::new(Unit::Bytes, rate(1 << 36, Per::Second));
        assert_eq!(clock.show(Duration::MAX), Grains(u64::MAX >> 1));
        assert_eq!(Unit::Requests.grains(u64::MAX), Grains(u64::MAX >> 1));
    }
}
