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

/// Requests that begin between two looks at what else is ready. One that has to wait for its group costs some 600
/// instructions more; with a thousand clients no other size from 32 on showed beyond the noise.
const GROUP: u32 = 64;

/// One worker's turnstile.
#[derive(Default)]
pub(crate) struct Turnstile {
    /// Those of this group that have entered, and have not ended since.
    entered: Cell<u32>,
    waiting: RefCell<VecDeque<Waker>>,
    someone_waits: Notify,
    /// Groups that had to wait and were let in.
    groups: Cell<u64>,
}

/// Where a request stands. It is the request's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It has not asked.
    #[default]
    Outside,
    /// It is woken when it may enter.
    Waits,
    /// It has begun.
    Entered,
}

impl Turnstile {
    /// Ready when a request may begin.
    #[inline]
    pub(crate) fn poll_enter(&self, cx: &mut Context<'_>, turn: &mut Turn) -> Poll<()> {
        let entered = self.entered.get();
        let may_enter =
            *turn == Turn::Waits || (entered < GROUP && self.waiting.borrow().is_empty());
        if may_enter {
            self.entered.set(entered + 1);
            *turn = Turn::Entered;
            return Poll::Ready(());
        }
        *turn = Turn::Waits;
        self.waiting.borrow_mut().push_back(cx.waker().clone());
        self.someone_waits.notify_one();
        Poll::Pending
    }

    /// A request has ended, if it had entered: another may in its place.
    #[inline]
    pub(crate) fn leave(&self, turn: &mut Turn) {
        if std::mem::take(turn) == Turn::Entered {
            // Its group may be over long since.
            self.entered.set(self.entered.get().saturating_sub(1));
        }
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
                self.groups.set(self.groups.get().wrapping_add(1));
            }
        }
    }

    /// How many groups had to wait until what had begun before them had its turn.
    pub(crate) fn groups(&self) -> u64 {
        self.groups.get()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::rc::Rc;

    use super::*;

    /// What requests did.
    #[derive(Default)]
    struct Seen {
        begun: Cell<usize>,
        ended: Cell<usize>,
        /// The most that had begun and not ended.
        most: Cell<usize>,
        order: RefCell<Vec<usize>>,
    }

    /// A request that enters, and has its next step after all that is ready now.
    async fn request(number: usize, turnstile: Rc<Turnstile>, seen: Rc<Seen>) {
        let mut turn = Turn::default();
        poll_fn(|cx| turnstile.poll_enter(cx, &mut turn)).await;
        seen.order.borrow_mut().push(number);
        seen.begun.set(seen.begun.get() + 1);
        seen.most.set(seen.most.get().max(seen.begun.get() - seen.ended.get()));
        tokio::task::yield_now().await;
        seen.ended.set(seen.ended.get() + 1);
        turnstile.leave(&mut turn);
    }

    /// Has so many requests begin at once.
    fn run(count: usize) -> (Rc<Seen>, u64) {
        let builder = &mut tokio::runtime::Builder::new_current_thread();
        let runtime = builder.build_local(tokio::runtime::LocalOptions::default()).unwrap();
        let (turnstile, seen) = (Rc::<Turnstile>::default(), Rc::<Seen>::default());
        runtime.block_on(async {
            let turned = turnstile.clone();
            let turning = tokio::task::spawn_local(async move { turned.turn().await });
            let requests: Vec<_> = (0..count)
                .map(|n| tokio::task::spawn_local(request(n, turnstile.clone(), seen.clone())))
                .collect();
            for request in requests {
                request.await.unwrap();
            }
            turning.abort();
        });
        (seen, turnstile.groups())
    }

    #[test]
    fn what_has_begun_ends_before_more_than_two_groups_have_begun() {
        let (seen, groups) = run(1000);
        assert_eq!(seen.ended.get(), 1000);
        assert!(seen.most.get() <= 2 * GROUP as usize, "{} at once", seen.most.get());
        assert!(groups >= 1000 / u64::from(GROUP) - 1, "{groups} groups");
    }

    #[test]
    fn all_have_their_turn_in_their_order() {
        let (seen, _) = run(1000);
        assert!(seen.order.borrow().is_sorted(), "{:?}", seen.order.borrow());
    }

    #[test]
    fn one_that_has_ended_leaves_its_place_to_another() {
        let turnstile = Turnstile::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut turns = [Turn::default(); 2 * GROUP as usize];
        let (first, second) = turns.split_at_mut(GROUP as usize);
        for turn in &mut *first {
            assert!(turnstile.poll_enter(&mut cx, turn).is_ready());
        }
        for (before, turn) in first.iter_mut().zip(second) {
            turnstile.leave(before);
            assert!(turnstile.poll_enter(&mut cx, turn).is_ready());
        }
        assert!(turnstile.poll_enter(&mut cx, &mut first[0]).is_pending(), "all places are taken");
        let mut outside = Turn::default();
        turnstile.leave(&mut outside);
        assert!(turnstile.poll_enter(&mut cx, &mut outside).is_pending(), "it had none to leave");
    }

    #[test]
    fn a_group_that_is_not_full_waits_for_nobody() {
        let (seen, groups) = run(GROUP as usize);
        assert_eq!((seen.ended.get(), groups), (GROUP as usize, 0));
    }
}
