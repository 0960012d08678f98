//! Who listens on an instance's port: it, or somebody who took the port first.
//!
//! An instance that lost its port need not end: it may wait, or try again. Then a stranger would
//! pass its health checks.

use std::collections::BTreeSet;
use std::fs;

use super::family::Family;
use crate::driver::Listener;
use crate::procfs;

/// Who listens on `port`, seen from `family`.
pub(super) fn of(port: u16, family: &Family) -> Listener {
    let sockets = procfs::listening(port);
    if sockets.is_empty() {
        return Listener::Nobody;
    }
    let mut own = BTreeSet::new();
    let mut all_seen = true;
    for pid in family.pids() {
        match procfs::sockets(pid) {
            Ok(sockets) => own.extend(sockets),
            // One that has just ended holds nothing.
            Err(_) => all_seen &= !fs::exists(format!("/proc/{pid}")).unwrap_or(true),
        }
    }
    match sockets.is_subset(&own) {
        true => Listener::Own,
        false if all_seen => Listener::Other,
        false => Listener::Unknown,
    }
}
