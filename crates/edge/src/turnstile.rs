//! Lets requests begin in small groups, so that a worker with much to do finishes what has begun
//! before it begins what is new.
//!
//! When a thousand clients are ready at once, reading all of them first means that each request's
//! next step comes after a thousand others, and its sockets have left the processor's caches. So
//! only [`GROUP`] begin at a time; between two groups the kernel is asked what else is ready, and
//! that has its turn. Nobody waits while there is nothing to do, and all have their turn in order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

/// Requests that begin between two looks at what else is ready.
const GROUP: u32 = 32;

/// One worker's turnstile.
#[derive(Default)]
pub(crate) struct Turnstile {
    /// Those of this group that have entered.
    entered: Cell<u32>,
    waiting: RefCell<VecDeque<Waker>>,
    someone_waits: Notify,
}

impl Turnstile {
    /// Ready when a request may begin. `has_waited` is the request's own, and false at first.
    #[inline]
    pub(crate) fn poll_enter(&self, cx: &mut Context<'_>, has_waited: &mut bool) -> Poll<()> {
        let entered = self.entered.get();
        if *has_waited || (entered < GROUP && self.waiting.borrow().is_empty()) {
            self.entered.set(entered + 1);
            return Poll::Ready(());
        }
        *has_waited = true;
        self.waiting.borrow_mut().push_back(cx.waker().clone());
        self.someone_waits.notify_one();
        Poll::Pending
    }

    /// Lets one group in after the other, for ever.
    pub(crate) async fn turn(&self) {
        loop {
            self.someone_waits.notified().await;
            while !self.waiting.borrow().is_empty() {
                // The runtime looks at what else is ready, and that runs first.
                tokio::task::yield_now().await;
                self.entered.set(0);
                let mut waiting = self.waiting.borrow_mut();
                let group = waiting.len().min(GROUP as usize);
                waiting.drain(..group).for_each(Waker::wake);
            }
        }
    }
}
