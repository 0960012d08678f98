//! Durations, counts and shares as people read and write them.

use std::time::Duration;

use jiff::Timestamp;

/// A duration as people write it: "250ms", "30s", "5m", "1h", "1d".
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is not a duration such as \"30s\"");
    let split = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    let duration = match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(60 * 60),
        "d" => seconds(24 * 60 * 60),
        _ => None,
    };
    duration.ok_or_else(wrong)
}

/// A duration by its two largest units: "12 s", "3m 12s", "2h 5m", "4d 1h".
pub(crate) fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0 if !duration.is_zero() => format!("{} ms", duration.as_millis()),
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// How long ago it was at `at`, which is written as RFC 3339 has it: "14m 5s ago".
pub(crate) fn ago(at: &str, now: Timestamp) -> String {
    let Ok(at) = at.parse::<Timestamp>() else { return at.to_owned() };
    let age = Duration::try_from(now.duration_since(at)).unwrap_or_default();
    format!("{} ago", rough(Duration::from_secs(age.as_secs())))
}

/// A latency of `ms` milliseconds, to two or three digits.
pub(crate) fn latency(ms: f64) -> String {
    match ms {
        ..0.9995 => format!("{:.0} µs", ms * 1000.0),
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        ..9950.0 => format!("{:.1} s", ms / 1000.0),
        _ => format!("{:.0} s", ms / 1000.0),
    }
}

/// Something that happens `rate` times a second.
pub(crate) fn rate(rate: f64) -> String {
    if rate == 0.0 || rate >= 9.95 { format!("{rate:.0}") } else { format!("{rate:.1}") }
}

/// A share from 0 to 1, in percent. What is not nothing is never shown as nothing.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        ..0.1 => "<0.1 %".to_owned(),
        percent @ ..9.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// How many of a thing: "1 route", "2 routes".
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_file_writes_them() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "5", "m", "-5s", "5 s", "1.5s", "5w", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(duration(&format!("{}d", u64::MAX)).is_err());
    }

    #[test]
    fn durations_are_shown_by_their_two_largest_units() {
        for (seconds, shown) in
            [(0, "0 s"), (59, "59 s"), (192, "3m 12s"), (7500, "2h 5m"), (349_200, "4d 1h")]
        {
            assert_eq!(rough(Duration::from_secs(seconds)), shown);
        }
        assert_eq!(rough(Duration::from_millis(250)), "250 ms");
    }

    #[test]
    fn latencies_keep_their_digits() {
        for (ms, shown) in [
            (0.25, "250 µs"),
            (0.9999, "1.0 ms"),
            (1.24, "1.2 ms"),
            (9.96, "10 ms"),
            (999.9, "1.0 s"),
            (12_345.0, "12 s"),
        ] {
            assert_eq!(latency(ms), shown);
        }
    }

    #[test]
    fn what_is_not_nothing_is_never_shown_as_nothing() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.000_01), "<0.1 %");
        assert_eq!(percent(0.0123), "1.2 %");
        assert_eq!(percent(1.0), "100 %");
    }
}
