//! How often an address may show a wrong token. What it counts is bounded, and forgotten.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many wrong tokens of one address are answered with what is wrong in each [`SPAN`].
const WRONG_MAX: u32 = 10;
/// After this an address begins anew.
const SPAN: Duration = Duration::from_secs(60);
/// Addresses that are remembered. Who has more than these to try from is not kept out by counting.
const ADDRESSES_MAX: usize = 4096;

/// The wrong tokens of each address.
#[derive(Debug, Default)]
pub(crate) struct Tries(Mutex<HashMap<IpAddr, Wrong>>);

#[derive(Debug)]
struct Wrong {
    count: u32,
    since: Instant,
}

impl Tries {
    /// Whether `address` has to wait, whatever it shows: its token is not looked at, or there would be
    /// no end of guesses.
    pub(crate) fn is_over(&self, address: IpAddr, now: Instant) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&address).is_some_and(|wrong| wrong.holds(now) && wrong.count >= WRONG_MAX)
    }

    /// Counts a wrong token of `address`.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&address) {
            all.retain(|_, wrong| wrong.holds(now));
            if all.len() >= ADDRESSES_MAX {
                return;
            }
        }
        let wrong = all.entry(address).or_insert(Wrong { count: 0, since: now });
        if !wrong.holds(now) {
            *wrong = Wrong { count: 0, since: now };
        }
        wrong.count += 1;
    }
}

impl Wrong {
    fn holds(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < SPAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_to_wait_until_its_time_is_over_and_no_other_with_it() {
        let (tries, now) = (Tries::default(), Instant::now());
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..WRONG_MAX {
            assert!(!tries.is_over(one, now));
            tries.count(one, now);
        }
        assert!(tries.is_over(one, now) && !tries.is_over(other, now));
        assert!(tries.is_over(one, now + SPAN - Duration::from_millis(1)));
        assert!(!tries.is_over(one, now + SPAN));
        tries.count(one, now + SPAN);
        assert!(!tries.is_over(one, now + SPAN), "it begins anew");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_makes_room_again() {
        let (tries, now) = (Tries::default(), Instant::now());
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        (0..10_000).for_each(|number| tries.count(address(number), now));
        assert_eq!(tries.0.lock().unwrap().len(), ADDRESSES_MAX);
        tries.count(address(20_000), now + SPAN);
        assert_eq!(tries.0.lock().unwrap().len(), 1);
    }
}
