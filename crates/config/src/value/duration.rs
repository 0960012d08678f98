//! Durations: `250ms`, `30s`, `5m`, `1h`, `1d`.

use std::time::Duration;

use super::{shown, split_number};
use crate::faults::Flaw;

/// The units and their lengths in milliseconds, the longest first.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What people write for a unit.
const ALIASES: [(&str, &str); 16] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("msec", "ms"),
    ("millis", "ms"),
];

/// The duration that `text` is, as a file has it; `None` where it is none.
pub fn read(text: &str) -> Option<Duration> {
    exact(text)
}

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Duration, Flaw> {
    exact(text).ok_or_else(|| misread(text))
}

fn exact(text: &str) -> Option<Duration> {
    let (digits, unit) = split_number(text);
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let milliseconds = digits.parse::<u64>().ok()?.checked_mul(*length)?;
    Some(Duration::from_millis(milliseconds))
}

/// `duration` as it is written in a file, in the longest unit that says it whole.
pub(crate) fn written(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    let whole = UNITS.iter().find(|(_, length)| milliseconds.is_multiple_of(*length));
    let (unit, length) = whole.unwrap_or(&("ms", 1));
    format!("{}{unit}", milliseconds / length)
}

fn flaw(text: &str, why: &str, hint: impl Into<String>) -> Flaw {
    Flaw::invalid(format!("\"{}\" is not a duration", shown(text)), why, hint)
}

/// What is wrong with `text`, and how it was probably meant.
fn misread(text: &str) -> Flaw {
    let (digits, unit) = split_number(text);
    let example =
        "write a whole number and its unit, as in \"250ms\", \"30s\", \"5m\", \"1h\" or \"1d\"";
    if text.is_empty() {
        return flaw(text, "it is empty", example);
    }
    if text.starts_with('-') {
        return flaw(text, "no time is negative", example);
    }
    if text.contains(char::is_whitespace) {
        let joined: String = text.split_whitespace().collect();
        let hint = match exact(&joined) {
            Some(_) => format!("write \"{joined}\""),
            None => misread(&joined).hint,
        };
        return flaw(text, "number and unit stand together", hint);
    }
    if digits.is_empty() {
        return flaw(text, "it does not begin with a number", example);
    }
    if unit.is_empty() {
        return flaw(
            text,
            "it has no unit",
            format!("write \"{text}s\" for seconds, \"{text}ms\" for milliseconds"),
        );
    }
    if UNITS.iter().any(|(name, _)| *name == unit) {
        return flaw(text, "longer than anything can wait", "write less");
    }
    let wanted = unit.to_lowercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == wanted).map(|(_, unit)| *unit);
    let same = UNITS.iter().find(|(name, _)| *name == wanted).map(|(name, _)| *name);
    if let Some(unit) = alias.or(same) {
        return flaw(text, "the units are ms, s, m, h and d", format!("write \"{digits}{unit}\""));
    }
    if let Some(sum) = sum_of_parts(text) {
        let hint = format!("write \"{}\"", written(sum));
        return flaw(text, "a duration has one number and one unit", hint);
    }
    if unit.starts_with('.') {
        let hint =
            fraction(text).map_or(example.to_owned(), |d| format!("write \"{}\"", written(d)));
        return flaw(text, "the number has a fraction", hint);
    }
    flaw(text, "the units are ms, s, m, h and d", example)
}

/// The sum that a text such as `1h30m` means.
fn sum_of_parts(text: &str) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if digits == 0 || letters == 0 {
            return None;
        }
        let (part, tail) = rest.split_at(digits + letters);
        sum = sum.checked_add(exact(part)?)?;
        rest = tail;
    }
    Some(sum)
}

/// What a text such as `1.5s` means.
fn fraction(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let seconds = number * *length as f64 / 1_000.0;
    Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read_and_written_back() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds));
            assert_eq!(written(duration), text);
        }
        assert_eq!(parse("0s").unwrap(), Duration::ZERO);
        assert_eq!(written(Duration::from_secs(90)), "90s");
    }

    #[test]
    fn a_near_miss_is_answered_with_what_was_meant() {
        for (text, hint) in [
            ("10 s", "write \"10s\""),
            ("10", "write \"10s\" for seconds, \"10ms\" for milliseconds"),
            ("10sec", "write \"10s\""),
            ("10S", "write \"10s\""),
            ("2 minutes", "write \"2m\""),
            ("1h30m", "write \"90m\""),
            ("1.5s", "write \"1500ms\""),
            ("0.5h", "write \"30m\""),
        ] {
            assert_eq!(parse(text).unwrap_err().hint, hint, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "s", "-1s", "1y", "1µs", "1.", "1.s", "99999999999999999999s", "ten s", "1ms2"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("{}d", u64::MAX)).is_err());
    }
}
