//! How long what a server has said of a request holds for the next one, as the server says (RFC 9111): nothing is kept of which that is
//! not said, and nothing by a guess.

use std::time::Duration;

/// What a server says so holds no longer than this: what it has decided on may have changed.
pub const KEPT_MAX: Duration = Duration::from_secs(3600);

/// For how long a response with these values of `Cache-Control` and this `Age` may be used again, in whole seconds and at most
/// [`KEPT_MAX`]; `None` where it may not be, or does not say. Whether it is `private` or `public` is all the same to one that uses it for
/// the same request only. What cannot be read says nothing.
pub fn explicit<'a>(
    cache_control: impl IntoIterator<Item = &'a [u8]>,
    age: Option<&[u8]>,
) -> Option<Duration> {
    let mut max_age: Option<u64> = None;
    for directive in cache_control.into_iter().flat_map(|value| value.split(|byte| *byte == b',')) {
        let directive = directive.trim_ascii();
        let (name, value) = match directive.iter().position(|byte| *byte == b'=') {
            Some(at) => (&directive[..at], &directive[at + 1..]),
            None => (directive, &b""[..]),
        };
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        // Also where it is of some fields only: these would have to be left out.
        if is(b"no-store") || is(b"no-cache") {
            return None;
        }
        if is(b"max-age") {
            let seconds = seconds(value)?;
            max_age = Some(max_age.map_or(seconds, |before| before.min(seconds)));
        }
    }
    let age = age.map_or(Some(0), seconds)?;
    let left = Duration::from_secs(max_age?.saturating_sub(age)).min(KEPT_MAX);
    (!left.is_zero()).then_some(left)
}

/// Whether a response with these values of `Vary` depends on nothing but fields that `was_told` to its server.
pub fn depends_on_told<'a>(
    vary: impl IntoIterator<Item = &'a [u8]>,
    was_told: impl Fn(&[u8]) -> bool,
) -> bool {
    let names = vary.into_iter().flat_map(|value| value.split(|byte| *byte == b','));
    names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()).all(was_told)
}

/// A number of seconds (RFC 9111 section 1.2.2), in quotes where a server writes them. One that is larger than it could be is very large.
fn seconds(value: &[u8]) -> Option<u64> {
    let value = value.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\"")).unwrap_or(value);
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = value.iter().map(|digit| u64::from(digit - b'0'));
    Some(digits.fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cache_control: &[&str], age: Option<&str>) -> Option<u64> {
        let values = cache_control.iter().map(|it| it.as_bytes());
        explicit(values, age.map(str::as_bytes)).map(|it| it.as_secs())
    }

    #[test]
    fn what_a_server_says_holds_for_as_long_as_it_says() {
        for (said, age, seconds) in [
            (&["max-age=60"][..], None, Some(60)),
            (&["private, max-age=60"], None, Some(60)),
            (&["Public,MAX-AGE=\"60\" ,must-revalidate"], None, Some(60)),
            (&["private", "max-age=60"], Some("20"), Some(40)),
            (&["max-age=60, max-age=30"], None, Some(30)),
            (&["max-age=999999999999999999999999"], None, Some(KEPT_MAX.as_secs())),
            (&["max-age=60"], Some("60"), None),
            (&["max-age=0"], None, None),
        ] {
            assert_eq!(of(said, age), seconds, "{said:?} {age:?}");
        }
    }

    #[test]
    fn nothing_holds_of_which_that_is_not_said() {
        for said in [
            &[][..],
            &[""],
            &["private"],
            &["s-maxage=60"],
            &["max-age"],
            &["max-age="],
            &["max-age=-1"],
            &["max-age=+6"],
            &["max-age=6.5"],
            &["max-age=60, max-age=soon"],
            &["max-age=60, no-store"],
            &["no-cache=\"set-cookie\", max-age=60"],
            &["max-age=60", "No-Store"],
        ] {
            assert_eq!(of(said, None), None, "{said:?}");
        }
        assert_eq!(of(&["max-age=60"], Some("unknown")), None);
    }

    #[test]
    fn what_depends_on_something_that_was_not_told_does_not_hold_for_another() {
        let told = |name: &[u8]| name.eq_ignore_ascii_case(b"cookie");
        let holds = |vary: &[&str]| depends_on_told(vary.iter().map(|it| it.as_bytes()), told);
        assert!(holds(&[]) && holds(&[""]) && holds(&["Cookie", "cookie, , COOKIE"]));
        for vary in [&["*"][..], &["accept"], &["cookie, accept-language"], &["cookie", "*"]] {
            assert!(!holds(vary), "{vary:?}");
        }
    }
}
