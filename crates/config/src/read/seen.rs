//! What was there before, and where: for lists that may hold nothing twice.

use std::hash::Hash;
use std::ops::Range;

use rustc_hash::FxHashMap;

/// Up to here, comparing with each is quicker than hashing.
const COMPARED_MAX: usize = 16;

/// Things with the places at which they were first seen. Most lists are short and are compared; a
/// long one is hashed, so that no list costs the square of its length.
pub(crate) struct Seen<K> {
    few: Vec<(K, Range<usize>)>,
    many: FxHashMap<K, Range<usize>>,
}

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self { few: Vec::new(), many: FxHashMap::default() }
    }
}

impl<K: Eq + Hash> Seen<K> {
    /// Notes `key` at `span`, unless it was seen before: then says where.
    pub(crate) fn insert(&mut self, key: K, span: Range<usize>) -> Option<Range<usize>> {
        if let Some(first) = self.get(&key) {
            return Some(first.clone());
        }
        if self.few.len() < COMPARED_MAX {
            self.few.push((key, span));
        } else {
            self.many.insert(key, span);
        }
        None
    }

    /// Where `key` was seen.
    pub(crate) fn get(&self, key: &K) -> Option<&Range<usize>> {
        let few = self.few.iter().find(|(other, _)| other == key).map(|(_, span)| span);
        few.or_else(|| if self.many.is_empty() { None } else { self.many.get(key) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_is_kept_however_many_there_are() {
        let mut seen = Seen::default();
        for key in 0..100 {
            assert_eq!(seen.insert(key, key..key + 1), None);
        }
        for key in 0..100 {
            assert_eq!(seen.insert(key, 0..0), Some(key..key + 1));
        }
        assert_eq!(seen.get(&100), None);
    }
}
