//! Rates: so many requests, or so many bytes, in a time: `7/s`, `600/m`, `10MiB/s`.

use std::num::NonZeroU64;

use model::{Per, Rate};

use super::{shown, size};
use crate::faults::Flaw;

/// What a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Requests,
    Bytes,
}

/// The most that may come back in a second: a bucket counts the time of the program's life in its units, and this way its clock
/// lasts for years.
const REQUESTS_PER_SECOND_MAX: u64 = 1_000_000;
const BYTES_PER_SECOND_MAX: u64 = 16 << 30;

const TIMES: [(&str, Per); 4] =
    [("s", Per::Second), ("m", Per::Minute), ("h", Per::Hour), ("d", Per::Day)];

const EXAMPLE: &str =
    "write it as \"7/s\", \"600/m\", \"1000/h\" or \"5000/d\", or of bytes as \"10MiB/s\"";

/// Reads a rate.
pub(crate) fn parse(text: &str) -> Result<(Rate, Counted), Flaw> {
    let Some((amount, time)) = text.split_once('/') else {
        return Err(flaw(text, "it says no time", EXAMPLE));
    };
    let Some((_, per)) = TIMES.iter().find(|(word, _)| *word == time) else {
        let hint = match time.chars().next().map(|c| c.to_ascii_lowercase()) {
            Some(c @ ('s' | 'm' | 'h' | 'd')) => format!("write \"{}/{c}\"", shown(amount)),
            _ => EXAMPLE.to_owned(),
        };
        return Err(flaw(text, "the time is \"s\", \"m\", \"h\" or \"d\"", hint));
    };
    let (count, counted) = amount_of(text, amount)?;
    let units = NonZeroU64::new(count).ok_or_else(|| {
        flaw(
            text,
            "with it nothing would ever pass",
            "write how much may pass, or take the route out",
        )
    })?;
    let rate = Rate { units, per: *per };
    let most = match counted {
        Counted::Requests => REQUESTS_PER_SECOND_MAX,
        Counted::Bytes => BYTES_PER_SECOND_MAX,
    };
    if units.get() > most.saturating_mul(per.length().as_secs()) {
        let most = match counted {
            Counted::Requests => format!("{most}/s"),
            Counted::Bytes => format!("{}/s", size::written(most)),
        };
        return Err(flaw(
            text,
            &format!("the most that can be counted is {most}"),
            "leave the limit out",
        ));
    }
    Ok((rate, counted))
}

/// How much, and of what.
fn amount_of(text: &str, amount: &str) -> Result<(u64, Counted), Flaw> {
    if !amount.is_empty() && amount.bytes().all(|byte| byte.is_ascii_digit()) {
        let count = amount.parse().map_err(|_| flaw(text, "the number is too large", EXAMPLE))?;
        return Ok((count, Counted::Requests));
    }
    if let Ok(bytes) = size::parse(amount) {
        return Ok((bytes, Counted::Bytes));
    }
    let hint = match amount.strip_suffix('r') {
        Some(count) if !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("write \"{}\" for requests", text.replacen("r/", "/", 1))
        }
        _ => EXAMPLE.to_owned(),
    };
    Err(flaw(text, "before the `/` stands a whole number, or a size", hint))
}

fn flaw(text: &str, why: &str, hint: impl Into<String>) -> Flaw {
    Flaw::invalid(format!("\"{}\" is not a rate", shown(text)), why, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_an_amount_and_a_time() {
        for (text, units, per, counted) in [
            ("7/s", 7, Per::Second, Counted::Requests),
            ("600/m", 600, Per::Minute, Counted::Requests),
            ("1/h", 1, Per::Hour, Counted::Requests),
            ("86400000000/d", 86_400_000_000, Per::Day, Counted::Requests),
            ("10MiB/s", 10 << 20, Per::Second, Counted::Bytes),
            ("1GB/d", 1_000_000_000, Per::Day, Counted::Bytes),
        ] {
            let rate = Rate { units: NonZeroU64::new(units).unwrap(), per };
            assert_eq!(parse(text).unwrap(), (rate, counted), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_how_it_was_meant() {
        for (text, hint) in [
            ("7r/s", "write \"7/s\" for requests"),
            ("7/sec", "write \"7/s\""),
            ("7/minute", "write \"7/m\""),
            ("0/s", "write how much may pass, or take the route out"),
            ("7", EXAMPLE),
            ("7/", EXAMPLE),
            ("/s", EXAMPLE),
            ("-7/s", EXAMPLE),
            ("7.5/s", EXAMPLE),
            ("7 /s", EXAMPLE),
            ("99999999999999999999/s", EXAMPLE),
            ("1000001/s", "leave the limit out"),
            ("17GiB/s", "leave the limit out"),
        ] {
            assert_eq!(parse(text).expect_err(text).hint, hint, "{text}");
        }
    }
}
