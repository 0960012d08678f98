//! Deadlines by the thousand: a hashed timing wheel (Varghese and Lauck, 1987), lazily moved.
//!
//! A connection sets a deadline for each wait, and nearly none is ever reached. Setting one is a
//! store: an timer moves on the wheel only when its old place comes by, or when the new deadline
//! is earlier than its place. One wheel belongs to one worker.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How often the wheel turns, and so how late an timer may be.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// Enough for a minute; a later deadline is looked at once a turn.
const SLOTS: usize = 1200;
const NONE: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

/// Ticks since the wheel began.
type Tick = u64;

/// One worker's deadlines.
#[derive(Clone)]
pub(crate) struct Wheel(Rc<Inner>);

struct Inner {
    now: Cell<Tick>,
    /// The same as time since the wheel began: it is asked for several times by each request.
    time: Cell<Duration>,
    table: RefCell<Table>,
}

struct Table {
    heads: Box<[u32]>,
    entries: slab::Slab<Entry>,
}

struct Entry {
    deadline: Tick,
    /// The tick at which the wheel looks at it; `NEVER` while it is on no list.
    place: Tick,
    previous: u32,
    next: u32,
    waker: Option<Waker>,
}

/// One deadline that can be set again and again. Taken off the wheel when dropped.
pub(crate) struct Timer {
    wheel: Wheel,
    key: u32,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let heads = vec![NONE; SLOTS].into_boxed_slice();
        let table = RefCell::new(Table { heads, entries: slab::Slab::new() });
        Self(Rc::new(Inner { now: Cell::new(0), time: Cell::new(Duration::ZERO), table }))
    }

    /// An timer that is not set.
    pub(crate) fn timer(&self) -> Timer {
        let entry =
            Entry { deadline: NEVER, place: NEVER, previous: NONE, next: NONE, waker: None };
        let key = self.0.table.borrow_mut().entries.insert(entry) as u32;
        Timer { wheel: self.clone(), key }
    }

    /// Time since the wheel began, to the tick.
    pub(crate) fn now(&self) -> Duration {
        self.0.time.get()
    }

    /// Turns the wheel by one tick and wakes those whose deadline has come.
    pub(crate) fn turn(&self) {
        let now = self.0.now.get() + 1;
        self.0.now.set(now);
        self.0.time.set(TICK * now as u32);
        let woken = self.0.table.borrow_mut().expire(now);
        // Outside the borrow: waking may run code that sets alarms.
        woken.into_iter().for_each(Waker::wake);
    }

    /// Wakes everyone who waits with an timer, so that each looks at what has changed.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<_> = self
            .0
            .table
            .borrow()
            .entries
            .iter()
            .filter_map(|(_, entry)| entry.waker.clone())
            .collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Table {
    fn expire(&mut self, now: Tick) -> Vec<Waker> {
        let mut woken = Vec::new();
        let mut key = std::mem::replace(&mut self.heads[now as usize % SLOTS], NONE);
        while key != NONE {
            let entry = &mut self.entries[key as usize];
            let next = entry.next;
            entry.place = NEVER;
            if entry.deadline <= now {
                woken.extend(entry.waker.take());
            } else if entry.deadline != NEVER {
                self.link(key, now);
            }
            key = next;
        }
        woken
    }

    /// Puts an entry that is on no list where its deadline will be looked at.
    fn link(&mut self, key: u32, now: Tick) {
        let place = self.entries[key as usize].deadline.min(now + SLOTS as u64 - 1).max(now + 1);
        let head = &mut self.heads[place as usize % SLOTS];
        let next = std::mem::replace(head, key);
        if next != NONE {
            self.entries[next as usize].previous = key;
        }
        let entry = &mut self.entries[key as usize];
        (entry.place, entry.previous, entry.next) = (place, NONE, next);
    }

    fn unlink(&mut self, key: u32) {
        let entry = &mut self.entries[key as usize];
        let (place, previous, next) = (entry.place, entry.previous, entry.next);
        entry.place = NEVER;
        if place == NEVER {
            return;
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        match previous {
            NONE => self.heads[place as usize % SLOTS] = next,
            previous => self.entries[previous as usize].next = next,
        }
    }
}

impl Timer {
    /// Sets the deadline to `after` from now. Rounded up, so that it never rings early.
    pub(crate) fn set(&self, after: Duration) {
        let now = self.wheel.0.now.get();
        let mut table = self.wheel.0.table.borrow_mut();
        let entry = &mut table.entries[self.key as usize];
        entry.deadline = now + ticks(after);
        if entry.place > entry.deadline {
            table.unlink(self.key);
            table.link(self.key, now);
        }
    }

    /// Brings the deadline forward to `after` from now, unless it is earlier already.
    pub(crate) fn advance(&self, after: Duration) {
        let table = self.wheel.0.table.borrow();
        let deadline = table.entries[self.key as usize].deadline;
        drop(table);
        if deadline > self.wheel.0.now.get() + ticks(after) {
            self.set(after);
        }
    }

    /// Takes the deadline away.
    pub(crate) fn clear(&self) {
        self.wheel.0.table.borrow_mut().entries[self.key as usize].deadline = NEVER;
    }

    /// Ready once the deadline has come; until then the task is woken when it does, and by
    /// [`Wheel::wake_all`].
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut table = self.wheel.0.table.borrow_mut();
        let entry = &mut table.entries[self.key as usize];
        if entry.deadline <= self.wheel.0.now.get() {
            return Poll::Ready(());
        }
        if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            entry.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Runs `poll` until it is ready, or `None` once `after` has passed.
    pub(crate) async fn within<T>(
        &self,
        after: Duration,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        self.set(after);
        let outcome = poll_fn(|cx| match poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => self.poll(cx).map(|()| None),
        });
        let outcome = outcome.await;
        self.clear();
        outcome
    }
}

/// Rounded up, and one for the part of a tick that has passed.
fn ticks(after: Duration) -> Tick {
    (after.as_millis() as u64).div_ceil(TICK.as_millis() as u64) + 1
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut table = self.wheel.0.table.borrow_mut();
        table.unlink(self.key);
        table.entries.remove(self.key as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn rings_after(timer: &Timer, wheel: &Wheel, limit: u32) -> Option<u32> {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        for turns in 0..limit {
            if timer.poll(&mut cx).is_ready() {
                assert_eq!(count.0.load(Ordering::Relaxed), 1, "woken exactly once");
                return Some(turns);
            }
            wheel.turn();
        }
        None
    }

    #[test]
    fn rings_never_early_and_at_most_a_tick_late() {
        let wheel = Wheel::new();
        for millis in [1, 49, 50, 51, 999, 59_950, 60_000, 200_000] {
            let timer = wheel.timer();
            timer.set(Duration::from_millis(millis));
            let turns = rings_after(&timer, &wheel, 5000).unwrap();
            let least = (millis as u32).div_ceil(50);
            assert!((least..=least + 1).contains(&turns), "{millis} ms: {turns} turns");
        }
    }

    #[test]
    fn a_deadline_moved_later_rings_once_and_one_moved_earlier_rings_early() {
        let wheel = Wheel::new();
        let timer = wheel.timer();
        timer.set(Duration::from_secs(1));
        timer.set(Duration::from_secs(5));
        assert!((100..=101).contains(&rings_after(&timer, &wheel, 5000).unwrap()));
        timer.set(Duration::from_secs(75));
        timer.set(Duration::from_millis(100));
        assert!((2..=3).contains(&rings_after(&timer, &wheel, 5000).unwrap()));
    }

    #[test]
    fn a_deadline_is_brought_forward_and_never_put_off() {
        let wheel = Wheel::new();
        let timer = wheel.timer();
        timer.set(Duration::from_secs(5));
        timer.advance(Duration::from_secs(1));
        wheel.turn();
        timer.advance(Duration::from_secs(1));
        assert!((19..=20).contains(&rings_after(&timer, &wheel, 5000).unwrap()));
    }

    #[test]
    fn dropped_and_cleared_alarms_do_not_ring_and_leave_nothing() {
        let wheel = Wheel::new();
        let alarms: Vec<_> = (0..100).map(|_| wheel.timer()).collect();
        for (n, timer) in alarms.iter().enumerate() {
            timer.set(Duration::from_millis(n as u64 % 7 * 50));
        }
        let cleared = wheel.timer();
        cleared.set(Duration::from_millis(50));
        cleared.clear();
        drop(alarms);
        assert_eq!(wheel.0.table.borrow().entries.len(), 1);
        assert_eq!(rings_after(&cleared, &wheel, 3000), None);
    }
}
