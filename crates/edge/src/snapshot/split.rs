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
    pub canary: BTreeSet<InstanceName>,
}

/// The same, by the places of the instances.
#[derive(Clone, Debug)]
pub(crate) struct SplitPlan {
    share: f64,
    is_canary: Vec<bool>,
    cookie: String,
}

/// Which release answers a request.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    plan: &'a SplitPlan,
    is_canary: bool,
    number: Number,
}

/// A client's number, by which it stays with a release, and where it is from.
#[derive(Clone, Copy, Debug)]
enum Number {
    /// The hash by which the service balances.
    Key(u64),
    /// The client's cookie.
    Cookie(u64),
    /// It was drawn, for the client has none yet.
    Drawn(u64),
}

/// What decides for a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseBy {
    /// The hash by which the service balances.
    Key,
    /// The client's cookie, which keeps it with its release.
    Cookie,
    /// Chance: the client has no number yet.
    Chance,
}

impl SplitPlan {
    pub(crate) fn new<'a>(
        split: &Split,
        service: &ServiceName,
        names: impl Iterator<Item = &'a InstanceName>,
    ) -> Self {
        let is_canary = names.map(|name| split.canary.contains(name)).collect();
        Self { share: split.share, is_canary, cookie: cookie_of(service) }
    }

    /// Whether the instance at `place` is of the new release.
    pub(crate) fn is_canary(&self, place: usize) -> bool {
        self.is_canary.get(place) == Some(&true)
    }

    /// The cookie that keeps a client's number.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Which release answers a request. `key` is the hash by which the service balances, if it does, and
    /// `kept` the number in the client's cookie; `drawn` keeps the one that is drawn for the client, where
    /// it needs one.
    pub(crate) fn side_of(
        &self,
        key: Option<Key>,
        kept: Option<u64>,
        drawn: &Cell<Option<u64>>,
        entropy: &mut impl FnMut() -> u64,
    ) -> Group<'_> {
        self.group(match (key, kept) {
            (Some(key), _) => Number::Key(key.hash()),
            (None, Some(kept)) => Number::Cookie(kept),
            (None, None) => {
                let number = drawn.get().unwrap_or_else(entropy);
                drawn.set(Some(number));
                Number::Drawn(number)
            }
        })
    }

    /// Which release answers the client whose number this is.
    fn group(&self, number: Number) -> Group<'_> {
        let (Number::Key(value) | Number::Cookie(value) | Number::Drawn(value)) = number;
        let part = (value >> 11) as f64 / (1u64 << 53) as f64;
        Group { plan: self, is_canary: part < self.share, number }
    }
}

impl Group<'_> {
    /// The number, if the client does not have it yet.
    pub(crate) fn drawn(self) -> Option<u64> {
        match self.number {
            Number::Drawn(number) => Some(number),
            Number::Key(_) | Number::Cookie(_) => None,
        }
    }

    /// What decided for it.
    pub(crate) fn by(self) -> ReleaseBy {
        match self.number {
            Number::Key(_) => ReleaseBy::Key,
            Number::Cookie(_) => ReleaseBy::Cookie,
            Number::Drawn(_) => ReleaseBy::Chance,
        }
    }

    /// Whether it is the new release.
    pub(crate) fn is_canary(self) -> bool {
        self.is_canary
    }

    /// The other release.
    pub(crate) fn other(self) -> Self {
        Self { is_canary: !self.is_canary, ..self }
    }

    /// Whether the instance at `place` is of the release that is to answer.
    pub(crate) fn has(self, place: usize) -> bool {
        self.plan.is_canary.get(place) == Some(&self.is_canary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(share: f64) -> SplitPlan {
        let names: Vec<InstanceName> = ["old-1", "old-2", "new-1"].map(InstanceName::from).into();
        let split = Split { share, canary: ["new-1".into()].into() };
        SplitPlan::new(&split, &"api".into(), names.iter())
    }

    #[test]
    fn a_share_of_all_numbers_goes_to_the_new_release() {
        let mut rng = fastrand::Rng::with_seed(7);
        let plan = plan(0.05);
        let canary = (0..100_000).filter(|_| plan.group(Number::Drawn(rng.u64(..))).has(2)).count();
        assert!((4_700..5_300).contains(&canary), "{canary}");
    }

    #[test]
    fn a_client_moves_to_the_new_release_once_as_its_share_grows() {
        let mut rng = fastrand::Rng::with_seed(8);
        for _ in 0..1000 {
            let number = rng.u64(..);
            let sides = [0.05, 0.25, 0.5, 1.0]
                .map(|share| plan(share).group(Number::Cookie(number)).has(2));
            assert!(sides.is_sorted(), "{sides:?}");
            assert!(sides[3]);
        }
    }

    #[test]
    fn a_side_has_its_own_instances_only() {
        let old = plan(0.0);
        assert_eq!(
            [0, 1, 2, 3].map(|place| old.group(Number::Cookie(0)).has(place)),
            [true, true, false, false]
        );
    }
}
