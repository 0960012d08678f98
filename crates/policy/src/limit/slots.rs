//! The slots of a table, made as they are used: a page of them at a time, so that a table for a million keys costs
//! little until they come.

use std::sync::OnceLock;

use super::fingerprint::Fingerprint;
use super::set::{Slot, WAYS};
use super::{BYTES_PER_KEY, SLOTS_PER_KEY};

/// Sets that are made together, 4 KiB of them.
const SETS_PER_PAGE: usize = 32;
const SLOTS_PER_PAGE: usize = SETS_PER_PAGE * WAYS;

#[derive(Debug)]
pub(super) struct Slots {
    pages: Box<[OnceLock<Box<[Slot]>>]>,
    sets: u64,
}

/// Where a key's slots are, and what tells it from others there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) set: u32,
    pub(super) tag: u64,
}

impl Slots {
    /// For so many keys.
    pub(super) fn new(keys: u32) -> Self {
        let sets = (u64::from(keys) * SLOTS_PER_KEY).div_ceil(WAYS as u64).max(1);
        let pages = sets.div_ceil(SETS_PER_PAGE as u64);
        Self { pages: (0..pages).map(|_| OnceLock::new()).collect(), sets }
    }

    #[inline]
    pub(super) fn home(&self, key: Fingerprint) -> Home {
        let (high, tag) = ((key.0 >> 64) as u64, key.0 as u64);
        let set = (u128::from(high) * u128::from(self.sets)) >> 64;
        // 0 is no key's.
        Home { set: set as u32, tag: tag.max(1) }
    }

    /// The slots of a set, which are made if need be.
    #[inline]
    pub(super) fn set(&self, set: u32) -> &[Slot] {
        let (page, at) = (set as usize / SETS_PER_PAGE, set as usize % SETS_PER_PAGE * WAYS);
        &self.pages[page].get_or_init(new_page)[at..at + WAYS]
    }

    /// The slots of a set, if they were made.
    pub(super) fn made(&self, set: u32) -> Option<&[Slot]> {
        let (page, at) = (set as usize / SETS_PER_PAGE, set as usize % SETS_PER_PAGE * WAYS);
        Some(&self.pages[page].get()?[at..at + WAYS])
    }

    /// Memory for slots, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let pages = self.pages.iter().filter(|page| page.get().is_some()).count();
        (pages * SLOTS_PER_PAGE) as u64 * (BYTES_PER_KEY / SLOTS_PER_KEY)
    }
}

#[cold]
fn new_page() -> Box<[Slot]> {
    (0..SLOTS_PER_PAGE).map(|_| Slot::default()).collect()
}
