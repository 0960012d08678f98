//! The slots of limits under loom: every interleaving, and every reordering that the memory model allows, of threads that take
//! of the same and of other keys. Counts are checked with up to three preemptions.

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicU64 as AtomicWord, Ordering, fence};

    pub(crate) type Word = u64;

    pub(crate) fn pack(tag: u64, value: u64) -> Word {
        tag << 32 | value
    }

    pub(crate) fn tag_of(word: Word) -> u64 {
        word >> 32
    }

    pub(crate) fn value_of(word: Word) -> u64 {
        word & 0xffff_ffff
    }
}
#[path = "../src/limit/counts.rs"]
mod counts;
#[path = "../src/limit/ring.rs"]
mod ring;
#[path = "../src/limit/set.rs"]
mod set;

use counts::{enter, leave};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use ring::Ring;
use set::{Slot, WAYS, update};

fn slots(ways: usize) -> Arc<Vec<Slot>> {
    assert!(ways <= WAYS);
    Arc::new((0..ways).map(|_| Slot::default()).collect())
}

/// Takes one of a bucket of `capacity` at the time `now`.
fn take(slots: &[Slot], tag: u64, now: u64, capacity: u64) -> bool {
    let next = |full_at: u64| {
        let spent = full_at.saturating_sub(now);
        (spent < capacity).then(|| now + spent + 1)
    };
    next(update(slots, tag, next)).is_some()
}

#[test]
fn of_a_new_key_no_more_is_taken_than_its_bucket_holds() {
    loom::model(|| {
        let slots = slots(2);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let slots = slots.clone();
                loom::thread::spawn(move || (0..2).filter(|_| take(&slots, 7, 10, 3)).count())
            })
            .collect();
        let taken: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(taken, 3);
    });
}

#[test]
fn keys_that_find_each_other_s_full_bucket_lose_nothing() {
    // Both ways hold buckets that are full again; one of their keys comes back while another is new.
    loom::model(|| {
        let slots = slots(2);
        assert!(take(&slots, 1, 1, 1) && take(&slots, 2, 2, 1));
        let threads: Vec<_> = [1, 3]
            .into_iter()
            .map(|tag| {
                let slots = slots.clone();
                loom::thread::spawn(move || take(&slots, tag, 10, 1))
            })
            .collect();
        let own = take(&slots, 3, 10, 1);
        let [old, new] = threads.try_into().ok().unwrap();
        assert!(old.join().unwrap(), "it is full");
        assert!(own != new.join().unwrap(), "one of the two gets what is in it");
        assert!(!take(&slots, 1, 10, 1) && !take(&slots, 3, 10, 1), "both are known");
    });
}

#[test]
fn no_more_are_in_use_than_may_be() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let slots = slots(2);
        let inside = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (slots, inside) = (slots.clone(), inside.clone());
                loom::thread::spawn(move || {
                    if let Some((way, _)) = enter(&slots, 7, 1) {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                        inside.fetch_sub(1, Ordering::SeqCst);
                        leave(&slots[way]);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(enter(&slots, 7, 1).is_some(), "all have left");
    });
}

#[test]
fn a_key_that_stands_twice_is_counted_whole() {
    // The first way is freed while the key is new to two threads, so that they may take different ones.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let slots = slots(2);
        let (way, _) = enter(&slots, 1, 1).unwrap();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let slots = slots.clone();
                loom::thread::spawn(move || usize::from(enter(&slots, 7, 1).is_some()))
            })
            .collect();
        leave(&slots[way]);
        let inside: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(inside <= 1, "{inside} are in");
    });
}

#[test]
fn what_a_worker_leaves_is_read_whole_once_and_in_order_or_counted_as_lost() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(2));
        let writer = {
            let ring = ring.clone();
            loom::thread::spawn(move || {
                (1..=3).for_each(|number| ring.push([number; 4]));
            })
        };
        let mut read = Vec::new();
        let take = |read: &mut Vec<u64>| {
            ring.drain(|words| {
                assert_eq!(words, [words[0]; 4], "an entry is read whole");
                read.push(words[0]);
            });
        };
        take(&mut read);
        writer.join().unwrap();
        take(&mut read);
        assert!(read.is_sorted() && read.starts_with(&[1, 2]), "{read:?}");
        assert_eq!(read.len() as u64 + ring.lost(), 3);
    });
}
