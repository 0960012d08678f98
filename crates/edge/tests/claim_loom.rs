//! The claim and drain protocol under loom: every interleaving, and every reordering that the
//! memory model allows, of workers that claim an instance and one who waits to stop it.

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
#[path = "../src/live/claim.rs"]
mod claim;

use atomic::{AtomicU32, AtomicU64, Ordering};
use claim::{InFlight, Ledger, is_unreachable};
use loom::sync::Arc;

/// The order's number.
const NUMBER: u64 = 1;

struct World {
    is_barred: AtomicU32,
    /// The order that a worker finds, as its channel would carry it.
    order: AtomicU64,
    ledger: Ledger,
    in_flight: InFlight,
    is_stopped: AtomicU32,
}

impl World {
    fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            is_barred: AtomicU32::new(0),
            order: AtomicU64::new(0),
            ledger: Ledger::new(workers),
            in_flight: InFlight::new(workers),
            is_stopped: AtomicU32::new(0),
        })
    }

    /// Chooses the instance, if it is not barred.
    fn claim(&self, worker: usize) -> bool {
        let is_free = self.is_barred.load(Ordering::Relaxed) == 0;
        if is_free {
            self.in_flight.enter(worker);
        }
        is_free
    }

    fn leave(&self, worker: usize) {
        assert_eq!(self.is_stopped.load(Ordering::Acquire), 0, "stopped under a claim");
        self.in_flight.leave(worker);
    }

    fn read_orders(&self, worker: usize) {
        let order = self.order.load(Ordering::Acquire);
        if order > 0 {
            self.ledger.pass(worker, order);
        }
    }

    /// One request on `worker`, which reads its orders when the request has ended.
    fn serve(&self, worker: usize) {
        if self.claim(worker) {
            self.leave(worker);
        }
        self.read_orders(worker);
    }

    /// A request that is still open when the worker reads its orders.
    fn serve_long(&self, worker: usize) {
        let is_claimed = self.claim(worker);
        self.read_orders(worker);
        if is_claimed {
            self.leave(worker);
        }
    }

    fn retire(&self) {
        self.is_barred.store(1, Ordering::Relaxed);
        self.order.store(NUMBER, Ordering::Release);
        if is_unreachable(&self.ledger, &self.in_flight, NUMBER) {
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
fn a_request_after_the_order_sees_the_bar() {
    loom::model(|| {
        let world = World::new(1);
        let worker = world.clone();
        let serving = loom::thread::spawn(move || (0..2).for_each(|_| worker.serve(0)));
        world.retire();
        serving.join().unwrap();
    });
}

#[test]
fn once_all_have_read_their_orders_and_gone_it_can_be_stopped() {
    loom::model(|| {
        let world = World::new(1);
        let worker = world.clone();
        world.is_barred.store(1, Ordering::Relaxed);
        world.order.store(NUMBER, Ordering::Release);
        loom::thread::spawn(move || worker.serve(0)).join().unwrap();
        assert!(is_unreachable(&world.ledger, &world.in_flight, NUMBER));
    });
}
