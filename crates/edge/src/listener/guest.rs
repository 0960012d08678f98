//! What one client has of us: its open connections, over all workers, and what it holds of a
//! worker's memory. A client is an address, of IPv6 the /64 that it lies in.
//!
//! Looked at when a connection comes or goes, and asked for memory by each exchange; what a client
//! is told is decided elsewhere.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::{Rc, Weak};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use wire::buffer::Pool;

/// Of a worker's memory one client may hold this part: four of them can shut the others out, and
/// no single one.
const SHARE_OF_ONE: usize = 4;
/// What an exchange holds at the most while its client stands still, beside what is counted by
/// itself (longer heads, larger buffers, what waits in an outbox): 4 KiB of head, 16 KiB of
/// response, and its own state.
pub(crate) const EXCHANGE_BYTES: usize = 24 * 1024;

/// A client, as far as limits know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey(IpAddr);

impl ClientKey {
    /// The client at this address.
    pub(crate) fn of(address: IpAddr) -> Self {
        let IpAddr::V6(whole) = address.to_canonical() else {
            return Self(address.to_canonical());
        };
        let [a, b, c, d, ..] = whole.segments();
        Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
    }
}

/// How many connections each client has at one listener, over all workers.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<FxHashMap<ClientKey, usize>>);

impl Crowd {
    /// Counts one more connection of `client`, unless it has `most` already.
    pub(crate) fn enter(&self, client: ClientKey, most: usize) -> bool {
        let mut crowd = self.counts();
        let count = crowd.entry(client).or_default();
        let may_enter = *count < most;
        if may_enter {
            *count += 1;
        }
        may_enter
    }

    /// One of its connections is gone.
    pub(crate) fn leave(&self, client: ClientKey) {
        let mut crowd = self.counts();
        if let Some(count) = crowd.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                crowd.remove(&client);
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, FxHashMap<ClientKey, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One client as one worker knows it, as long as it has a connection there.
pub(crate) struct Guest {
    /// Who it is; `None` for a proxy in front of many clients.
    pub(crate) client: Option<ClientKey>,
    /// Buffers that are counted as this client's.
    pub(crate) pool: Pool,
}

/// The clients of one worker.
#[derive(Default)]
pub(crate) struct Guests(RefCell<FxHashMap<ClientKey, Weak<Guest>>>);

impl Guests {
    /// What there is of `client` here; a new guest, if it has no connection yet, whose buffers come
    /// from `pool`.
    pub(crate) fn of(&self, client: ClientKey, pool: &Pool) -> Rc<Guest> {
        let mut guests = self.0.borrow_mut();
        if let Some(guest) = guests.get(&client).and_then(Weak::upgrade) {
            return guest;
        }
        if guests.len() == guests.capacity() {
            guests.retain(|_, guest| guest.strong_count() > 0);
        }
        let whole = pool.account();
        let account = whole.part(whole.limit() / SHARE_OF_ONE);
        let guest = Rc::new(Guest { client: Some(client), pool: pool.counted_in(account) });
        guests.insert(client, Rc::downgrade(&guest));
        guest
    }

    /// A guest that stands for many clients, as a trusted proxy does.
    pub(crate) fn many(pool: &Pool) -> Rc<Guest> {
        Rc::new(Guest { client: None, pool: pool.clone() })
    }
}

#[cfg(test)]
mod tests {
    use wire::account::Account;

    use super::*;

    fn key(text: &str) -> ClientKey {
        ClientKey::of(text.parse().unwrap())
    }

    #[test]
    fn an_address_of_ipv6_stands_for_its_64() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::7"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn no_more_connections_than_its_own_are_let_in() {
        let crowd = Crowd::default();
        let (one, other) = (key("192.0.2.1"), key("192.0.2.2"));
        assert!(crowd.enter(one, 2) && crowd.enter(one, 2));
        assert!(!crowd.enter(one, 2));
        assert!(crowd.enter(other, 2), "another is let in");
        crowd.leave(one);
        assert!(crowd.enter(one, 2));
        [one, one, other].into_iter().for_each(|client| crowd.leave(client));
        assert!(crowd.counts().is_empty());
    }

    #[test]
    fn one_client_cannot_hold_what_all_have() {
        let pool = Pool::new(Account::new(1000), 0);
        let guests = Guests::default();
        let one = guests.of(key("192.0.2.1"), &pool);
        let same = guests.of(key("192.0.2.1"), &pool);
        let _held = one.pool.account().charge(250).unwrap();
        assert!(same.pool.account().charge(1).is_none());
        let other = guests.of(key("192.0.2.2"), &pool);
        assert!(other.pool.account().charge(250).is_some());
        assert!(Guests::many(&pool).pool.account().charge(700).is_some());
    }

    #[test]
    fn guests_that_left_are_forgotten() {
        let pool = Pool::default();
        let guests = Guests::default();
        for n in 0..10_000u32 {
            guests.of(ClientKey::of(IpAddr::V4(n.into())), &pool);
        }
        assert!(guests.0.borrow().len() < 100);
    }
}
