//! TLS handshakes with one instance: why the last one failed, if it did. Written where a connection is opened, and by nobody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The same is said again after so long, at the earliest.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What is known of handshakes with an instance.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    /// Whether the last one failed. Those that go well write nothing where it did not.
    is_failing: AtomicBool,
    last: Mutex<Option<Failure>>,
}

#[derive(Debug)]
struct Failure {
    why: String,
    told: Instant,
}

/// Whether a failure has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is to be told.
    New,
    /// It was, and nothing has changed.
    Before,
}

impl Handshakes {
    /// One went well.
    pub(crate) fn succeeded(&self) {
        if self.is_failing.load(Ordering::Relaxed) {
            self.is_failing.store(false, Ordering::Relaxed);
        }
    }

    /// One failed, at `now`: why, in words.
    pub(crate) fn failed(&self, why: String, now: Instant) -> Told {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_failing.store(true, Ordering::Relaxed);
        let is_told = last.as_ref().is_some_and(|last| {
            last.why == why && now.saturating_duration_since(last.told) < TOLD_EVERY
        });
        if is_told {
            return Told::Before;
        }
        *last = Some(Failure { why, told: now });
        Told::New
    }

    /// Why the last one failed, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        if !self.is_failing.load(Ordering::Relaxed) {
            return None;
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|last| last.why.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_a_minute_and_at_once_where_it_is_another() {
        let (handshakes, now) = (Handshakes::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        let (closed, plain) = (|| "closed".to_owned(), || "no TLS".to_owned());
        assert_eq!(handshakes.failed(closed(), now), Told::New);
        assert_eq!(handshakes.failed(closed(), at(59)), Told::Before);
        assert_eq!(handshakes.failed(plain(), at(59)), Told::New);
        assert_eq!(handshakes.failure(), Some("no TLS".to_owned()));
        handshakes.succeeded();
        assert_eq!(handshakes.failure(), None);
        assert_eq!(handshakes.failed(plain(), at(60)), Told::Before, "it comes and goes");
        assert_eq!(handshakes.failed(plain(), at(119)), Told::New);
    }
}
