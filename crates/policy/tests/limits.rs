//! Tables of buckets against an oracle that keeps fractions, and with a million keys.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use model::{Per, Rate};
use policy::limit::{
    BYTES_PER_KEY, Bucket, Clock, Entered, Fingerprint, Grains, InUse, KeyHasher, Secret, Table,
    Unit,
};
use proptest::prelude::*;

fn rate(units: u64, per: Per) -> Rate {
    Rate { units: NonZeroU64::new(units).expect("no rate is 0"), per }
}

fn key(number: u64) -> Fingerprint {
    let mut hasher = KeyHasher::new(Secret([9; 16]), b"limit");
    hasher.part(Some(&number.to_le_bytes()));
    hasher.finish()
}

/// Token buckets as they are in books, in fractions of `nanoseconds * units`.
struct Oracle {
    rate: Rate,
    burst: u64,
    /// What is gone of each, and when that was so.
    spent: BTreeMap<u64, (u128, u128)>,
}

impl Oracle {
    fn whole(&self) -> u128 {
        self.rate.per.length().as_nanos()
    }

    fn spent(&self, key: u64, now: u128) -> u128 {
        let (spent, then) = self.spent.get(&key).copied().unwrap_or_default();
        spent.saturating_sub((now - then) * u128::from(self.rate.units.get()))
    }

    fn take(&mut self, key: u64, now: u128, cost: u64) -> bool {
        let after = self.spent(key, now) + u128::from(cost) * self.whole();
        let passes = after <= u128::from(self.burst) * self.whole();
        if passes {
            self.spent.insert(key, (after, now));
        }
        passes
    }
}

#[derive(Clone, Copy, Debug)]
struct Step {
    key: u64,
    cost: u64,
    /// In hundredths of the time that one unit takes.
    wait: u64,
}

fn step() -> impl Strategy<Value = Step> {
    (0u64..4, 1u64..4, prop_oneof![Just(0), 1u64..400, Just(5000)])
        .prop_map(|(key, cost, wait)| Step { key, cost, wait })
}

fn rates() -> impl Strategy<Value = Rate> {
    let per = prop_oneof![Just(Per::Second), Just(Per::Minute), Just(Per::Hour), Just(Per::Day)];
    (prop_oneof![1u64..20, Just(999_983), Just(1_000_000)], per)
        .prop_map(|(units, per)| rate(units, per))
}

proptest! {
    #[test]
    fn the_table_decides_as_the_oracle_does(
        rate in rates(), burst in 1u64..12, steps in prop::collection::vec(step(), 1..120),
    ) {
        let (clock, table) = (Clock::new(Unit::Requests, rate), Table::new(64));
        let capacity = Unit::Requests.grains(burst);
        let mut oracle = Oracle { rate, burst, spent: BTreeMap::new() };
        // The clock is rounded down, by less than one grain: so much more the oracle may know to be there.
        let grain = oracle.whole() / 65_536 + u128::from(rate.units.get());
        let one = rate.per.length().as_nanos() as u64 / rate.units.get();
        let mut now = 0;
        for Step { key: number, cost, wait } in steps {
            now += one * wait / 100;
            let bucket = Bucket { now: clock.show(Duration::from_nanos(now)), capacity };
            let taken = table.take(key(number), bucket, Unit::Requests.grains(cost));
            let spent = oracle.spent(number, now.into()) + u128::from(cost) * oracle.whole();
            let room = (u128::from(burst) * oracle.whole()).checked_sub(spent);
            match (taken.is_enough, room) {
                (true, Some(_)) => prop_assert!(oracle.take(number, now.into(), cost)),
                (false, None) => {}
                (true, None) => {
                    let over = spent - u128::from(burst) * oracle.whole();
                    prop_assert!(over <= grain, "{over} too much at {now}");
                    let forced = (spent, u128::from(now));
                    oracle.spent.insert(number, forced);
                }
                (false, Some(room)) => prop_assert!(room <= grain, "{room} were left at {now}"),
            }
        }
    }

    #[test]
    fn over_a_long_time_exactly_the_rate_passes(units in 1u64..5000, burst in 2u64..50) {
        // Of a burst of one, what comes back between two requests is lost: the bucket is full before the next.
        let rate = rate(units, Per::Minute);
        let (clock, table) = (Clock::new(Unit::Requests, rate), Table::new(8));
        let capacity = Unit::Requests.grains(burst);
        // More are asked than may pass, for three minutes.
        let asked = 3 * (units + burst) * 2;
        let passed = (0..=asked)
            .filter(|number| {
                let now = Duration::from_nanos(180_000_000_000 / asked * number);
                let bucket = Bucket { now: clock.show(now), capacity };
                table.take(key(1), bucket, Unit::Requests.grains(1)).is_enough
            })
            .count() as u64;
        prop_assert!((3 * units + burst - 1..=3 * units + burst).contains(&passed), "{passed}");
    }
}

#[test]
fn what_is_charged_afterwards_is_a_debt_that_is_paid_first() {
    let clock = Clock::new(Unit::Bytes, rate(1000, Per::Second));
    let table = Table::new(8);
    let at =
        |seconds| Bucket { now: clock.show(Duration::from_secs(seconds)), capacity: Grains(2000) };
    assert!(table.take(key(1), at(0), Grains(0)).is_enough);
    assert_eq!(table.charge(key(1), at(0), Grains(5000)).spent, Grains(5000));
    assert!(!table.take(key(1), at(2), Grains(0)).is_enough, "3000 are owed of 2000");
    assert!(!table.take(key(1), at(3), Grains(0)).is_enough, "it is empty");
    assert!(table.take(key(1), at(4), Grains(0)).is_enough);
    assert_eq!(table.look(key(1), at(4), Grains(0)).spent, Grains(1000));
    assert_eq!(table.look(key(2), at(4), Grains(0)).spent, Grains(0), "another key's is full");
}

#[test]
fn what_others_say_is_gone_is_gone_here_and_never_less() {
    let clock = Clock::new(Unit::Requests, rate(1, Per::Second));
    let (table, one) = (Table::new(8), Unit::Requests.grains(1));
    let bucket = Bucket { now: clock.show(Duration::ZERO), capacity: Unit::Requests.grains(5) };
    table.take(key(1), bucket, Unit::Requests.grains(2));
    table.raise(key(1), bucket, Unit::Requests.grains(1));
    assert_eq!(table.look(key(1), bucket, one).spent, Unit::Requests.grains(2));
    table.raise(key(1), bucket, Unit::Requests.grains(5));
    assert!(!table.take(key(1), bucket, one).is_enough);
}

#[test]
fn a_million_active_keys_are_kept_apart_and_three_million_cost_no_more() {
    const KEYS: u32 = 1_000_000;
    let clock = Clock::new(Unit::Requests, rate(2, Per::Day));
    let (table, one) = (Table::new(KEYS), Unit::Requests.grains(1));
    let bucket = Bucket { now: clock.show(Duration::from_secs(60)), capacity: one };
    assert_eq!(table.bytes(), 0, "nothing is made before it is used");
    let passed = |keys: std::ops::Range<u64>| {
        keys.filter(|number| table.take(key(*number), bucket, one).is_enough).count()
    };
    assert_eq!(passed(0..KEYS.into()), KEYS as usize);
    let lost = passed(0..KEYS.into());
    // One that comes back to a lost bucket takes another's, which is counted here, too.
    assert!(lost < KEYS as usize / 50, "{lost} buckets were lost");
    let room = u64::from(KEYS) * BYTES_PER_KEY;
    assert!(table.bytes() <= room + 4096, "{} bytes", table.bytes());
    passed(0..3_000_000);
    assert!(table.bytes() <= room + 4096, "{} bytes", table.bytes());
    // Two days later all are full, and the table as good as new.
    let later = Bucket { now: clock.show(Duration::from_secs(3 * 86_400)), capacity: one };
    let passes = |number| table.take(key(number), later, one).is_enough;
    assert!((0..1000).all(passes) && !(0..1000).any(passes));
}

#[test]
fn threads_together_take_what_one_would() {
    let clock = Clock::new(Unit::Requests, rate(1, Per::Day));
    let (table, one) = (Table::new(1000), Unit::Requests.grains(1));
    let bucket = Bucket { now: clock.show(Duration::ZERO), capacity: Unit::Requests.grains(50) };
    let taken: usize = std::thread::scope(|scope| {
        let worker = || {
            let passes = |number: u64| table.take(key(number % 100), bucket, one).is_enough;
            (0..20_000).filter(|number| passes(*number)).count()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 100 * 50);
}

#[test]
fn what_is_in_use_is_never_lost_and_what_has_left_makes_room() {
    // One set of eight slots.
    let table = InUse::new(4);
    let mut inside: Vec<_> = (0..8)
        .map(|number| match table.enter(key(number), 2) {
            Entered::In { place, count } => {
                assert_eq!(count, 1);
                place
            }
            Entered::Full => panic!("{number} is refused"),
        })
        .collect();
    assert_eq!(table.enter(key(8), 2), Entered::Full, "no slot is free");
    let Entered::In { place, count: 2 } = table.enter(key(3), 2) else { panic!("one more may") };
    assert_eq!(table.enter(key(3), 2), Entered::Full);
    table.leave(place);
    assert_eq!(table.count(key(3)), 1);
    table.leave(inside.pop().unwrap());
    assert!(matches!(table.enter(key(8), 2), Entered::In { count: 1, .. }));
}
