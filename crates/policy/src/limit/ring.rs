//! What one thread tells another without ever waiting for it: a ring of entries with one writer and one reader. Model-checked in
//! `tests/limit_loom.rs`.
//!
//! A worker writes here what it takes of buckets that edges share; what settles them reads it. Where the reader is late and the ring
//! is full, an entry is lost and counted: a worker waits for nothing.

use crate::atomic::{AtomicU64, Ordering};

/// An entry, as it is written.
pub(crate) type Words = [u64; 4];

/// A ring of entries. Exactly one thread may [`push`](Self::push), and one at a time [`drain`](Self::drain): more would mix
/// their entries up.
#[derive(Debug)]
pub(crate) struct Ring {
    /// As many as a power of two.
    slots: Box<[[AtomicU64; 4]]>,
    /// How many were ever written.
    written: Cursor,
    /// How many were ever read.
    read: Cursor,
    /// How many found no room.
    lost: AtomicU64,
}

/// On a cache line of its own, and on none that is fetched with another's: the writer and the reader are on two cores.
#[derive(Debug)]
#[repr(align(128))]
struct Cursor(AtomicU64);

impl Ring {
    /// With room for `entries`, at 32 bytes each; rounded up to a power of two.
    pub(crate) fn new(entries: usize) -> Self {
        let slot = |_| std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            slots: (0..entries.next_power_of_two()).map(slot).collect(),
            written: Cursor(AtomicU64::new(0)),
            read: Cursor(AtomicU64::new(0)),
            lost: AtomicU64::new(0),
        }
    }

    /// Writes an entry, if there is room.
    #[inline]
    pub(crate) fn push(&self, words: Words) {
        let written = self.written.0.load(Ordering::Relaxed);
        // What was read may be written over.
        let read = self.read.0.load(Ordering::Acquire);
        if written - read >= self.slots.len() as u64 {
            self.lost.store(self.lost.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            return;
        }
        let slot = &self.slots[written as usize & (self.slots.len() - 1)];
        for (place, word) in slot.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        self.written.0.store(written + 1, Ordering::Release);
    }

    /// Reads what was written by now, in order.
    pub(crate) fn drain(&self, mut each: impl FnMut(Words)) {
        let read = self.read.0.load(Ordering::Relaxed);
        let written = self.written.0.load(Ordering::Acquire);
        for at in read..written {
            let slot = &self.slots[at as usize & (self.slots.len() - 1)];
            each(std::array::from_fn(|place| slot[place].load(Ordering::Relaxed)));
        }
        self.read.0.store(written, Ordering::Release);
    }

    /// How many entries were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
