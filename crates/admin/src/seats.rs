//! Who is served at the same time: bounded, and so that nobody who has shown no token can keep those out
//! who have one.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use tokio::task::{AbortHandle, JoinSet};

use crate::guard::Caller;

/// Connections that are served at once, for each listener.
pub(crate) const SEATS: usize = 256;

/// The connections that are served, the eldest first. Dropping it ends them.
#[derive(Default)]
pub(crate) struct Seats {
    taken: VecDeque<Seat>,
    tasks: JoinSet<()>,
}

struct Seat {
    caller: Caller,
    task: AbortHandle,
}

impl Seat {
    fn is_trusted(&self) -> bool {
        self.caller.is_trusted.load(Ordering::Relaxed)
    }
}

impl Seats {
    /// Whether one more can be served, perhaps in the place of another.
    pub(crate) fn has_room(&self) -> bool {
        self.taken.len() < SEATS || self.taken.iter().any(|seat| !seat.is_trusted())
    }

    /// Whether anybody is served.
    pub(crate) fn is_taken(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Serves `connection`. Where all seats are taken, the eldest of those that have shown no token has
    /// to go: one that asks a question and reads the response has long had it by then.
    pub(crate) fn take(
        &mut self,
        caller: Caller,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        if self.taken.len() >= SEATS {
            let eldest = self.taken.iter().position(|seat| !seat.is_trusted());
            if let Some(seat) = eldest.and_then(|eldest| self.taken.remove(eldest)) {
                seat.task.abort();
            }
        }
        let task = self.tasks.spawn(connection);
        self.taken.push_back(Seat { caller, task });
    }

    /// Waits until a connection has ended. Nothing is lost when this is dropped.
    pub(crate) async fn one_is_free(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return,
        };
        self.taken.retain(|seat| seat.task.id() != id);
    }

    /// Waits until no connection is left.
    pub(crate) async fn all_are_free(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn caller(is_trusted: bool) -> Caller {
        Caller { address: None, is_trusted: Arc::new(AtomicBool::new(is_trusted)) }
    }

    #[tokio::test]
    async fn the_eldest_without_a_token_makes_room() {
        let mut seats = Seats::default();
        seats.take(caller(true), pending());
        let (eldest, ended) = tokio::sync::oneshot::channel::<()>();
        seats.take(caller(false), async move {
            let _held = eldest;
            pending().await
        });
        (2..SEATS).for_each(|_| seats.take(caller(false), pending()));
        assert_eq!(seats.taken.len(), SEATS);
        assert!(seats.has_room());
        seats.take(caller(false), pending());
        assert_eq!(seats.taken.len(), SEATS);
        assert!(ended.await.is_err(), "it was ended");
        assert!(seats.taken[0].is_trusted(), "who has shown a token stays");
        seats.one_is_free().await;
        assert_eq!(seats.taken.len(), SEATS, "it had no seat any more");
    }

    #[tokio::test]
    async fn nobody_who_has_shown_a_token_makes_room() {
        let mut seats = Seats::default();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        seats.take(caller(true), async move { drop(ended.await) });
        (1..SEATS).for_each(|_| seats.take(caller(true), pending()));
        assert!(!seats.has_room());
        drop(end);
        seats.one_is_free().await;
        assert!(seats.has_room());
    }
}
