//! What is held of memory, counted in bytes: by a worker, within it by each client, within that by
//! each connection of HTTP/2.
//!
//! An account only counts. Code that is about to hold more asks it first and, where it is spent, does
//! with less or refuses; nothing that is held already is ever taken away. One account belongs to
//! one worker, as everything that it counts does.

use std::cell::Cell;
use std::rc::Rc;

/// Bytes that are held, and how many may be.
#[derive(Clone, Debug)]
pub struct Account(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    used: Cell<usize>,
    limit: usize,
    /// What it is a part of: what is held here is held there too.
    whole: Option<Account>,
}

impl Default for Account {
    /// One without a limit.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Account {
    /// An account of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Rc::new(Inner { used: Cell::new(0), limit, whole: None }))
    }

    /// A part of this account, of at most `limit` bytes.
    pub fn part(&self, limit: usize) -> Self {
        Self(Rc::new(Inner { used: Cell::new(0), limit, whole: Some(self.clone()) }))
    }

    /// Bytes that are held.
    pub fn used(&self) -> usize {
        self.0.used.get()
    }

    /// Bytes that may be held.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Whether `bytes` more may be held, here and in all that this is a part of.
    #[inline]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.chain().all(|it| it.used.get().saturating_add(bytes) <= it.limit)
    }

    /// Whether there is so much room that what only makes things faster may be held as well: less
    /// than half is used, here and in all that this is a part of.
    #[inline]
    pub fn is_roomy(&self) -> bool {
        self.chain().all(|it| it.used.get() <= it.limit / 2)
    }

    /// Holds `bytes` until the charge is dropped; `None` where there is no room for them.
    #[inline]
    pub fn charge(&self, bytes: usize) -> Option<Charge> {
        self.has_room(bytes).then(|| self.hold(bytes))
    }

    /// Holds `bytes` until the charge is dropped, whether there is room for them or not: of what was
    /// let in already.
    pub fn hold(&self, bytes: usize) -> Charge {
        self.add(bytes);
        Charge { account: self.clone(), bytes }
    }

    /// Counts `bytes` as held, whether there is room or not. Each is given back by
    /// [`Account::give`].
    #[inline]
    pub(crate) fn add(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.chain().for_each(|it| it.used.set(it.used.get().saturating_add(bytes)));
    }

    /// Counts `bytes` as held no more.
    #[inline]
    pub(crate) fn give(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.chain().for_each(|it| {
            debug_assert!(it.used.get() >= bytes, "more is given back than was held");
            it.used.set(it.used.get().saturating_sub(bytes));
        });
    }

    fn chain(&self) -> impl Iterator<Item = &Inner> {
        std::iter::successors(Some(&*self.0), |it| it.whole.as_ref().map(|whole| &*whole.0))
    }
}

/// Bytes of an account that are held until this is dropped.
#[derive(Debug)]
pub struct Charge {
    account: Account,
    bytes: usize,
}

impl Charge {
    /// Holds `more` bytes as well. False, and nothing has changed, where there is no room.
    pub fn grow(&mut self, more: usize) -> bool {
        let has_room = self.account.has_room(more);
        if has_room {
            self.account.add(more);
            self.bytes += more;
        }
        has_room
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds `less` bytes no longer.
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.account.give(less);
        self.bytes -= less;
    }
}

impl Drop for Charge {
    #[inline]
    fn drop(&mut self) {
        self.account.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_part_holds_the_whole_holds_too() {
        let worker = Account::new(100);
        let (one, other) = (worker.part(60), worker.part(60));
        let held = one.charge(60).unwrap();
        assert!(one.charge(1).is_none(), "its own limit");
        let mut rest = other.charge(30).unwrap();
        assert!(!rest.grow(20), "the limit of both");
        assert!(rest.grow(10));
        assert_eq!((worker.used(), one.used(), other.used()), (100, 60, 40));
        drop(held);
        assert!(other.charge(20).is_some());
        rest.shrink(5);
        assert_eq!(other.used(), 35);
        drop(rest);
        assert_eq!((worker.used(), other.used()), (0, 0));
    }

    #[test]
    fn one_that_is_half_used_is_not_roomy() {
        let worker = Account::new(100);
        let part = worker.part(1000);
        let held = part.charge(50).unwrap();
        assert!(part.is_roomy());
        let more = worker.charge(1).unwrap();
        assert!(!part.is_roomy(), "of the whole more than half is used");
        drop((held, more));
        assert!(part.is_roomy());
    }
}
