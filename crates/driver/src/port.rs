//! Free ports for instances.
//!
//! A port is chosen outside the range from which the system takes ports for outgoing connections:
//! there, one of our own connections could sit on it between our look and the instance's bind. It
//! is leased until its instance is gone, so that two that start at once never get the same. That
//! somebody else takes it all the same cannot be ruled out; then the instance's end says so
//! ([`crate::Exit::port_taken`]).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use socket2::{Domain, Socket, Type};

/// Ports below this one are left to services with a fixed port.
const LOWEST: u16 = 20_000;
/// Fewer ports than this are no range to choose from.
const ENOUGH: usize = 1_000;

/// The ports that instances are given, and those that were.
#[derive(Clone, Debug)]
pub struct Ports {
    range: RangeInclusive<u16>,
    leased: Arc<Mutex<BTreeSet<u16>>>,
}

/// The ports of another host that no instance can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedPorts {
    /// Those from which it takes ports for outgoing connections.
    pub outgoing: RangeInclusive<u16>,
    /// Those that somebody holds.
    pub held: BTreeSet<u16>,
}

impl UsedPorts {
    /// What prints to `sh` what [`Self::read`] reads.
    pub const SCRIPT: &str = "cat /proc/sys/net/ipv4/ip_local_port_range; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true";

    /// As the kernel tells of them: the range, and its tables of sockets.
    pub fn read(text: &str) -> Self {
        let (range, tables) = text.split_once('\n').unwrap_or((text, ""));
        let port = |line: &str| {
            let (_, port) = line.split_whitespace().nth(1)?.rsplit_once(':')?;
            u16::from_str_radix(port, 16).ok()
        };
        Self { outgoing: range_of(range), held: tables.lines().filter_map(port).collect() }
    }
}

/// A port that nobody else is given until this is dropped.
#[derive(Debug)]
pub struct Lease {
    port: u16,
    leased: Arc<Mutex<BTreeSet<u16>>>,
}

/// No port is free.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no port from {} to {} is free", range.start(), range.end())]
pub struct NoPort {
    /// Where was looked.
    pub range: RangeInclusive<u16>,
}

impl Default for Ports {
    fn default() -> Self {
        Self::within(beside(ephemeral()))
    }
}

impl Ports {
    /// Ports out of `range`.
    pub fn within(range: RangeInclusive<u16>) -> Self {
        Self { range, leased: Arc::default() }
    }

    /// Leases a free port, any one.
    ///
    /// # Errors
    ///
    /// None is free.
    pub fn lease(&self) -> Result<Lease, NoPort> {
        let (first, last) = (*self.range.start(), *self.range.end());
        let start = fastrand::u16(first..=last);
        (start..=last)
            .chain(first..start)
            .find_map(|port| self.claim(port).filter(|_| is_free(port)))
            .ok_or_else(|| NoPort { range: self.range.clone() })
    }

    /// Leases a port of another host, of which `used` tells, any that is free there.
    ///
    /// # Errors
    ///
    /// None is free.
    pub fn lease_beside(&self, used: &UsedPorts) -> Result<Lease, NoPort> {
        let range = beside(used.outgoing.clone());
        let (first, last) = (*range.start(), *range.end());
        let start = fastrand::u16(first..=last);
        (start..=last)
            .chain(first..start)
            .filter(|port| !used.held.contains(port))
            .find_map(|port| self.claim(port))
            .ok_or(NoPort { range })
    }

    /// Leases `port`, which an adopted instance has already.
    pub fn keep(&self, port: u16) -> Lease {
        self.set(|leased| leased.insert(port));
        Lease { port, leased: Arc::clone(&self.leased) }
    }

    /// How many ports are free, counted up to `wanted`.
    pub fn free(&self, wanted: usize) -> usize {
        let is_leased = |port: &u16| self.set(|leased| leased.contains(port));
        self.range.clone().filter(|port| !is_leased(port) && is_free(*port)).take(wanted).count()
    }

    fn claim(&self, port: u16) -> Option<Lease> {
        let is_new = self.set(|leased| leased.insert(port));
        is_new.then(|| Lease { port, leased: Arc::clone(&self.leased) })
    }

    fn set<T>(&self, with: impl FnOnce(&mut BTreeSet<u16>) -> T) -> T {
        with(&mut self.leased.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lease {
    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.port);
    }
}

/// Whether nobody holds `port`, on whichever address.
///
/// Only bound, never listened on: nobody can connect to what is not there. Connections of the port's
/// last owner that are still closing do not count, as they would not for a server.
pub fn is_free(port: u16) -> bool {
    let any_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let bind = |domain, address: SocketAddr| -> io::Result<()> {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())
    };
    let in_use =
        |bound: io::Result<()>| bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    !in_use(bind(Domain::IPV4, any_v4)) && !in_use(bind(Domain::IPV6, any_v6))
}

/// Where the system takes ports for outgoing connections.
fn ephemeral() -> RangeInclusive<u16> {
    range_of(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default())
}

fn range_of(text: &str) -> RangeInclusive<u16> {
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) => first..=last,
        _ => 32_768..=60_999,
    }
}

/// The better of the ranges below and above `taken`; all from [`LOWEST`] if there is none.
fn beside(taken: RangeInclusive<u16>) -> RangeInclusive<u16> {
    let below = LOWEST..=taken.start().saturating_sub(1).max(1);
    let above = taken.end().saturating_add(1).max(LOWEST)..=u16::MAX;
    [below, above].into_iter().find(|range| range.len() >= ENOUGH).unwrap_or(LOWEST..=u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_outside_the_range_of_outgoing_connections() {
        assert_eq!(beside(32_768..=60_999), 20_000..=32_767);
        assert_eq!(beside(10_000..=40_000), 40_001..=65_535);
        assert_eq!(beside(1_024..=65_535), 20_000..=65_535);
        assert_eq!(beside(1..=2), 20_000..=65_535);
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free_on_whichever_address() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            assert!(!is_free(port), "{address}");
            assert!(Ports::within(port..=port).lease().is_err());
        }
    }

    #[test]
    fn what_another_host_holds_is_given_to_no_instance_there() {
        let table = "32768\t60999\n  sl  local_address rem_address   st\n   0: 0100007F:4E20 00000000:0000 0A 0\n  \
                     sl  local_address\n   0: 00000000000000000000000000000000:4E22 0:0 01 0\n";
        let used = UsedPorts::read(table);
        assert_eq!(used.outgoing, 32_768..=60_999);
        assert_eq!(used.held, [20_000, 20_002].into());
        let held = (20_000..=32_767).filter(|port| *port != 20_001).collect();
        let ports = Ports::default();
        let used = UsedPorts { held, ..used };
        let lease = ports.lease_beside(&used).unwrap();
        assert_eq!(lease.port(), 20_001);
        assert!(ports.lease_beside(&used).is_err());
    }

    #[test]
    fn a_leased_port_is_given_to_nobody_until_it_is_back() {
        let any = Ports::default().lease().unwrap().port();
        let ports = Ports::within(any..=any);
        let lease = ports.lease().unwrap();
        assert_eq!(ports.lease().unwrap_err(), NoPort { range: any..=any });
        assert_eq!(ports.free(1), 0);
        drop(lease);
        assert_eq!(ports.free(1), 1);
        assert!(ports.lease().is_ok());
    }
}
