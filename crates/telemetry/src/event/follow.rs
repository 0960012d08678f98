//! Following what happens: a place in the ring, and a word of what was missed.

use std::sync::Arc;

use tokio::sync::watch;

use super::ring::Next;
use super::{Events, Recorded};

/// Reads events, in order, at its own pace.
#[derive(Debug)]
pub struct Follower {
    events: Events,
    news: watch::Receiver<()>,
    /// The number of the last event that was read.
    seen: u64,
    /// What is told first.
    gap: Option<Gap>,
}

/// What a follower reads.
#[derive(Clone, Debug)]
pub enum Followed {
    /// The next event.
    Event(Arc<Recorded>),
    /// Events before the next one are not kept any more.
    Gap(Gap),
}

/// Events that a follower did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many; `None` where it followed another start of Plimsoll.
    pub missed: Option<u64>,
}

impl Follower {
    /// From the number `start` on, or from the first that is kept, with a gap.
    pub(super) fn new(events: Events, news: watch::Receiver<()>, start: Result<u64, Gap>) -> Self {
        let (seen, gap) = match start {
            Ok(seen) => (seen, None),
            // Of the start before it, nothing is known; of this one, what is kept.
            Err(gap) => (0, Some(gap)),
        };
        Self { events, news, seen, gap }
    }

    /// Waits for what comes next. `None` at the end: Plimsoll stops.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Followed> {
        if let Some(gap) = self.gap.take() {
            return Some(Followed::Gap(gap));
        }
        loop {
            // What happens between the look and the wait wakes at once.
            self.news.mark_unchanged();
            match self.events.next_after(self.seen) {
                Next::Is(next) => {
                    self.seen = match &next {
                        Followed::Event(recorded) => recorded.id.number,
                        Followed::Gap(gap) => self.seen + gap.missed.unwrap_or_default(),
                    };
                    return Some(next);
                }
                Next::End => return None,
                // Its sender is ours too, and so does not end before this.
                Next::ToCome => self.news.changed().await.ok()?,
            }
        }
    }
}
