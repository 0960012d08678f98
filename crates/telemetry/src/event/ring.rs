//! Where events go: into the log, and into a ring of bounded size from which each follower reads at its own pace.
//!
//! A number is given, the line written and the event kept under one lock, so that the order of numbers is the order
//! of the log. Nothing is kept for a follower but its place: what it is too slow for is gone, and it is told how much.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use super::{Event, Followed, Follower, Gap};

/// How many events are kept at most.
pub const EVENTS_MAX: usize = 1024;
/// How many bytes of text the events that are kept have at most; the latest is kept whatever it has.
pub const EVENTS_BYTES_MAX: usize = 1 << 20;

/// An event as it was recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its number.
    pub id: EventId,
    /// When it happened.
    pub at: SystemTime,
    /// What happened.
    pub event: Event,
}

/// An event's number, which tells also of which start of Plimsoll it is: another start counts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The start, by its time in milliseconds since 1970.
    pub start: u64,
    /// The first event has 1. 0 stands for the time before it.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.start, self.number)
    }
}

/// A text that is no event's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an event")]
pub struct NotAnId;

impl FromStr for EventId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (start, number) = text.split_once('-').ok_or(NotAnId)?;
        let start = u64::from_str_radix(start, 16).map_err(|_| NotAnId)?;
        Ok(Self { start, number: number.parse().map_err(|_| NotAnId)? })
    }
}

/// Takes events. Cheap to clone.
#[derive(Clone)]
pub struct Events(Arc<Shared>);

struct Shared {
    start: u64,
    ring: Mutex<Ring>,
    /// Wakes followers; what has happened stands in the ring.
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Ring {
    kept: VecDeque<Arc<Recorded>>,
    bytes: usize,
    /// The number of the latest.
    last: u64,
    is_closed: bool,
}

/// What a follower finds.
pub(super) enum Next {
    Is(Followed),
    /// Nothing has happened since.
    ToCome,
    /// Nor will anything.
    End,
}

/// Ends what follows when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Close(Events);

impl Drop for Close {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.0.news.send_replace(());
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new(SystemTime::now())
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("last", &self.last()).finish_non_exhaustive()
    }
}

impl Events {
    /// None yet, of a Plimsoll that started at `start`.
    pub fn new(start: SystemTime) -> Self {
        // A clock so wrong that it stands before 1970 tells one start from no other.
        let since = start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let start = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self(Arc::new(Shared { start, ring: Mutex::default(), news: watch::Sender::default() }))
    }

    /// Writes the event's line into the log, and tells all that follow.
    pub fn emit(&self, event: impl Into<Event>) {
        let event = event.into();
        let bytes = event.text_bytes();
        let mut ring = self.lock();
        event.log();
        if ring.is_closed {
            return;
        }
        ring.last += 1;
        let id = self.id(ring.last);
        ring.kept.push_back(Arc::new(Recorded { id, at: SystemTime::now(), event }));
        ring.bytes += bytes;
        while ring.kept.len() > EVENTS_MAX || (ring.bytes > EVENTS_BYTES_MAX && ring.kept.len() > 1)
        {
            let gone = ring.kept.pop_front().map_or(0, |gone| gone.event.text_bytes());
            ring.bytes -= gone;
        }
        drop(ring);
        self.0.news.send_replace(());
    }

    /// All that is kept, in order.
    pub fn recent(&self) -> Vec<Arc<Recorded>> {
        self.lock().kept.iter().cloned().collect()
    }

    /// The latest; its number is 0 where there was none.
    pub fn last(&self) -> EventId {
        let last = self.lock().last;
        self.id(last)
    }

    /// Follows what happens after the event `after`; from now on where that is `None`.
    pub fn follow(&self, after: Option<EventId>) -> Follower {
        let start = match after {
            None => Ok(self.last().number),
            // An event that did not happen yet was none of this start, whatever its id says.
            Some(after) if after.start == self.0.start && after.number <= self.last().number => {
                Ok(after.number)
            }
            Some(_) => Err(Gap { missed: None }),
        };
        Follower::new(self.clone(), self.0.news.subscribe(), start)
    }

    /// When what this gives is dropped, all that follow have come to the end, and what is emitted later reaches the
    /// log alone.
    pub fn close_on_drop(&self) -> Close {
        Close(self.clone())
    }

    /// What comes after the number `seen`.
    pub(super) fn next_after(&self, seen: u64) -> Next {
        let ring = self.lock();
        let first = ring.kept.front().map_or(1, |first| first.id.number);
        let next = seen + 1;
        if next < first {
            return Next::Is(Followed::Gap(Gap { missed: Some(first - next) }));
        }
        let index = usize::try_from(next - first).unwrap_or(usize::MAX);
        match ring.kept.get(index) {
            Some(recorded) => Next::Is(Followed::Event(recorded.clone())),
            None if ring.is_closed => Next::End,
            None => Next::ToCome,
        }
    }

    fn id(&self, number: u64) -> EventId {
        EventId { start: self.0.start, number }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // What a panicking thread left behind has a number too few at most.
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
