//! Where requests of one service wait while all its instances are full: first come, first served,
//! over all workers.
//!
//! This is the one lock on a request's way, and only a request that has to wait anyway, or one
//! that ends while others wait, ever takes it; it is held for a few instructions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The requests of one service that wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: AtomicUsize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    next_ticket: u64,
    /// The requests that wait, by ticket: one that leaves, from wherever in the line, is found at once.
    places: BTreeMap<u64, Option<Waker>>,
}

impl Line {
    fn first(&self) -> Option<u64> {
        self.places.first_key_value().map(|(ticket, _)| *ticket)
    }
}

/// A place in the queue, given up when dropped.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    queue: &'a Queue,
    number: u64,
}

impl Queue {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Takes the last place, unless `length` wait already.
    pub(crate) fn join(&self, length: usize) -> Option<Ticket<'_>> {
        let mut line = self.line();
        if line.places.len() >= length {
            return None;
        }
        let number = line.next_ticket;
        line.next_ticket += 1;
        line.places.insert(number, None);
        self.waiting.store(line.places.len(), Ordering::SeqCst);
        Some(Ticket { queue: self, number })
    }

    /// Says that room may have come up.
    #[inline]
    pub(crate) fn wake_first(&self) {
        // Ordered after the caller freed its slot: whoever joins later sees that slot itself.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let waker = self.line().places.first_key_value().and_then(|(_, waker)| waker.clone());
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket<'_> {
    /// Ready when this is the first in line and `claim` finds room.
    pub(crate) fn poll_turn<T>(
        &self,
        cx: &mut Context<'_>,
        claim: impl FnOnce() -> Option<T>,
    ) -> Poll<T> {
        // Known as waiting before it looks: room that comes up in between wakes it.
        {
            let mut line = self.queue.line();
            let is_first = line.first() == Some(self.number);
            if let Some(waker) = line.places.get_mut(&self.number) {
                *waker = Some(cx.waker().clone());
            }
            if !is_first {
                return Poll::Pending;
            }
        }
        claim().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        let was_first = line.first() == Some(self.number);
        line.places.remove(&self.number);
        self.queue.waiting.store(line.places.len(), Ordering::SeqCst);
        drop(line);
        if was_first {
            self.queue.wake_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(ticket: &Ticket<'_>, room: bool) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        ticket.poll_turn(&mut cx, || room.then_some(())).is_ready()
    }

    #[test]
    fn only_the_first_in_line_gets_room() {
        let queue = Queue::default();
        let (first, second) = (queue.join(9).unwrap(), queue.join(9).unwrap());
        assert!(!turn(&second, true));
        assert!(!turn(&first, false));
        assert!(turn(&first, true));
        drop(first);
        assert!(turn(&second, true));
    }

    /// With a walk of the line for each of them this takes minutes; the deadline is some hundred
    /// times what it needs.
    #[test]
    fn a_hundred_thousand_come_look_and_leave_from_anywhere() {
        let begun = std::time::Instant::now();
        let queue = Queue::default();
        let mut line: Vec<_> = (0..100_000).map(|_| queue.join(100_000).unwrap()).collect();
        assert!(queue.join(100_000).is_none());
        line.iter().skip(1).for_each(|ticket| assert!(!turn(ticket, true)));
        fastrand::Rng::with_seed(1).shuffle(&mut line);
        line.truncate(1);
        assert!(turn(&line[0], true), "all before it have left");
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn one_that_leaves_is_taken_out() {
        let queue = Queue::default();
        let (first, second) = (queue.join(2).unwrap(), queue.join(2).unwrap());
        assert!(queue.join(2).is_none());
        drop(first);
        assert_eq!(queue.len(), 1);
        assert!(turn(&second, true));
    }
}
