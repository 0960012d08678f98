//! The time of day as lines begin with it.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Formats times of which most fall in the same second as the one before: then three digits are
/// all that changes.
#[derive(Debug)]
pub(super) struct Stamp {
    second: i64,
    text: Time,
}

/// A time as text.
pub(super) type Time = [u8; "1970-01-01T00:00:00.000Z".len()];

const MILLIS: usize = "1970-01-01T00:00:00.".len();

impl Default for Stamp {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00.000Z" }
    }
}

impl Stamp {
    /// `now` as RFC 3339 in UTC, with milliseconds. Times before 1970 or after 9999, which only a
    /// broken clock shows, are written as 1970.
    #[inline]
    pub(super) fn at(&mut self, now: SystemTime) -> &Time {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = i64::try_from(since.as_secs()).unwrap_or_default();
        if second != self.second {
            self.turn(second);
        }
        self.text[MILLIS..MILLIS + 3].copy_from_slice(&digits(since.subsec_millis()));
        &self.text
    }

    #[cold]
    fn turn(&mut self, second: i64) {
        self.second = second;
        let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut text = self.text.as_mut_slice();
        write!(text, "{}.000Z", time.strftime("%Y-%m-%dT%H:%M:%S")).expect("four digits a year");
    }
}

/// The digits of a number below 1,000.
#[inline]
pub(super) fn digits(number: u32) -> [u8; 3] {
    [number / 100, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn texts<const N: usize>(times: [SystemTime; N]) -> [String; N] {
        let mut stamp = Stamp::default();
        times.map(|time| String::from_utf8(stamp.at(time).to_vec()).unwrap())
    }

    #[test]
    fn seconds_turn_and_milliseconds_follow() {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(
            texts([at(0), at(1_709_251_199_999), at(1_709_251_200_007), at(1_709_251_200_070)]),
            [
                "1970-01-01T00:00:00.000Z",
                "2024-02-29T23:59:59.999Z",
                "2024-03-01T00:00:00.007Z",
                "2024-03-01T00:00:00.070Z",
            ]
        );
    }

    #[test]
    fn a_broken_clock_breaks_no_line() {
        let far = UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        let before = UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(texts([far, before]), ["1970-01-01T00:00:00.000Z"; 2]);
    }
}
