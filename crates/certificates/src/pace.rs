//! How long is waited before what failed is tried again.

use std::time::Duration;

use crate::failure::{Failed, FailureKind};
use crate::share::Share;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Let's Encrypt allows five challenges to fail for a name and hour: these are four in the first hour, and less afterwards.
const REFUSED: [Duration; 6] = [
    MINUTE.saturating_mul(5),
    MINUTE.saturating_mul(15),
    MINUTE.saturating_mul(30),
    HOUR,
    HOUR.saturating_mul(3),
    HOUR.saturating_mul(6),
];

/// Nothing that a CA asks for holds a certificate up for longer: it may have meant another unit.
const ASKED_MAX: Duration = HOUR.saturating_mul(24);

/// How long a CA that has had too much is left alone where it does not say.
const RATE_LIMITED: Duration = HOUR;

/// What a failure means for the certificate that was ordered: how long it waits, where it has failed `times` times in a row, this one
/// included. `share` keeps those that failed together apart.
pub(crate) fn certificate(failed: &Failed, times: u32, share: Share) -> Duration {
    let own = match failed.kind {
        FailureKind::Unreachable | FailureKind::Own => doubled(MINUTE, times, HOUR),
        FailureKind::RateLimited => RATE_LIMITED,
        FailureKind::Refused => step(times),
        // Once; should it be said of an order that replaces none, it is a refusal like others.
        FailureKind::AlreadyReplaced if times <= 1 => Duration::ZERO,
        FailureKind::AlreadyReplaced => step(times),
    };
    let pause = match (failed.kind, failed.retry_after) {
        (FailureKind::RateLimited, Some(asked)) => asked.clamp(MINUTE, ASKED_MAX),
        (_, Some(asked)) => own.max(asked.min(ASKED_MAX)),
        (_, None) => own,
    };
    pause + share.of_length(pause / 10)
}

/// What a failure means for all others of the same directory, where it is the one that fails: how long they wait, after `times` in a row.
pub(crate) fn directory(failed: &Failed, times: u32) -> Option<Duration> {
    match failed.kind {
        FailureKind::Unreachable => {
            let own = doubled(MINUTE, times, HOUR);
            Some(failed.retry_after.map_or(own, |asked| own.max(asked.min(ASKED_MAX))))
        }
        // It may be meant for that certificate alone: the others wait longer only where they are told the same.
        FailureKind::RateLimited => {
            let asked = failed.retry_after.unwrap_or(RATE_LIMITED).min(ASKED_MAX);
            Some(doubled(MINUTE, times, asked))
        }
        FailureKind::Refused | FailureKind::AlreadyReplaced | FailureKind::Own => None,
    }
}

fn step(times: u32) -> Duration {
    let at = usize::try_from(times.saturating_sub(1)).unwrap_or(usize::MAX);
    REFUSED[at.min(REFUSED.len() - 1)]
}

/// `first` for the first time, twice as long each further time, and never longer than `longest`.
fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: FailureKind, retry_after: Option<Duration>) -> Failed {
        Failed { kind, retry_after, problem: String::new() }
    }

    #[test]
    fn a_name_that_is_refused_is_tried_four_times_in_an_hour() {
        let refused = failed(FailureKind::Refused, None);
        let mut at = Duration::ZERO;
        let mut tries = 0;
        while at < HOUR {
            tries += 1;
            at += certificate(&refused, tries, Share::exactly(0.0));
        }
        assert_eq!(tries, 4);
        assert_eq!(certificate(&refused, 1_000, Share::exactly(0.0)), 6 * HOUR);
    }

    #[test]
    fn what_the_ca_asks_for_is_heeded_within_reason() {
        let asked = |after| failed(FailureKind::RateLimited, Some(after));
        assert_eq!(certificate(&asked(3 * HOUR), 1, Share::exactly(0.0)), 3 * HOUR);
        assert_eq!(certificate(&asked(1_000 * HOUR), 1, Share::exactly(0.0)), ASKED_MAX);
        assert_eq!(certificate(&asked(Duration::ZERO), 1, Share::exactly(0.0)), MINUTE);
        let down = failed(FailureKind::Unreachable, Some(2 * HOUR));
        assert_eq!(certificate(&down, 1, Share::exactly(0.0)), 2 * HOUR);
        assert_eq!(directory(&down, 1), Some(2 * HOUR));
    }

    #[test]
    fn a_refusal_holds_nobody_else_up() {
        assert_eq!(directory(&failed(FailureKind::Refused, Some(HOUR)), 5), None);
        assert_eq!(directory(&failed(FailureKind::RateLimited, Some(HOUR)), 2), Some(2 * MINUTE));
    }

    #[test]
    fn one_that_is_replaced_already_is_ordered_anew_at_once_and_only_once() {
        let replaced = failed(FailureKind::AlreadyReplaced, None);
        assert_eq!(certificate(&replaced, 1, Share::exactly(0.5)), Duration::ZERO);
        assert!(certificate(&replaced, 2, Share::exactly(0.5)) >= REFUSED[1]);
    }
}
