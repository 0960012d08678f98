//! Credentials that were believed, so that none is looked into twice before it expires.
//!
//! For one thread. How many are kept, and how many bytes of them, is bounded; where there is no room, one goes that was
//! not asked for since the last round (second chance, Corbató 1968). Credentials are found by a hash, with a key of its own, of their
//! end, and then compared whole. A token ends with its signature, and nothing is kept that was not believed: who could make
//! two that end alike has the key that they are signed with.

use std::fmt;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::time::UnixTime;

/// What was believed, by its credential.
pub struct Cache<V> {
    hasher: DefaultHashBuilder,
    /// Places in `slots`.
    table: HashTable<usize>,
    slots: Vec<Slot<V>>,
    bounds: Bounds,
    bytes: usize,
    /// Where the next round goes on.
    hand: usize,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many credentials; at least one.
    pub count: usize,
    /// How many bytes of them, with what they are worth.
    pub bytes: usize,
}

struct Slot<V> {
    credential: Box<[u8]>,
    value: V,
    /// The first second at which it is worth nothing any more.
    until: Option<UnixTime>,
    bytes: usize,
    /// Asked for since the hand came by.
    is_used: bool,
}

impl<V> fmt::Debug for Cache<V> {
    /// Credentials are nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl<V> Cache<V> {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        let (hasher, table) = (DefaultHashBuilder::default(), HashTable::new());
        Self { hasher, table, slots: Vec::new(), bounds, bytes: 0, hand: 0 }
    }

    /// What `credential` is worth at `now`, if that is known.
    pub fn get(&mut self, credential: &[u8], now: UnixTime) -> Option<&V> {
        let hash = hash_of(&self.hasher, credential);
        let slots = &self.slots;
        let place = *self.table.find(hash, |place| *slots[*place].credential == *credential)?;
        if self.slots[place].until.is_some_and(|until| now >= until) {
            self.remove(place);
            return None;
        }
        let slot = &mut self.slots[place];
        slot.is_used = true;
        Some(&slot.value)
    }

    /// Keeps that `credential` is worth `value`, which takes `bytes` beside it, before `until`. What alone is more than fits is
    /// not kept.
    pub fn insert(&mut self, credential: &[u8], value: V, bytes: usize, until: Option<UnixTime>) {
        let bytes = bytes + credential.len() + size_of::<Slot<V>>();
        if bytes > self.bounds.bytes {
            return;
        }
        let hash = hash_of(&self.hasher, credential);
        let known = self.table.find(hash, |place| *self.slots[*place].credential == *credential);
        if let Some(place) = known.copied() {
            self.remove(place);
        }
        while self.slots.len() >= self.bounds.count || self.bytes + bytes > self.bounds.bytes {
            self.make_room();
        }
        let (credential, is_used) = (credential.into(), false);
        self.slots.push(Slot { credential, value, until, bytes, is_used });
        self.bytes += bytes;
        let (slots, hasher) = (&self.slots, &self.hasher);
        let of_place = |place: &usize| hash_of(hasher, &slots[*place].credential);
        self.table.insert_unique(hash, self.slots.len() - 1, of_place);
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets one. There is one.
    fn make_room(&mut self) {
        loop {
            self.hand = if self.hand < self.slots.len() { self.hand } else { 0 };
            let slot = &mut self.slots[self.hand];
            if !std::mem::replace(&mut slot.is_used, false) {
                // The last takes its place: the hand comes to it next round.
                self.remove(self.hand);
                self.hand += 1;
                return;
            }
            self.hand += 1;
        }
    }

    fn remove(&mut self, place: usize) {
        self.unlink(place);
        let last = self.slots.len() - 1;
        if place != last {
            self.unlink(last);
            let hash = self.hash_of(last);
            let (slots, hasher) = (&self.slots, &self.hasher);
            let of_place = |place: &usize| hash_of(hasher, &slots[*place].credential);
            self.table.insert_unique(hash, place, of_place);
        }
        self.bytes -= self.slots.swap_remove(place).bytes;
    }

    /// Takes the place of a slot out of the table.
    fn unlink(&mut self, place: usize) {
        let hash = self.hash_of(place);
        if let Ok(entry) = self.table.find_entry(hash, |it| *it == place) {
            entry.remove();
        }
    }

    fn hash_of(&self, place: usize) -> u64 {
        hash_of(&self.hasher, &self.slots[place].credential)
    }
}

/// So much of the end of a credential tells it from others: 96 bits of a signature.
const END_BYTES: usize = 16;

/// By what a credential is found.
fn hash_of(hasher: &DefaultHashBuilder, credential: &[u8]) -> u64 {
    let end = credential.last_chunk::<END_BYTES>().map_or(credential, |end| end);
    hasher.hash_one(end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { count: 4, bytes: 1 << 20 };

    fn at(second: u64) -> UnixTime {
        UnixTime::from_secs(second)
    }

    #[test]
    fn what_was_believed_is_worth_the_same_until_it_expires() {
        let mut cache = Cache::new(BOUNDS);
        cache.insert(b"a", 1, 0, Some(at(10)));
        cache.insert(b"b", 2, 0, None);
        assert_eq!(cache.get(b"a", at(9)), Some(&1));
        assert_eq!(cache.get(b"a", at(10)), None);
        assert_eq!(cache.get(b"a", at(9)), None, "it is gone");
        assert_eq!(cache.get(b"b", at(1_000_000)), Some(&2));
        assert_eq!(cache.count(), 1);
    }

    #[test]
    fn a_clock_that_jumps_ends_what_is_over_by_it_and_prolongs_nothing() {
        let mut cache = Cache::new(BOUNDS);
        cache.insert(b"a", 1, 0, Some(at(1_000)));
        assert_eq!(cache.get(b"a", at(10)), Some(&1), "back");
        assert_eq!(cache.get(b"a", at(999)), Some(&1), "and forth again");
        assert_eq!(cache.get(b"a", at(u64::MAX)), None, "far ahead: it has to be proven anew");
        assert_eq!(cache.get(b"a", at(10)), None, "which it stays when the clock comes back");
    }

    #[test]
    fn who_is_asked_for_stays_longest() {
        let mut cache = Cache::new(BOUNDS);
        for (name, value) in [(b"a", 1), (b"b", 2), (b"c", 3), (b"d", 4)] {
            cache.insert(name, value, 0, None);
        }
        for value in 0..100u8 {
            assert_eq!(cache.get(b"b", at(0)), Some(&2));
            cache.insert(&[b'x', value], 0, 0, None);
        }
        assert_eq!(cache.get(b"b", at(0)), Some(&2));
        assert_eq!(cache.count(), 4);
    }

    #[test]
    fn bytes_are_bounded_and_what_is_too_large_is_not_kept() {
        let mut cache = Cache::new(Bounds { count: 1_000, bytes: 4_096 });
        for value in 0..1_000u32 {
            cache.insert(&value.to_be_bytes(), value, 100, None);
            assert!(cache.bytes() <= 4_096);
        }
        let kept = cache.count();
        assert!(kept > 10);
        cache.insert(b"large", 0, 5_000, None);
        assert_eq!(cache.get(b"large", at(0)), None);
        assert_eq!(cache.count(), kept);
    }

    proptest! {
        /// Whatever is asked and kept in whatever order: what it gives is what was kept last.
        #[test]
        fn it_never_gives_what_was_not_kept(
            steps in prop::collection::vec((0..9u8, any::<bool>(), 0..20u64, 0..40u64), 0..300),
        ) {
            let mut cache = Cache::new(BOUNDS);
            let mut known: BTreeMap<u8, (u32, u64)> = BTreeMap::new();
            for (step, (name, is_kept, now, until)) in (0u32..).zip(steps) {
                if is_kept {
                    cache.insert(&[name], step, 0, Some(at(until)));
                    known.insert(name, (step, until));
                } else if let Some(value) = cache.get(&[name], at(now)) {
                    let (kept, until) = known[&name];
                    prop_assert!(*value == kept && now < until);
                }
                prop_assert!(cache.count() <= 4);
            }
        }
    }
}
