//! How many clients may follow events at once: each keeps a seat for as long as it likes, and commands need seats, too.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::guard::Caller;

/// Clients that follow events at once, on the socket and on TCP each: a quarter of the seats of a listener.
pub(crate) const FOLLOWERS_MAX: usize = 64;

/// The places of clients that follow events.
#[derive(Clone)]
pub(crate) struct Followers {
    socket: Arc<Semaphore>,
    tcp: Arc<Semaphore>,
}

impl Default for Followers {
    fn default() -> Self {
        let places = || Arc::new(Semaphore::new(FOLLOWERS_MAX));
        Self { socket: places(), tcp: places() }
    }
}

impl Followers {
    /// A place for `caller`, held until it is dropped; `None` when all are taken.
    pub(crate) fn take(&self, caller: &Caller) -> Option<OwnedSemaphorePermit> {
        let places = if caller.address.is_none() { &self.socket } else { &self.tcp };
        places.clone().try_acquire_owned().ok()
    }
}
