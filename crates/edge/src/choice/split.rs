//! While a new release is being tried on a share of the requests: which of the two answers one.
//!
//! A client is drawn a number once. The new release answers it if the number is below the share,
//! so that, as the share grows, a client moves from the old release to the new one and never back,
//! and moves back once when the new one is taken away. Where requests are balanced by a hash, that
//! is the number; otherwise the client keeps it in a signed cookie.

use std::cell::Cell;
use std::collections::BTreeSet;

use balance::Key;
use model::{InstanceName, ServiceName};
use wire::head::RequestHead;

use crate::choice::sticky;
use crate::snapshot::LocalService;
use crate::worker::Worker;

/// The cookie that keeps a client's number for its session: one for each service, as several may be
/// deployed at once.
pub(crate) fn cookie_of(service: &ServiceName) -> String {
    format!("plimsoll_release-{service}")
}

/// How requests are split between two releases.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The share of the new one, from 0 to 1.
    pub share: f64,
    /// Its instances.
    pub fresh: BTreeSet<InstanceName>,
}

/// The same, by the places of the instances.
#[derive(Clone, Debug)]
pub(crate) struct SplitPlan {
    share: f64,
    is_fresh: Vec<bool>,
    cookie: String,
}

/// Which release answers a request.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    plan: &'a SplitPlan,
    is_fresh: bool,
    /// The number, if the client does not have it yet.
    pub(crate) drawn: Option<u64>,
}

impl SplitPlan {
    pub(crate) fn new<'a>(
        split: &Split,
        service: &ServiceName,
        names: impl Iterator<Item = &'a InstanceName>,
    ) -> Self {
        let is_fresh = names.map(|name| split.fresh.contains(name)).collect();
        Self { share: split.share, is_fresh, cookie: cookie_of(service) }
    }

    /// Whether the instance at `place` is of the new release.
    pub(crate) fn is_fresh(&self, place: usize) -> bool {
        self.is_fresh.get(place) == Some(&true)
    }

    /// Which release answers the client whose number this is.
    fn side(&self, number: u64, drawn: Option<u64>) -> Side<'_> {
        let part = (number >> 11) as f64 / (1u64 << 53) as f64;
        Side { plan: self, is_fresh: part < self.share, drawn }
    }
}

impl Side<'_> {
    /// Whether it is the new release.
    pub(crate) fn is_fresh(self) -> bool {
        self.is_fresh
    }

    /// The other release.
    pub(crate) fn other(self) -> Self {
        Self { is_fresh: !self.is_fresh, ..self }
    }

    /// Whether the instance at `place` is of the release that is to answer.
    pub(crate) fn has(self, place: usize) -> bool {
        self.plan.is_fresh.get(place) == Some(&self.is_fresh)
    }
}

/// Which release answers a request, where there are two. `key` is the hash by which the service
/// balances, if it does; `drawn` keeps the number that is drawn for the client, where it needs one.
pub(crate) fn side_of<'a>(
    worker: &Worker,
    service: &'a LocalService,
    head: &RequestHead,
    key: Option<Key>,
    drawn: &Cell<Option<u64>>,
) -> Option<Side<'a>> {
    let plan = service.split.as_ref()?;
    if let Some(key) = key {
        return Some(plan.side(key.hash(), None));
    }
    let secret = &worker.shared.sticky_key;
    if let Some(number) = sticky::number(secret, &service.service, head, &plan.cookie) {
        return Some(plan.side(number, None));
    }
    let number = drawn.get().unwrap_or_else(|| worker.rng.borrow_mut().u64(..));
    drawn.set(Some(number));
    Some(plan.side(number, Some(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(share: f64) -> SplitPlan {
        let names: Vec<InstanceName> = ["old-1", "old-2", "new-1"].map(InstanceName::from).into();
        let split = Split { share, fresh: ["new-1".into()].into() };
        SplitPlan::new(&split, &"api".into(), names.iter())
    }

    #[test]
    fn a_share_of_all_numbers_goes_to_the_new_release() {
        let mut rng = fastrand::Rng::with_seed(7);
        let plan = plan(0.05);
        let fresh = (0..100_000).filter(|_| plan.side(rng.u64(..), None).has(2)).count();
        assert!((4_700..5_300).contains(&fresh), "{fresh}");
    }

    #[test]
    fn a_client_moves_to_the_new_release_once_as_its_share_grows() {
        let mut rng = fastrand::Rng::with_seed(8);
        for _ in 0..1000 {
            let number = rng.u64(..);
            let sides = [0.05, 0.25, 0.5, 1.0].map(|share| plan(share).side(number, None).has(2));
            assert!(sides.is_sorted(), "{sides:?}");
            assert!(sides[3]);
        }
    }

    #[test]
    fn a_side_has_its_own_instances_only() {
        let old = plan(0.0);
        assert_eq!(
            [0, 1, 2, 3].map(|place| old.side(0, None).has(place)),
            [true, true, false, false]
        );
    }
}
