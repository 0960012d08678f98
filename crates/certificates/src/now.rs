//! What time it is.

use std::time::{Duration, SystemTime};

/// A moment, by two clocks. Certificates end by the wall's; what is tried again waits by the one that only goes forward, so that a
/// clock that is set neither makes orders hurry nor stops them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// By the clock that certificates go by, which can be set.
    pub wall: SystemTime,
    /// Since some moment that stays the same; never goes back.
    pub elapsed: Duration,
}
