//! What is observed of a listener, and how many connections each of its clients has there, over all workers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::peer::ClientKey;

/// What is observed of one listener.
#[derive(Debug, Default)]
pub struct ListenerLive {
    /// Open connections over all workers.
    pub open: AtomicUsize,
    /// Connections accepted since the start.
    pub accepted: AtomicU64,
    /// How often accepting had to wait, for want of descriptors or for the limit of connections.
    pub waits: AtomicU64,
    /// TLS handshakes that failed.
    pub handshakes_failed: AtomicU64,
    /// Connections that were closed at once, since their client had as many as it may.
    pub refused: AtomicU64,
    /// How many each client has.
    pub(crate) crowd: Crowd,
    /// Workers that have to let somebody in and have no idle connection that could make room.
    wishes: AtomicUsize,
}

impl ListenerLive {
    /// Another worker is to close the connection here that has been idle for longest. At most one
    /// wish of each is open, for each is looked at by all.
    pub(crate) fn wishes_room(&self) {
        self.wishes.store(1, Ordering::Relaxed);
    }

    /// Takes a wish that is open.
    pub(crate) fn takes_wish(&self) -> bool {
        self.wishes.load(Ordering::Relaxed) > 0 && self.wishes.swap(0, Ordering::Relaxed) > 0
    }
}

/// How many connections each client has at one listener, over all workers.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<FxHashMap<ClientKey, usize>>);

impl Crowd {
    /// Counts one more connection of `client`, unless it has `most` already.
    pub(crate) fn enter(&self, client: ClientKey, most: usize) -> bool {
        let mut crowd = self.counts();
        let count = crowd.entry(client).or_default();
        let may_enter = *count < most;
        if may_enter {
            *count += 1;
        }
        may_enter
    }

    /// One of its connections is gone.
    pub(crate) fn leave(&self, client: ClientKey) {
        let mut crowd = self.counts();
        if let Some(count) = crowd.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                crowd.remove(&client);
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, FxHashMap<ClientKey, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ClientKey {
        ClientKey::of(text.parse().unwrap())
    }

    #[test]
    fn no_more_connections_than_its_own_are_let_in() {
        let crowd = Crowd::default();
        let (one, other) = (key("192.0.2.1"), key("192.0.2.2"));
        assert!(crowd.enter(one, 2) && crowd.enter(one, 2));
        assert!(!crowd.enter(one, 2));
        assert!(crowd.enter(other, 2), "another is let in");
        crowd.leave(one);
        assert!(crowd.enter(one, 2));
        [one, one, other].into_iter().for_each(|client| crowd.leave(client));
        assert!(crowd.counts().is_empty());
    }
}
