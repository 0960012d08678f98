//! What one client holds of a worker's memory. How many connections it has is counted over all workers
//! ([`Crowd`](crate::live::listener::Crowd)).
//!
//! Looked at when a connection comes or goes, and asked for memory by each exchange; what a client
//! is told is decided elsewhere.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use rustc_hash::FxHashMap;
use wire::buffer::Pool;

use crate::peer::ClientKey;

/// Of a worker's memory one client may hold this part: four of them can shut the others out, and
/// no single one.
const SHARE_OF_ONE: usize = 4;
/// What an exchange holds at the most while its client stands still, beside what is counted by
/// itself (longer heads, larger buffers, what waits in an outbox): 4 KiB of head, 16 KiB of
/// response, and its own state.
pub(crate) const EXCHANGE_BYTES: usize = 24 * 1024;

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
    use std::net::IpAddr;

    use wire::account::Account;

    use super::*;

    fn key(text: &str) -> ClientKey {
        ClientKey::of(text.parse().unwrap())
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
