//! Who listens on an instance's port: it, or somebody who took the port first.
//!
//! An instance that lost its port need not end: it may wait, or try again. Then a stranger would
//! pass its health checks.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use super::family::Family;
use super::sockets;
use crate::driver::PortOwner;
use crate::procfs;

/// Who listens on `port`, seen from `family`.
pub(super) fn of(port: u16, family: &Family) -> PortOwner {
    let listening: BTreeSet<u64> = match sockets::listening() {
        Ok(all) => all.iter().filter(|it| it.address.port() == port).map(|it| it.inode).collect(),
        Err(error) => {
            tracing::debug!(%error, "cannot determine which process listens");
            return PortOwner::Unknown;
        }
    };
    if listening.is_empty() {
        return PortOwner::Nobody;
    }
    // It is the first process nearly always, and to find the others all processes must be looked at.
    if listening.is_subset(&held_by([family.leader()]).sockets) && family.has_leader() {
        return PortOwner::Own;
    }
    let all = held_by(family.pids());
    match listening.is_subset(&all.sockets) {
        true => PortOwner::Own,
        false if all.all_seen => PortOwner::Other,
        false => PortOwner::Unknown,
    }
}

/// Every address that one of `family` listens on.
pub(super) fn addresses(family: &Family) -> Vec<SocketAddr> {
    let listening = match sockets::listening() {
        Ok(listening) => listening,
        Err(error) => {
            tracing::debug!(%error, "cannot determine which process listens");
            return Vec::new();
        }
    };
    let held = held_by(family.pids()).sockets;
    let own = listening.iter().filter(|it| held.contains(&it.inode)).map(|it| it.address);
    own.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What some processes hold.
struct Held {
    sockets: BTreeSet<u64>,
    /// Each could be looked at.
    all_seen: bool,
}

fn held_by(pids: impl IntoIterator<Item = u32>) -> Held {
    let mut held = Held { sockets: BTreeSet::new(), all_seen: true };
    for pid in pids {
        match procfs::sockets(pid) {
            Ok(sockets) => held.sockets.extend(sockets),
            // One that has just ended holds nothing.
            Err(_) => held.all_seen &= !fs::exists(format!("/proc/{pid}")).unwrap_or(true),
        }
    }
    held
}
