//! What one client can do: which failures of a client count.
//!
//! A request whose release was *drawn* for it is a bet of its own. One that is *pinned* follows its client, who was drawn once, or chose:
//! of those an address bets once for each question. Two things bound what a client can bring about on
//! purpose. The first addresses that fail on the new release only are left out, so that one who has as many and
//! collects cookies of the new release counts for nothing; and of one address so many drawn failures count, so that one
//! who fails all the time does not cover what others meet. Leaving out by what was known before the failure fell keeps a bet fair,
//! and leaving out what speaks against the new release can only make it less.

use std::collections::{BTreeMap, BTreeSet};

use crate::block::{Assignment, Client, Observed};
use crate::event::Side;

/// So many addresses that fail on the new release with a pin count for nothing.
pub(super) const ATTACKERS: u32 = 8;

/// Where fewer addresses than this use a service, it stands behind another proxy or is tried from one machine: then
/// an address tells nothing, and every request counts.
pub(super) const ADDRESSES_MIN: usize = 8;

/// Before so many attempts were seen it is not known how many addresses there are.
const SEEN_MIN: u64 = 50;

/// So many drawn failures of one address count for one question.
const DRAWN_MAX: u16 = 64;

/// Addresses whose failures are remembered for one question; about 32 bytes each. Of further ones no pinned failure counts.
const CLIENTS_MAX: usize = 16_384;

/// How many addresses use a service, as far as that has to be known.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    addresses: BTreeSet<Client>,
    seen: u64,
}

/// What is known of clients' addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
    /// Too little was seen to say.
    Unknown,
    /// Fewer than [`ADDRESSES_MIN`].
    Few(usize),
    /// At least so many.
    Many,
}

impl Crowd {
    pub(super) fn see(&mut self, client: Client) {
        self.seen += 1;
        if self.addresses.len() < ADDRESSES_MIN {
            self.addresses.insert(client);
        }
    }

    /// Whether any attempt was recorded.
    pub(super) fn has_seen(&self) -> bool {
        self.seen > 0
    }

    pub(super) fn addresses(&self) -> Addresses {
        match self.addresses.len() {
            ADDRESSES_MIN.. => Addresses::Many,
            _ if self.seen < SEEN_MIN => Addresses::Unknown,
            few => Addresses::Few(few),
        }
    }
}

/// The addresses that failed, for one question.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    known: BTreeMap<Client, Known>,
    /// Addresses that failed on the new release with a pin.
    attackers: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    has_bet: bool,
    drawn: u16,
}

impl Clients {
    /// Whether a failure counts.
    pub(super) fn counts(&mut self, observed: &Observed, addresses: Addresses) -> bool {
        let place = &observed.place;
        if let Addresses::Few(_) = addresses {
            return true;
        }
        let is_full = self.known.len() >= CLIENTS_MAX && !self.known.contains_key(&observed.client);
        if is_full {
            return place.assignment == Assignment::Drawn;
        }
        let known = self.known.entry(observed.client).or_default();
        match place.assignment {
            Assignment::Drawn => {
                known.drawn = known.drawn.saturating_add(1);
                known.drawn <= DRAWN_MAX
            }
            Assignment::Pinned if known.has_bet || addresses == Addresses::Unknown => false,
            Assignment::Pinned => {
                known.has_bet = true;
                self.attackers += u32::from(place.side == Side::Canary);
                place.side == Side::Stable || self.attackers > ATTACKERS
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::block::{Fate, Place, Why};

    fn failure(client: u64, side: Side, assignment: Assignment) -> Observed {
        Observed {
            at: Duration::ZERO,
            place: Place { route: None, instance: "api-1".into(), side, assignment },
            client: Client(client),
            fate: Fate::Failed,
            status: Some(500),
            latency: Duration::ZERO,
            request_id: "".into(),
            why: Why::Failed,
        }
    }

    #[test]
    fn a_pinned_address_counts_once_and_the_first_eight_on_the_new_release_never() {
        let mut clients = Clients::default();
        let counted: Vec<u64> = (0..3)
            .flat_map(|_| 0..12)
            .filter(|client| {
                let failure = failure(*client, Side::Canary, Assignment::Pinned);
                clients.counts(&failure, Addresses::Many)
            })
            .collect();
        assert_eq!(counted, [8, 9, 10, 11]);
        let of_old = failure(100, Side::Stable, Assignment::Pinned);
        assert_eq!([1, 2].map(|_| clients.counts(&of_old, Addresses::Many)), [true, false]);
    }

    #[test]
    fn drawn_failures_of_an_address_count_up_to_a_bound_wherever_they_fall() {
        let mut clients = Clients::default();
        let counted = (0..1_000).filter(|n| {
            let side = if n % 2 == 0 { Side::Canary } else { Side::Stable };
            clients.counts(&failure(7, side, Assignment::Drawn), Addresses::Many)
        });
        assert_eq!(counted.count(), usize::from(DRAWN_MAX));
    }

    #[test]
    fn behind_one_address_every_request_counts() {
        let mut crowd = Crowd::default();
        (0..SEEN_MIN).for_each(|n| {
            assert_eq!(crowd.addresses(), Addresses::Unknown);
            crowd.see(Client(n % 3));
        });
        assert_eq!(crowd.addresses(), Addresses::Few(3));
        let mut clients = Clients::default();
        let failure = failure(1, Side::Canary, Assignment::Pinned);
        assert!((0..9).all(|_| clients.counts(&failure, crowd.addresses())));
        (0..8).for_each(|n| crowd.see(Client(n)));
        assert_eq!(crowd.addresses(), Addresses::Many);
    }

    #[test]
    fn memory_is_bounded() {
        let mut clients = Clients::default();
        for client in 0..CLIENTS_MAX as u64 * 2 {
            clients.counts(&failure(client, Side::Stable, Assignment::Pinned), Addresses::Many);
        }
        assert_eq!(clients.known.len(), CLIENTS_MAX);
        let of_new = failure(u64::MAX, Side::Stable, Assignment::Drawn);
        assert!(clients.counts(&of_new, Addresses::Many), "a draw needs no memory");
    }
}
