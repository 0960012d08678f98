//! What the checks of one instance came to lately, in words.

use std::time::Duration;

use crate::probe::{Passed, ProbeFault};

/// What its checks came to lately.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// What the last one that passed saw.
    passed: Option<Passed>,
    /// Those that failed since.
    failed: Option<Failed>,
    /// Why the last one was not made, if it was not.
    not_made: Option<String>,
}

#[derive(Debug)]
struct Failed {
    count: u32,
    /// When the first of them did.
    since: Duration,
    /// Why the last of them did.
    why: String,
}

impl Series {
    /// Takes up a result.
    pub(super) fn note(&mut self, now: Duration, result: Result<Passed, ProbeFault>) {
        self.not_made = None;
        match result {
            Ok(passed) => (self.passed, self.failed) = (Some(passed), None),
            Err(fault) if fault.is_ours() => self.not_made = Some(fault.to_string()),
            Err(fault) => {
                let first = || Failed { count: 0, since: now, why: String::new() };
                let failed = self.failed.get_or_insert_with(first);
                failed.count = failed.count.saturating_add(1);
                failed.why = fault.to_string();
            }
        }
    }

    /// Why the last check failed, and how many have in a row.
    pub(super) fn failure(&self) -> Option<String> {
        let failed = self.failed.as_ref()?;
        Some(format!("{}: {}", failed.counted(), failed.why))
    }

    /// The same, with since when.
    pub(super) fn failing(&self, now: Duration) -> Option<String> {
        let failed = self.failed.as_ref()?;
        let seconds = now.saturating_sub(failed.since).as_secs();
        match failed.count {
            1 => self.failure(),
            _ => Some(format!("{} in {seconds} s: {}", failed.counted(), failed.why)),
        }
    }

    /// What the last check that passed saw.
    pub(super) fn passed(&self) -> Option<&str> {
        self.passed.as_ref().map(|passed| &*passed.0)
    }

    /// Why the last check was not made, if it was not.
    pub(super) fn not_made(&self) -> Option<&str> {
        self.not_made.as_deref()
    }
}

impl Failed {
    fn counted(&self) -> String {
        match self.count {
            1 => "1 check failed".to_owned(),
            count => format!("{count} checks failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn failures_are_counted_from_the_last_pass_with_the_last_reason() {
        let mut series = Series::default();
        series.note(at(1), Ok(Passed("status 200".into())));
        assert_eq!((series.failure(), series.passed()), (None, Some("status 200")));
        series.note(at(2), Err(ProbeFault::Status(500)));
        assert_eq!(series.failing(at(3)).unwrap(), "1 check failed: status 500");
        series.note(at(6), Err(ProbeFault::Status(503)));
        assert_eq!(series.failure().unwrap(), "2 checks failed: status 503");
        assert_eq!(series.failing(at(9)).unwrap(), "2 checks failed in 7 s: status 503");
        series.note(at(10), Ok(Passed("status 204".into())));
        assert_eq!((series.failing(at(10)), series.passed()), (None, Some("status 204")));
    }

    #[test]
    fn a_check_that_was_not_made_counts_for_nothing() {
        let mut series = Series::default();
        series.note(at(1), Ok(Passed("status 200".into())));
        series.note(at(2), Err(ProbeFault::NotMade("too many open files".into())));
        assert_eq!((series.failure(), series.not_made()), (None, Some("too many open files")));
        series.note(at(3), Err(ProbeFault::Status(500)));
        assert_eq!((series.failure().is_some(), series.not_made()), (true, None));
    }
}
