//! When a job is due: an expression of cron, read in a time zone.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::Schedule;

/// So many occurrences are counted of a time that has passed; more are "more".
const COUNTED_MAX: usize = 1_000;

/// An expression of cron in a time zone.
///
/// Daylight saving is Vixie cron's: what has a fixed hour and minute is due once a day, at the first moment after a gap
/// that it falls into, and in the first of two hours that are one by the clock; what has `*` in one of the two goes by the time
/// that passes, so nothing is due in a gap, and all of it in both hours.
#[derive(Clone, Debug)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
}

/// Why an expression or a time zone is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimetableError {
    /// The expression is none.
    #[error("{0}")]
    Expression(String),
    /// It is none that is ever due.
    #[error("no day is ever like that")]
    Never,
    /// The time zone is not known.
    #[error("no time zone has this name")]
    Zone,
}

/// The occurrences of a time that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrences {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many there are, as far as they are counted.
    pub count: usize,
    /// Whether there are more than were counted.
    pub is_more: bool,
}

impl Timetable {
    /// Reads `schedule`.
    ///
    /// # Errors
    /// When its expression or its time zone is none. Seconds and years are no part of it.
    pub fn parse(schedule: &Schedule) -> Result<Self, TimetableError> {
        let zone = zone(&schedule.time_zone)?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed);
        let cron = parser.build().parse(&schedule.expression);
        let cron = cron.map_err(|error| TimetableError::Expression(error.to_string()))?;
        let timetable = Self { cron, zone };
        // Leap days come each eight years at least.
        match timetable.after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(timetable),
            None => Err(TimetableError::Never),
        }
    }

    /// The first occurrence after `time`; none where the years that are known have no more.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let time = time.to_zoned(self.zone.clone());
        let found = self.cron.find_next_occurrence(&time, false).ok()?.timestamp();
        // Never a moment that was had.
        (found > time.timestamp()).then_some(found)
    }

    /// What was due after `from` and until `to`, that included.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> Option<Occurrences> {
        let first = self.after(from).filter(|first| *first <= to)?;
        let (mut last, mut count) = (first, 1);
        while let Some(next) = self.after(last).filter(|next| *next <= to) {
            if count == COUNTED_MAX {
                let latest =
                    self.cron.find_previous_occurrence(&to.to_zoned(self.zone.clone()), true);
                let latest = latest.map_or(last, |latest| latest.timestamp());
                return Some(Occurrences { first, last: latest.max(last), count, is_more: true });
            }
            (last, count) = (next, count + 1);
        }
        Some(Occurrences { first, last, count, is_more: false })
    }
}

/// The time zone of this name: of this machine's own table, and where it has none of the one that is built in.
fn zone(name: &str) -> Result<TimeZone, TimetableError> {
    // What is written as the name of an environment variable or a rule of POSIX is another thing.
    TimeZone::get(name).map_err(|_| TimetableError::Zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timetable(expression: &str, zone: &str) -> Timetable {
        parse(expression, zone).unwrap()
    }

    fn parse(expression: &str, zone: &str) -> Result<Timetable, TimetableError> {
        Timetable::parse(&Schedule { expression: expression.into(), time_zone: zone.into() })
    }

    /// The occurrences from a moment of the zone on, as the zone's clock has them.
    fn due(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let timetable = timetable(expression, zone);
        let zone = TimeZone::get(zone).unwrap();
        let mut time = from.parse::<Timestamp>().unwrap();
        let mut due = Vec::new();
        for _ in 0..count {
            time = timetable.after(time).unwrap();
            due.push(time.to_zoned(zone.clone()).strftime("%m-%d %H:%M %z").to_string());
        }
        due
    }

    #[test]
    fn what_falls_into_the_gap_of_spring_is_due_once_right_behind_it() {
        // New York goes from 02:00 to 03:00 on 8 March 2026.
        let zone = "America/New_York";
        assert_eq!(
            due("30 2 * * *", zone, "2026-03-07T00:00:00Z", 3),
            ["03-07 02:30 -0500", "03-08 03:00 -0400", "03-09 02:30 -0400"]
        );
        // What is due at that moment anyway is due then, too.
        assert_eq!(
            due("0 3 * * *", zone, "2026-03-07T12:00:00Z", 2),
            ["03-08 03:00 -0400", "03-09 03:00 -0400"]
        );
        // What lies before the gap is not due again behind it.
        assert_eq!(
            due("0 1 * * *", zone, "2026-03-07T12:00:00Z", 2),
            ["03-08 01:00 -0500", "03-09 01:00 -0400"]
        );
        assert_eq!(
            due("0 0 * * *", "Europe/London", "2026-03-28T12:00:00Z", 2),
            ["03-29 00:00 +0000", "03-30 00:00 +0100"]
        );
        // Where midnight itself is in the gap: Cairo, 24 April 2026.
        assert_eq!(
            due("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", 2),
            ["04-24 01:00 +0300", "04-25 00:00 +0300"]
        );
    }

    #[test]
    fn nothing_that_goes_by_passing_time_is_due_in_a_gap() {
        assert_eq!(
            due("*/30 * * * *", "America/New_York", "2026-03-08T06:15:00Z", 4),
            ["03-08 01:30 -0500", "03-08 03:00 -0400", "03-08 03:30 -0400", "03-08 04:00 -0400"]
        );
    }

    #[test]
    fn what_is_fixed_is_due_in_the_first_of_two_equal_hours_alone() {
        // New York has 01:00 to 02:00 twice on 1 November 2026.
        let zone = "America/New_York";
        assert_eq!(
            due("30 1 * * *", zone, "2026-10-31T12:00:00Z", 2),
            ["11-01 01:30 -0400", "11-02 01:30 -0500"]
        );
        assert_eq!(
            due("0 2 * * *", zone, "2026-10-31T12:00:00Z", 2),
            ["11-01 02:00 -0500", "11-02 02:00 -0500"]
        );
        // Lord Howe goes back by half an hour only: 02:00 becomes 01:30 on 5 April 2026.
        assert_eq!(
            due("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2),
            ["04-05 01:45 +1100", "04-06 01:45 +1030"]
        );
    }

    #[test]
    fn what_goes_by_passing_time_is_due_in_both() {
        assert_eq!(
            due("*/30 * * * *", "America/New_York", "2026-11-01T04:45:00Z", 5),
            [
                "11-01 01:00 -0400",
                "11-01 01:30 -0400",
                "11-01 01:00 -0500",
                "11-01 01:30 -0500",
                "11-01 02:00 -0500"
            ]
        );
    }

    #[test]
    fn zones_without_daylight_saving_have_every_day_alike() {
        let seoul = due("0 9 * * MON-FRI", "Asia/Seoul", "2026-01-02T03:00:00Z", 2);
        assert_eq!(seoul, ["01-05 09:00 +0900", "01-06 09:00 +0900"]);
        assert_eq!(due("@daily", "UTC", "2026-01-01T00:00:00Z", 1), ["01-02 00:00 +0000"]);
    }

    #[test]
    fn what_is_due_in_a_year_is_due_once_each() {
        for zone in ["Europe/London", "America/Sao_Paulo", "Asia/Seoul", "Australia/Lord_Howe"] {
            for (expression, expected) in [("15 2 * * *", 365), ("0 0 1 * *", 12)] {
                let (from, to) = ("2026-01-01T12:00:00Z", "2027-01-01T12:00:00Z");
                let all = timetable(expression, zone)
                    .between(from.parse().unwrap(), to.parse().unwrap())
                    .unwrap();
                assert_eq!((all.count, all.is_more), (expected, false), "{expression} in {zone}");
            }
        }
    }

    #[test]
    fn a_long_time_is_not_counted_to_its_end_and_its_last_occurrence_is_known() {
        let (from, to) = ("2026-01-01T00:00:00Z", "2036-01-01T00:00:30Z");
        let all = timetable("* * * * *", "UTC").between(from.parse().unwrap(), to.parse().unwrap());
        let all = all.unwrap();
        assert_eq!((all.count, all.is_more), (COUNTED_MAX, true));
        assert_eq!(all.last.to_string(), "2036-01-01T00:00:00Z");
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        assert!(matches!(parse("* * * *", "UTC"), Err(TimetableError::Expression(_))));
        assert!(matches!(parse("0 * * * * *", "UTC"), Err(TimetableError::Expression(_))));
        assert!(matches!(parse("61 * * * *", "UTC"), Err(TimetableError::Expression(_))));
        assert!(matches!(parse("@reboot", "UTC"), Err(TimetableError::Expression(_))));
        assert_eq!(parse("0 0 30 2 *", "UTC").unwrap_err(), TimetableError::Never);
        assert_eq!(parse("* * * * *", "Asia/Seul").unwrap_err(), TimetableError::Zone);
        assert!(parse("0 0 29 2 *", "UTC").is_ok());
    }
}
