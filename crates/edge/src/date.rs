//! The date of a response that has none (RFC 9110 §6.6.1): written once a second by each worker, and
//! copied from there.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use policy::time::UnixTime;

/// A date as `Date` carries it (RFC 9110 §5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpDate([u8; "Thu, 01 Jan 1970 00:00:00 GMT".len()]);

impl HttpDate {
    /// Times before 1970 or after 9999, which only a broken clock shows, are written as 1970.
    fn of(seconds: u64) -> Self {
        let time = i64::try_from(seconds).ok().and_then(|it| Timestamp::from_second(it).ok());
        let text = time.unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        // The year has four digits, and nothing else varies in length.
        Self(text.as_bytes().try_into().unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT"))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The date by one worker's clock.
pub(crate) struct Calendar {
    second: Cell<u64>,
    date: Cell<HttpDate>,
}

impl Calendar {
    /// Begins with today.
    pub(crate) fn new() -> Self {
        let second = seconds();
        Self { second: Cell::new(second), date: Cell::new(HttpDate::of(second)) }
    }

    /// The date when [`Calendar::turn`] was called last.
    #[inline]
    pub(crate) fn today(&self) -> HttpDate {
        self.date.get()
    }

    /// The second when [`Calendar::turn`] was called last.
    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.second.get())
    }

    /// Looks at the clock. Called several times a second.
    pub(crate) fn turn(&self) {
        let now = seconds();
        if self.second.replace(now) != now {
            self.date.set(HttpDate::of(now));
        }
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_has_them() {
        let text = |seconds| String::from_utf8(HttpDate::of(seconds).as_bytes().to_vec()).unwrap();
        assert_eq!(text(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(text(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(text(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(text(u64::MAX), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn a_calendar_that_turns_tells_this_second() {
        let calendar = Calendar::new();
        let before = seconds();
        calendar.turn();
        let dates = [before, seconds()].map(HttpDate::of);
        assert!(dates.contains(&calendar.today()));
    }
}
