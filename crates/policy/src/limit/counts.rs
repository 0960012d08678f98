//! Counts in a set of slots that threads share. Model-checked in `tests/limit_loom.rs`.
//!
//! A count may stand in more than one way of its set, where threads have brought a new key at the same time: what holds is
//! the sum. Each adds its own first and then counts, and withdraws where that is too many: of those that were let in, the
//! last has counted all others. So never are more in use than may be. That one is refused because of another that is refused,
//! too, is possible for a moment, so it counts again some times.

use super::set::{Slot, find};
use crate::atomic::{Ordering, Word, fence, pack, tag_of, value_of};

/// How often one tries again that was too much because others were there which may leave at once.
const ATTEMPTS: usize = 4;

/// Lets one more in, unless there are `most`, or nothing is free. Gives its way, and how many there are with it.
pub(crate) fn enter(slots: &[Slot], tag: u64, most: u64) -> Option<(usize, u64)> {
    for _ in 0..ATTEMPTS {
        if count(slots, tag) >= most {
            return None;
        }
        let way = add(slots, tag)?;
        // Of two that count after they have added, one sees the other.
        fence(Ordering::SeqCst);
        let all = count(slots, tag);
        if all <= most {
            return Some((way, all));
        }
        leave(&slots[way]);
    }
    None
}

/// Adds one, where the key stands already or else where nothing is in use.
fn add(slots: &[Slot], tag: u64) -> Option<usize> {
    loop {
        let way = find(slots, tag);
        // It is the least, so all are in use.
        if !way.is_own && value_of(way.word) > 0 {
            return None;
        }
        if slots[way.place].replace(way.word, pack(tag, way.value() + 1)) {
            return Some(way.place);
        }
    }
}

/// How many are in.
pub(crate) fn count(slots: &[Slot], tag: u64) -> u64 {
    let own = |word: &Word| tag_of(*word) == tag;
    slots.iter().map(Slot::load).filter(own).map(value_of).sum()
}

/// One that was let in leaves.
pub(crate) fn leave(slot: &Slot) {
    loop {
        let word = slot.load();
        // Its tag stays as long as anything is in use, so this is its holder's.
        if slot.replace(word, pack(tag_of(word), value_of(word).saturating_sub(1))) {
            return;
        }
    }
}
