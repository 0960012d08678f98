//! The ports that sockets of ours listen on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many of our own sockets there are on each port, those included that are being closed.
#[derive(Debug, Default)]
pub(crate) struct Ports(Mutex<BTreeMap<u16, usize>>);

impl Ports {
    pub(crate) fn add(&self, port: u16) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(port).or_default() += 1;
    }

    pub(crate) fn remove(&self, port: u16) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&port) {
            *count -= 1;
            if *count == 0 {
                all.remove(&port);
            }
        }
    }

    pub(crate) fn has(&self, port: u16) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&port)
    }
}
