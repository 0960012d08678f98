//! The fetches of one kind of input that are under way: one at a time for each key, and no more at once than its
//! source is meant to bear. Configurations that are being prepared and the tasks of the feed ask here alike.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Fetch, Outcome};

/// Held by the one that fetches a key.
type Turn = tokio::sync::Mutex<()>;

/// What is fetched by, and what is being fetched.
pub(crate) struct Fetches<F: Fetch> {
    fetch: F,
    slots: Semaphore,
    turns: Mutex<BTreeMap<F::Key, Weak<Turn>>>,
}

impl<F: Fetch> Fetches<F> {
    pub(crate) fn new(fetch: F) -> Self {
        let slots = Semaphore::new(F::TIMES.at_once);
        Self { fetch, slots, turns: Mutex::default() }
    }

    /// Fetches `key`, once nobody else does, within `limit`: waiting for others included.
    pub(super) async fn fetch(&self, key: &F::Key, limit: Duration) -> Outcome<F> {
        let fetch = async {
            let turn = self.turn(key);
            let _turn = turn.lock().await;
            let _slot = self.slots.acquire().await;
            self.fetch.fetch(key).await
        };
        tokio::time::timeout(limit, fetch).await.unwrap_or_else(|_| Err(F::too_slow(limit)))
    }

    /// What an earlier run has left of `key`.
    pub(super) fn kept(&self, key: &F::Key) -> Option<F::Value> {
        self.fetch.kept(key)
    }

    /// Whose turn it is with `key`. Turns that nobody waits for are forgotten by the next that is new.
    fn turn(&self, key: &F::Key) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::default());
        turns.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}
