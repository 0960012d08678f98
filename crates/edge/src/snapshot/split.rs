//! While a new release is being tried on a share of the requests: which of the two answers one.
//!
//! A client is drawn a number once. The new release answers it if the number is below the share,
//! so that, as the share grows, a client moves from the old release to the new one and never back,
//! and moves back once when the new one is taken away. Where requests are balanced by a hash, that
//! is the number; otherwise the client keeps it in a signed cookie.
//!
//! A request that asks for the new release by its version ([`PreviewRule`]) is drawn nothing: the new one answers it, at any
//! share.

use std::cell::Cell;
use std::collections::BTreeSet;

use balance::Key;
use model::{InstanceName, Preview, ServiceName};
use wire::head::RequestHead;

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
    /// How a request asks for it, if it may.
    pub preview: Option<PreviewRule>,
}

/// How a request asks for the new release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewRule {
    /// The part of the request that says so.
    pub by: Preview,
    /// What stands there then: the new release's version.
    pub version: String,
}

/// The same, by the places of the instances.
#[derive(Clone, Debug)]
pub(crate) struct SplitPlan {
    share: f64,
    is_canary: Vec<bool>,
    cookie: String,
    preview: Option<PreviewRule>,
}

/// Which release answers a request.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    plan: &'a SplitPlan,
    is_canary: bool,
    number: Number,
}

/// Where a client's number is from, by which it stays with a release.
#[derive(Clone, Copy, Debug)]
enum Number {
    /// The hash by which the service balances.
    Key,
    /// The client's cookie.
    Cookie,
    /// It was drawn, for the client has none yet.
    Drawn(u64),
    /// There is none: the request asks for the new release.
    Asked,
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
    /// The request itself: it asks for the new release by its version.
    Preview,
}

impl PreviewRule {
    /// Whether a request with this head asks for the new release.
    fn is_met_by(&self, head: &RequestHead) -> bool {
        let version = self.version.as_bytes();
        match &self.by {
            Preview::Header(name) => head.fields.named(name.as_bytes()).any(|it| it == version),
            Preview::Cookie(name) => head.cookie(name.as_bytes()) == Some(version),
        }
    }
}

impl SplitPlan {
    pub(crate) fn new<'a>(
        split: &Split,
        service: &ServiceName,
        names: impl Iterator<Item = &'a InstanceName>,
    ) -> Self {
        let is_canary = names.map(|name| split.canary.contains(name)).collect();
        let (share, preview) = (split.share, split.preview.clone());
        Self { share, is_canary, cookie: cookie_of(service), preview }
    }

    /// Whether the instance at `place` is of the new release.
    pub(crate) fn is_canary(&self, place: usize) -> bool {
        self.is_canary.get(place) == Some(&true)
    }

    /// The cookie that keeps a client's number.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The new release, if a request with this head asks for it.
    pub(crate) fn asked(&self, head: &RequestHead) -> Option<Group<'_>> {
        let rule = self.preview.as_ref()?;
        let group = || Group { plan: self, is_canary: true, number: Number::Asked };
        rule.is_met_by(head).then(group)
    }

    /// Which release answers a request that does not ask for one. `key` is the hash by which the service balances, if it does, and
    /// `kept` the number in the client's cookie; `drawn` keeps the one that is drawn for the client, where
    /// it needs one.
    pub(crate) fn side_of(
        &self,
        key: Option<Key>,
        kept: Option<u64>,
        drawn: &Cell<Option<u64>>,
        entropy: &mut impl FnMut() -> u64,
    ) -> Group<'_> {
        let (value, number) = match (key, kept) {
            (Some(key), _) => (key.hash(), Number::Key),
            (None, Some(kept)) => (kept, Number::Cookie),
            (None, None) => {
                let number = drawn.get().unwrap_or_else(entropy);
                drawn.set(Some(number));
                (number, Number::Drawn(number))
            }
        };
        self.group(value, number)
    }

    /// Which release answers the client whose number is `value`.
    fn group(&self, value: u64, number: Number) -> Group<'_> {
        let part = (value >> 11) as f64 / (1u64 << 53) as f64;
        Group { plan: self, is_canary: part < self.share, number }
    }
}

impl Group<'_> {
    /// The number, if the client does not have it yet.
    pub(crate) fn drawn(self) -> Option<u64> {
        match self.number {
            Number::Drawn(number) => Some(number),
            Number::Key | Number::Cookie | Number::Asked => None,
        }
    }

    /// What decided for it.
    pub(crate) fn by(self) -> ReleaseBy {
        match self.number {
            Number::Key => ReleaseBy::Key,
            Number::Cookie => ReleaseBy::Cookie,
            Number::Drawn(_) => ReleaseBy::Chance,
            Number::Asked => ReleaseBy::Preview,
        }
    }

    /// Whether it is the new release.
    pub(crate) fn is_canary(self) -> bool {
        self.is_canary
    }

    /// Whether the request asks for it: then no other answers.
    pub(crate) fn is_asked(self) -> bool {
        matches!(self.number, Number::Asked)
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
        let split = Split { share, canary: ["new-1".into()].into(), preview: None };
        SplitPlan::new(&split, &"api".into(), names.iter())
    }

    #[test]
    fn a_share_of_all_numbers_goes_to_the_new_release() {
        let mut rng = fastrand::Rng::with_seed(7);
        let plan = plan(0.05);
        let canary = (0..100_000).filter(|_| plan.group(rng.u64(..), Number::Key).has(2)).count();
        assert!((4_700..5_300).contains(&canary), "{canary}");
    }

    #[test]
    fn a_client_moves_to_the_new_release_once_as_its_share_grows() {
        let mut rng = fastrand::Rng::with_seed(8);
        for _ in 0..1000 {
            let number = rng.u64(..);
            let sides = [0.05, 0.25, 0.5, 1.0]
                .map(|share| plan(share).group(number, Number::Cookie).has(2));
            assert!(sides.is_sorted(), "{sides:?}");
            assert!(sides[3]);
        }
    }

    #[test]
    fn a_side_has_its_own_instances_only() {
        let old = plan(0.0);
        assert_eq!(
            [0, 1, 2, 3].map(|place| old.group(0, Number::Cookie).has(place)),
            [true, true, false, false]
        );
    }
}
