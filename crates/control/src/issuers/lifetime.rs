//! How long what came by HTTP may be used: `Cache-Control` and `Expires` (RFC 9111 §4.2), of a private cache.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName};

/// Of what says nothing of its time.
const UNSAID: Duration = Duration::from_secs(300);

/// How long a response with these `fields`, which came at `now`, may be used.
pub(super) fn of(fields: &HeaderMap, now: SystemTime) -> Duration {
    let directives = fields.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives = directives.flat_map(|value| value.split(',')).map(str::trim);
    let mut max_age = None;
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Duration::ZERO,
            // The shortest of several, as of what cannot be read.
            "max-age" => {
                let seconds = value.trim_matches('"').parse().unwrap_or(0);
                max_age = Some(max_age.map_or(seconds, |before: u64| before.min(seconds)));
            }
            _ => {}
        }
    }
    let age = text(fields, AGE).and_then(|age| age.parse().ok()).unwrap_or(0);
    if let Some(seconds) = max_age {
        return Duration::from_secs(seconds.saturating_sub(age));
    }
    let Some(expires) = text(fields, EXPIRES) else { return UNSAID };
    let date = text(fields, DATE).and_then(moment).unwrap_or(now);
    // What is no date is in the past (§5.3).
    let expires = moment(expires).and_then(|expires| expires.duration_since(date).ok());
    expires.unwrap_or_default().saturating_sub(Duration::from_secs(age))
}

fn text(fields: &HeaderMap, name: HeaderName) -> Option<&str> {
    fields.get(name)?.to_str().ok().map(str::trim)
}

/// A moment as HTTP writes it today: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn moment(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|it| *it == month)? as i64 + 1;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<u64> = time.split(':').map_while(|it| it.parse().ok()).collect();
    let [hours, minutes, seconds] = clock[..] else { return None };
    if !(1970..=9999).contains(&year)
        || !(1..=31).contains(&day)
        || hours > 23
        || minutes > 59
        || seconds > 60
    {
        return None;
    }
    let seconds = u64::try_from(days(year, month, day)).ok()? * 86_400
        + hours * 3600
        + minutes * 60
        + seconds;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Days from 1970-01-01 on (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_what_the_response_says_of_it() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (fields, seconds) in [
            (&[][..], 300),
            (&[("cache-control", "public, max-age=3600")], 3600),
            (&[("cache-control", "max-age=3600"), ("age", "600")], 3000),
            (&[("cache-control", "max-age=10"), ("age", "600")], 0),
            (&[("cache-control", "max-age=3600, MAX-AGE=60")], 60),
            (&[("cache-control", "max-age=a lot")], 0),
            (&[("cache-control", "max-age=3600"), ("cache-control", "no-cache")], 0),
            (&[("cache-control", "No-Store")], 0),
            (&[("cache-control", "public"), ("expires", "Sun, 06 Nov 1994 08:59:37 GMT")], 600),
            // By the server's own clock, where it says what that is.
            (
                &[
                    ("date", "Mon, 29 Feb 2016 23:59:59 GMT"),
                    ("expires", "Tue, 01 Mar 2016 00:00:59 GMT"),
                ],
                60,
            ),
            (&[("expires", "Sun, 06 Nov 1994 08:00:00 GMT")], 0),
            (&[("expires", "0")], 0),
            (&[("expires", "Sun, 06 Nov 19940 08:00:00 GMT")], 0),
            (&[("cache-control", "max-age=60"), ("expires", "0")], 60),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            assert_eq!(of(&map, now).as_secs(), seconds, "{fields:?}");
        }
    }
}
