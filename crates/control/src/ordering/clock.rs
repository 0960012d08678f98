//! The clocks that orders go by, which a test may turn.

use std::time::{Duration, SystemTime};

use certificates::Now;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

/// The clocks that orders of certificates go by.
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> Now;

    /// Waits until so much time has passed, by [`Now::elapsed`].
    fn until(&self, elapsed: Duration) -> BoxFuture<'_, ()>;
}

/// The system's.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    /// One that begins now.
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { wall: SystemTime::now(), elapsed: self.0.elapsed() }
    }

    fn until(&self, elapsed: Duration) -> BoxFuture<'_, ()> {
        sleep_until(self.0 + elapsed).boxed()
    }
}
