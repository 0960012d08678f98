//! The clock by which the numbers of a table are to be read: that of what is served. What is only compiled must not change it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::Rate;
use policy::limit::{Clock, Unit};

/// The clock of what is served; none before anything is.
#[derive(Debug, Default)]
pub(crate) struct ServedClock(Mutex<Option<Clock>>);

impl ServedClock {
    /// The clock of `rate` that goes on where that of what is served is at `now`.
    pub(crate) fn at_rate(&self, unit: Unit, rate: Rate, now: Duration) -> Clock {
        let served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        served.map_or_else(|| Clock::new(unit, rate), |clock| clock.at_rate(unit, rate, now))
    }

    /// It, if anything is served.
    pub(crate) fn get(&self) -> Option<Clock> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has `clock` is served from now on.
    pub(crate) fn serves(&self, clock: Clock) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock);
    }
}
