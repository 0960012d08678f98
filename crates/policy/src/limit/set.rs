//! A set of slots that threads share without a lock: what a key was changed to last is seen by all, and nothing that was
//! added is lost. Model-checked in `tests/limit_loom.rs`.
//!
//! A slot is one word, a key's tag with a number, and changes as a whole. A key stands in the way that has its tag; where none has,
//! it takes the way with the *least* number, the first of several. As numbers only grow, threads that bring the same new key find
//! the same way, or one of them fails and finds the other's: a key never stands in two ways while the set has room for it.
//! Where it has none, because the buckets of all ways are in use, the one that is nearest to full is lost, and its
//! key finds a full one when it comes again.

use crate::atomic::{AtomicWord, Ordering, Word, pack, tag_of, value_of};

/// Slots of a set: two cache lines.
pub(crate) const WAYS: usize = 8;

/// A key's tag and its number; both are 0 where no key has ever been.
#[derive(Debug, Default)]
pub(crate) struct Slot(AtomicWord);

/// Where a key stands, or would.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) place: usize,
    pub(crate) word: Word,
    /// Whether the key stands there already.
    pub(crate) is_own: bool,
}

impl Way {
    /// The key's number; 0 where it has none.
    #[inline]
    pub(crate) fn value(self) -> u64 {
        if self.is_own { value_of(self.word) } else { 0 }
    }
}

/// Where `tag` stands among `slots`, or would.
#[inline]
pub(crate) fn find(slots: &[Slot], tag: u64) -> Way {
    let mut least = Way { place: 0, word: slots[0].load(), is_own: false };
    if tag_of(least.word) == tag {
        return Way { is_own: true, ..least };
    }
    for (place, slot) in slots.iter().enumerate().skip(1) {
        let word = slot.load();
        if tag_of(word) == tag {
            return Way { place, word, is_own: true };
        }
        if value_of(word) < value_of(least.word) {
            least = Way { place, word, is_own: false };
        }
    }
    least
}

/// Changes the number of `tag` to what `change` makes of it; 0 is given for one that is not there. Leaves it where that
/// is `None`. Says what it was; whether it was changed is what `change` said last.
#[inline]
pub(crate) fn update(slots: &[Slot], tag: u64, change: impl Fn(u64) -> Option<u64>) -> u64 {
    loop {
        let way = find(slots, tag);
        let before = way.value();
        let Some(after) = change(before) else { return before };
        if slots[way.place].replace(way.word, pack(tag, after)) {
            return before;
        }
    }
}

impl Slot {
    #[inline]
    pub(crate) fn load(&self) -> Word {
        self.0.load(Ordering::Acquire)
    }

    /// Puts `after` in the place of `before`, if that is still there.
    #[inline]
    pub(crate) fn replace(&self, before: Word, after: Word) -> bool {
        self.0.compare_exchange(before, after, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
