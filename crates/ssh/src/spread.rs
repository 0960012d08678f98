//! How instances are spread over hosts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::{InstanceName, RemoteHost, ServiceName};

/// A release as far as its instances are spread: the service, and the version.
type Release = (ServiceName, String);

/// How many instances of each release are on each host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seats(Arc<Mutex<BTreeMap<(RemoteHost, Release), usize>>>);

/// That an instance is on a host, until this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    host: RemoteHost,
    release: Release,
}

impl Seats {
    /// A seat on one of `hosts`, of which there is one at least: on that with the fewest instances of the release, and by the
    /// number of the instance where several have as few.
    pub(crate) fn choose(
        &self,
        hosts: &[RemoteHost],
        release: Release,
        instance: &InstanceName,
    ) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = number(instance) % hosts.len().max(1);
        let in_turn = hosts[first..].iter().chain(&hosts[..first]);
        let count = |host: &&RemoteHost| {
            taken.get(&((*host).clone(), release.clone())).copied().unwrap_or(0)
        };
        let host = in_turn.min_by_key(count)?.clone();
        *taken.entry((host.clone(), release.clone())).or_default() += 1;
        Some(Seat { seats: self.clone(), host, release })
    }

    /// The seat of an instance that is on `host` already.
    pub(crate) fn keep(&self, host: &RemoteHost, release: Release) -> Seat {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *taken.entry((host.clone(), release.clone())).or_default() += 1;
        Seat { seats: self.clone(), host: host.clone(), release }
    }

    /// Whether any instance is on `host`.
    pub(crate) fn is_used(&self, host: &RemoteHost) -> bool {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.keys().any(|(used, _)| used == host)
    }
}

impl Seat {
    /// Where.
    pub(crate) fn host(&self) -> &RemoteHost {
        &self.host
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = (self.host.clone(), self.release.clone());
        if let Some(count) = taken.get_mut(&seat) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&seat);
            }
        }
    }
}

/// The number at the end of an instance's name, which no other of its service has.
fn number(instance: &InstanceName) -> usize {
    let last = instance.as_str().rsplit('-').next();
    last.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Vec<RemoteHost> {
        ["a", "b", "c"].map(|name| name.parse().unwrap()).into()
    }

    fn release(version: &str) -> Release {
        ("api".into(), version.to_owned())
    }

    #[test]
    fn each_release_is_spread_evenly_and_a_place_that_is_free_again_is_taken() {
        let (seats, hosts) = (Seats::default(), hosts());
        let take = |number: usize, version: &str| {
            let name = InstanceName::from(format!("api-{number}"));
            seats.choose(&hosts, release(version), &name).unwrap()
        };
        let old: Vec<_> = (1..=5).map(|number| take(number, "1")).collect();
        let places: Vec<_> = old.iter().map(|seat| seat.host().as_str()).collect();
        assert_eq!(places, ["b", "c", "a", "b", "c"]);
        // What runs of another release does not count.
        let new: Vec<_> = (6..=8).map(|number| take(number, "2")).collect();
        let places: Vec<_> = new.iter().map(|seat| seat.host().as_str()).collect();
        assert_eq!(places, ["a", "b", "c"]);
        drop(new.into_iter().nth(1));
        assert!(seats.is_used(&hosts[0]), "of the other release");
        drop(old.into_iter().nth(2));
        assert!(!hosts.iter().any(|host| seats.is_used(host)));
    }

    #[test]
    fn one_by_one_a_release_that_is_started_anew_stays_spread() {
        let (seats, hosts) = (Seats::default(), hosts()[..2].to_vec());
        let take = |number: usize| {
            let name = InstanceName::from(format!("api-{number}"));
            seats.choose(&hosts, release("1"), &name).unwrap()
        };
        for gone_first in [0, 1] {
            let mut all = vec![take(1), take(2)];
            let newer = take(3);
            all.remove(gone_first);
            let newest = take(4);
            all.clear();
            assert_ne!(newer.host(), newest.host());
        }
    }

    #[test]
    fn an_instance_that_was_found_counts() {
        let (seats, hosts) = (Seats::default(), hosts()[..2].to_vec());
        let _found = seats.keep(&hosts[1], release("1"));
        let name = InstanceName::from("api-1".to_owned());
        assert_eq!(seats.choose(&hosts, release("1"), &name).unwrap().host(), &hosts[0]);
        assert!(seats.choose(&[], release("1"), &name).is_none());
    }
}
