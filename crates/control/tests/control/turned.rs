//! The clocks that orders of certificates go by, which a test turns ahead.

use std::time::{Duration, SystemTime};

use certificates::Now;
use control::Clock;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

/// Both clocks, which a test turns ahead.
pub(crate) struct Turned {
    began: Instant,
    ahead: watch::Sender<Duration>,
}

impl Default for Turned {
    fn default() -> Self {
        Self { began: Instant::now(), ahead: watch::Sender::new(Duration::ZERO) }
    }
}

impl Turned {
    /// Turns both so far ahead.
    pub(crate) fn turn(&self, ahead: Duration) {
        self.ahead.send_replace(ahead);
    }
}

/// Without what waits for it.
impl std::fmt::Debug for Turned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turned").field("ahead", &*self.ahead.borrow()).finish_non_exhaustive()
    }
}

impl Clock for Turned {
    fn now(&self) -> Now {
        let ahead = *self.ahead.borrow();
        Now { wall: SystemTime::now() + ahead, elapsed: self.began.elapsed() + ahead }
    }

    fn until(&self, elapsed: Duration) -> BoxFuture<'_, ()> {
        let mut turned = self.ahead.subscribe();
        async move {
            loop {
                let now = self.now().elapsed;
                if now >= elapsed {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(elapsed - now) => {}
                    _ = turned.changed() => {}
                }
            }
        }
        .boxed()
    }
}
