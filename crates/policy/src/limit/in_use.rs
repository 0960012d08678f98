//! How many requests of each key are open, for all threads.

use super::counts::{count, enter, leave};
use super::fingerprint::Fingerprint;
use super::slots::Slots;

/// Counts by key. A slot whose count is not 0 is never lost: where a set is full of them, a new key is refused.
#[derive(Debug)]
pub struct InUse(Slots);

/// One use, which its holder must give back by [`InUse::leave`], once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    set: u32,
    way: u32,
}

/// What became of one that wanted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is in; so many are, with it.
    In {
        /// What it gives back.
        place: Place,
        /// How many there are.
        count: u64,
    },
    /// There are enough.
    Full,
}

impl InUse {
    /// With room for so many keys in use, at [`BYTES_PER_KEY`](super::BYTES_PER_KEY) each.
    pub fn new(keys: u32) -> Self {
        Self(Slots::new(keys))
    }

    /// Lets one more of `key` in, unless there are `most`.
    pub fn enter(&self, key: Fingerprint, most: u64) -> Entered {
        let home = self.0.home(key);
        let slots = self.0.set(home.set);
        match enter(slots, home.tag, most) {
            Some((way, count)) => {
                Entered::In { place: Place { set: home.set, way: way as u32 }, count }
            }
            None => Entered::Full,
        }
    }

    /// One that was let in leaves.
    pub fn leave(&self, place: Place) {
        leave(&self.0.set(place.set)[place.way as usize]);
    }

    /// How many of `key` are in.
    pub fn count(&self, key: Fingerprint) -> u64 {
        let home = self.0.home(key);
        self.0.made(home.set).map_or(0, |slots| count(slots, home.tag))
    }

    /// Memory that it has taken by now, in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}
