//! Who gathers refusals: a bucket of those that lead to nothing for each key, in the table that limits have. The refusal that
//! finds its bucket empty is one too many, and settles the account: who was banned begins anew afterwards.

use std::num::NonZeroU64;
use std::time::Duration;

use model::{Per, Rate};

use crate::limit::{Bucket, Clock, Fingerprint, Grains, Level, Table, Unit};

/// What a refusal led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was counted.
    Counted,
    /// It is one too many.
    TooMany,
    /// It is one too many, and that was said of the same key a moment ago.
    SaidAlready,
}

/// When and how a refusal is counted.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// The key's bucket, as its clock shows it.
    pub bucket: Bucket,
    /// Time since the same origin as always.
    pub now: Duration,
    /// How long nothing more is said of a key of which it was said that it has too many: at least a second.
    pub silence: Duration,
}

/// Refusals by key, for all threads.
#[derive(Debug)]
pub struct Refusals {
    counts: Table,
    /// Of which keys it was said: a bucket that holds one word, which comes back with the end of the silence.
    said: Table,
}

/// Keys that are over are fewer than those that are counted. One that is lost is said again.
const KEYS_PER_SAID: u32 = 16;
const SAID_MIN: u32 = 1_000;

impl Refusals {
    /// With room for so many keys that have refusals.
    pub fn new(keys: u32) -> Self {
        Self { counts: Table::new(keys), said: Table::new((keys / KEYS_PER_SAID).max(SAID_MIN)) }
    }

    /// `key` was refused.
    pub fn refused(&self, key: Fingerprint, count: Count) -> Verdict {
        let Count { bucket, now, silence } = count;
        if self.counts.take_or_settle(key, bucket, Unit::Requests.grains(1)).is_enough {
            return Verdict::Counted;
        }
        let seconds = Unit::Requests.grains(silence.as_secs().max(1));
        let said = Bucket { now: seconds_clock().show(now), capacity: seconds };
        match self.said.take(key, said, seconds).is_enough {
            true => Verdict::TooMany,
            false => Verdict::SaidAlready,
        }
    }

    /// How many refusals of `key` would lead to nothing.
    pub fn left(&self, key: Fingerprint, bucket: Bucket) -> u64 {
        let Level { spent, .. } = self.counts.look(key, bucket, Grains(0));
        Unit::Requests.whole(Grains(bucket.capacity.0.saturating_sub(spent.0)))
    }

    /// Memory that it has taken by now, in bytes.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes() + self.said.bytes()
    }
}

/// Gains one in each second.
fn seconds_clock() -> Clock {
    Clock::new(Unit::Requests, Rate { units: NonZeroU64::MIN, per: Per::Second })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three at once, and one comes back each minute.
    struct Scene {
        refusals: Refusals,
        clock: Clock,
        silence: Duration,
    }

    const ALICE: Fingerprint = Fingerprint(7 << 64 | 1);
    const BOB: Fingerprint = Fingerprint(9 << 64 | 2);

    fn scene(silence: u64) -> Scene {
        let rate = Rate { units: NonZeroU64::MIN, per: Per::Minute };
        let silence = Duration::from_secs(silence);
        Scene { refusals: Refusals::new(1_000), clock: Clock::new(Unit::Requests, rate), silence }
    }

    impl Scene {
        fn refuse(&self, key: Fingerprint, at: f64) -> Verdict {
            let now = Duration::from_secs_f64(at);
            let bucket = self.bucket(now);
            self.refusals.refused(key, Count { bucket, now, silence: self.silence })
        }

        fn bucket(&self, now: Duration) -> Bucket {
            Bucket { now: self.clock.show(now), capacity: Unit::Requests.grains(3) }
        }

        fn left(&self, key: Fingerprint, at: u64) -> u64 {
            self.refusals.left(key, self.bucket(Duration::from_secs(at)))
        }
    }

    #[test]
    fn the_one_behind_the_burst_is_too_many_and_settles_the_account() {
        let scene = scene(1);
        for _ in 0..3 {
            assert_eq!(scene.refuse(ALICE, 1.0), Verdict::Counted);
        }
        assert_eq!((scene.left(ALICE, 1), scene.left(BOB, 1)), (0, 3));
        assert_eq!(scene.refuse(ALICE, 1.0), Verdict::TooMany);
        assert_eq!(scene.left(ALICE, 1), 3, "who was banned begins anew");
        assert_eq!(scene.refuse(BOB, 1.0), Verdict::Counted, "nobody else is to blame");
    }

    #[test]
    fn who_is_seldom_refused_is_forgiven_for_ever() {
        let scene = scene(1);
        for minute in 0..1_000 {
            assert_eq!(scene.refuse(ALICE, f64::from(minute) * 60.0), Verdict::Counted);
        }
    }

    #[test]
    fn a_flood_is_said_once_in_each_silence() {
        for (silence, wanted) in [(1, 10), (5, 2), (3_600, 1)] {
            let scene = scene(silence);
            let refuse = |n: u32| scene.refuse(ALICE, f64::from(n) / 10_000.0);
            let said = (0..100_000).filter(|n| refuse(*n) == Verdict::TooMany).count();
            assert_eq!(said, wanted, "ten seconds, silence {silence}");
        }
    }
}
