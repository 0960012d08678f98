//! Buckets by key, for all threads.

use super::clock::Grains;
use super::fingerprint::Fingerprint;
use super::set;
use super::slots::Slots;

/// Buckets by key, of which each thread takes. Holds the time at which a bucket is full again, as the limit's
/// [`Clock`](super::Clock) shows it.
#[derive(Debug)]
pub struct Table(Slots);

/// How a bucket is asked: at what its clock shows, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// What the clock shows.
    pub now: Grains,
    /// What a full one holds.
    pub capacity: Grains,
}

/// What is in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// What was taken and has not come back; more than the capacity where it is in debt.
    pub spent: Grains,
    /// Whether there was enough.
    pub is_enough: bool,
}

impl Table {
    /// With room for so many keys whose buckets are not full, at [`BYTES_PER_KEY`](super::BYTES_PER_KEY) each.
    pub fn new(keys: u32) -> Self {
        Self(Slots::new(keys))
    }

    /// Takes `cost` of the key's bucket, if that is there; nothing otherwise. Where `cost` is 0 anything must be left. Says what is in
    /// the bucket afterwards.
    #[inline]
    pub fn take(&self, key: Fingerprint, bucket: Bucket, cost: Grains) -> Level {
        let home = self.0.home(key);
        let change = |full_at| {
            let level = bucket.level(full_at, cost);
            (level.is_enough && cost.0 > 0).then(|| bucket.full_at(level.spent, cost))
        };
        let before = set::update(self.0.set(home.set), home.tag, change);
        let Level { spent, is_enough } = bucket.level(before, cost);
        let spent = if is_enough { Grains(spent.0.saturating_add(cost.0)) } else { spent };
        Level { spent, is_enough }
    }

    /// Takes `cost` of the key's bucket, if that is there; where it is not, the bucket is full from now on. Says what was in it otherwise.
    pub fn take_or_settle(&self, key: Fingerprint, bucket: Bucket, cost: Grains) -> Level {
        let home = self.0.home(key);
        let change = |full_at| {
            let Level { spent, is_enough } = bucket.level(full_at, cost);
            Some(if is_enough { bucket.full_at(spent, cost) } else { bucket.now.0 })
        };
        let before = set::update(self.0.set(home.set), home.tag, change);
        bucket.level(before, cost)
    }

    /// Takes `cost` of the key's bucket whether or not it is there: it may be in debt afterwards. Says what is in it then.
    pub fn charge(&self, key: Fingerprint, bucket: Bucket, cost: Grains) -> Level {
        let home = self.0.home(key);
        if cost.0 > 0 {
            let change = |full_at| Some(bucket.full_at(bucket.spent(full_at), cost));
            set::update(self.0.set(home.set), home.tag, change);
        }
        self.look(key, bucket, Grains(0))
    }

    /// At least `spent` is gone of the key's bucket, as others that share it say.
    pub fn raise(&self, key: Fingerprint, bucket: Bucket, spent: Grains) {
        let home = self.0.home(key);
        let change =
            |full_at| (bucket.spent(full_at) < spent).then(|| bucket.full_at(Grains(0), spent));
        set::update(self.0.set(home.set), home.tag, change);
    }

    /// What is in the key's bucket, and whether `cost` could be taken. Takes nothing.
    pub fn look(&self, key: Fingerprint, bucket: Bucket, cost: Grains) -> Level {
        let home = self.0.home(key);
        let full_at = self.0.made(home.set).map_or(0, |slots| set::find(slots, home.tag).value());
        bucket.level(full_at, cost)
    }

    /// Memory that it has taken by now, in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

impl Bucket {
    fn spent(self, full_at: u64) -> Grains {
        Grains(full_at.saturating_sub(self.now.0))
    }

    #[inline]
    fn level(self, full_at: u64, cost: Grains) -> Level {
        let spent = self.spent(full_at);
        // Anything must be left of a bucket whose cost is told afterwards.
        let is_enough = spent.0.saturating_add(cost.0.max(1)) <= self.capacity.0;
        Level { spent, is_enough }
    }

    /// When a bucket will be full of which `spent` is gone, and `cost` goes now.
    fn full_at(self, spent: Grains, cost: Grains) -> u64 {
        self.now.0.saturating_add(spent.0).saturating_add(cost.0)
    }
}
