//! The claim and drain protocol under loom: every interleaving, and every reordering that the
//! memory model allows, of workers that claim an instance and one who waits to stop it.

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
#[path = "../src/claim.rs"]
mod claim;

use atomic::{AtomicU32, AtomicU64, Ordering};
use claim::{InFlight, Ledger, is_unreachable};
use loom::sync::Arc;

/// What is published first knows the instance, what is published second does not.
const WITH: u64 = 1;
const WITHOUT: u64 = 2;

struct World {
    published: AtomicU64,
    ledger: Ledger,
    in_flight: InFlight,
    is_stopped: AtomicU32,
}

impl World {
    fn new(workers: usize) -> Arc<Self> {
        let ledger = Ledger::new(workers);
        (0..workers).for_each(|worker| ledger.hold_from(worker, WITH));
        Arc::new(Self {
            published: AtomicU64::new(WITH),
            ledger,
            in_flight: InFlight::new(workers),
            is_stopped: AtomicU32::new(0),
        })
    }

    /// One request on `worker`, whose task reads the snapshot, claims, works and ends; the worker
    /// takes the next snapshot up when it comes to it.
    fn serve(&self, worker: usize) {
        let held = self.published.load(Ordering::Acquire);
        if held == WITH {
            self.in_flight.enter(worker);
            assert_eq!(self.is_stopped.load(Ordering::Acquire), 0, "stopped under a claim");
            self.in_flight.leave(worker);
        }
        if self.published.load(Ordering::Acquire) == WITHOUT {
            self.ledger.hold_from(worker, WITHOUT);
        }
    }

    /// A request that outlives the worker's step to the next snapshot, which it made in between.
    fn serve_long(&self, worker: usize) {
        self.in_flight.enter(worker);
        if self.published.load(Ordering::Acquire) == WITHOUT {
            self.ledger.hold_from(worker, WITHOUT);
        }
        assert_eq!(self.is_stopped.load(Ordering::Acquire), 0, "stopped under a claim");
        self.in_flight.leave(worker);
    }

    fn retire(&self) {
        self.published.store(WITHOUT, Ordering::Release);
        if is_unreachable(&self.ledger, &self.in_flight, WITHOUT) {
            self.is_stopped.store(1, Ordering::Release);
        }
    }
}

#[test]
fn an_instance_is_never_stopped_under_a_claim() {
    loom::model(|| {
        let world = World::new(2);
        let one = world.clone();
        let two = world.clone();
        let threads = [
            loom::thread::spawn(move || one.serve(0)),
            loom::thread::spawn(move || two.serve_long(1)),
        ];
        world.retire();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn once_all_have_gone_it_can_be_stopped() {
    loom::model(|| {
        let world = World::new(1);
        let worker = world.clone();
        world.published.store(WITHOUT, Ordering::Release);
        loom::thread::spawn(move || worker.serve(0)).join().unwrap();
        assert!(is_unreachable(&world.ledger, &world.in_flight, WITHOUT));
    });
}
