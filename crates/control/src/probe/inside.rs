//! What checks need of an instance that Plimsoll runs, beside its address: its process, and how it was started.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use driver::{Driver, Instance, Launch};

/// An instance that Plimsoll runs, from within.
#[derive(Clone, Debug)]
pub(crate) struct Inside {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) process: Arc<dyn Instance>,
    /// As it was started; `None` where that cannot be said any more.
    pub(crate) launch: Option<Launch>,
}

/// All of them, by their addresses: each has a port of its own.
#[derive(Clone, Default)]
pub(super) struct Insides(Arc<Mutex<BTreeMap<SocketAddr, Inside>>>);

impl Insides {
    pub(super) fn enter(&self, address: SocketAddr, inside: Inside) {
        self.with(|all| drop(all.insert(address, inside)));
    }

    /// Forgets `process`, and nobody who has its port by now.
    pub(super) fn leave(&self, address: SocketAddr, process: &Arc<dyn Instance>) {
        self.with(|all| {
            if all.get(&address).is_some_and(|inside| Arc::ptr_eq(&inside.process, process)) {
                all.remove(&address);
            }
        });
    }

    pub(super) fn at(&self, address: SocketAddr) -> Option<Inside> {
        self.with(|all| all.get(&address).cloned())
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<SocketAddr, Inside>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
