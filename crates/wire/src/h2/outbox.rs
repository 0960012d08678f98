//! What waits in the `h2` crate to be written: bounded over all streams of a connection.
//!
//! `h2` bounds what one stream may have waiting. A client that opens all its windows and then reads
//! nothing would have that for each of its streams; here it is counted until it was written, and a
//! stream that finds the outbox full waits until there is room.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Buf;

use crate::account::Account;
use crate::buffer::FIRST_BYTES;

/// What of one connection may wait to be written, if there is memory for it.
pub const OUTBOX_BYTES: usize = 256 * 1024;
/// What may wait in any case, so that a connection goes on: [`Outbox::new`] is paid for with it.
pub const OUTBOX_BYTES_MIN: usize = FIRST_BYTES;

/// The bytes of one connection that wait to be written.
#[derive(Clone, Debug)]
pub struct Outbox(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    account: Account,
    held: Cell<usize>,
    waiting: RefCell<Vec<Waker>>,
}

impl Outbox {
    /// An empty one, whose bytes are counted in `account`.
    pub fn new(account: Account) -> Self {
        Self(Rc::new(Inner { account, held: Cell::new(0), waiting: RefCell::default() }))
    }

    /// How much more may be put into it, at least one byte; waits until there is room.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<usize> {
        match self.room() {
            0 => {
                let mut waiting = self.0.waiting.borrow_mut();
                if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
            room => Poll::Ready(room),
        }
    }

    fn room(&self) -> usize {
        let Inner { account, held, .. } = &*self.0;
        let allowed = if account.is_roomy() { OUTBOX_BYTES } else { OUTBOX_BYTES_MIN };
        allowed.saturating_sub(held.get())
    }

    /// Puts `data` into it.
    pub fn put(&self, data: &[u8]) -> Payload {
        self.0.held.set(self.0.held.get() + data.len());
        self.0.account.add(data.len());
        Payload { data: data.to_vec(), written: 0, outbox: Some(self.clone()) }
    }

    fn take(&self, bytes: usize) {
        self.0.held.set(self.0.held.get() - bytes);
        self.0.account.give(bytes);
        self.0.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// Bytes of a body on their way into a connection of HTTP/2.
#[derive(Debug, Default)]
pub struct Payload {
    data: Vec<u8>,
    written: usize,
    outbox: Option<Outbox>,
}

impl Buf for Payload {
    fn remaining(&self) -> usize {
        self.data.len() - self.written
    }

    fn chunk(&self) -> &[u8] {
        &self.data[self.written..]
    }

    fn advance(&mut self, n: usize) {
        assert!(n <= self.remaining(), "more was written than there is");
        self.written += n;
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if let Some(outbox) = self.outbox.take() {
            outbox.take(self.data.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_full_outbox_is_waited_for_until_something_was_written() {
        let outbox = Outbox::new(Account::default());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        assert_eq!(outbox.poll_room(&mut cx), Poll::Ready(OUTBOX_BYTES));
        let mut first = outbox.put(&[7; OUTBOX_BYTES - 10]);
        assert_eq!(outbox.poll_room(&mut cx), Poll::Ready(10));
        let second = outbox.put(&[7; 10]);
        assert!(outbox.poll_room(&mut cx).is_pending());
        assert!(outbox.poll_room(&mut cx).is_pending());
        first.advance(100);
        assert_eq!((first.remaining(), woken.0.load(Ordering::Relaxed)), (OUTBOX_BYTES - 110, 0));
        drop(first);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "once, however often it asked");
        drop(second);
        assert_eq!(outbox.poll_room(&mut cx), Poll::Ready(OUTBOX_BYTES));
    }

    #[test]
    fn where_memory_is_short_a_little_may_wait_all_the_same() {
        let account = Account::new(100 * 1024);
        let outbox = Outbox::new(account.clone());
        let mut cx = Context::from_waker(Waker::noop());
        let others = account.charge(60 * 1024);
        assert_eq!(outbox.poll_room(&mut cx), Poll::Ready(OUTBOX_BYTES_MIN));
        let waits = outbox.put(&[7; OUTBOX_BYTES_MIN]);
        assert!(outbox.poll_room(&mut cx).is_pending());
        drop(others);
        assert!(outbox.poll_room(&mut cx).is_ready(), "there is memory again");
        drop(waits);
        assert_eq!(account.used(), 0);
    }
}
