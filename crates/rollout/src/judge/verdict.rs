//! What the judge says.

use std::sync::Arc;
use std::time::Duration;

use model::InstanceName;

pub use super::latency::Percentile;
use super::trail::Example;
pub use super::window::Rate;

/// What the judge says of the new release.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Enough requests, and nothing against the new release, as far as it was compared.
    Good(Findings),
    /// It is worse: to be rolled back now.
    Worse(Fault),
    /// One of its instances is, and without that one it is not: to be replaced. So is the first of a rolling deploy, once, where it is
    /// all that there is of the release to be compared: its `basis` is not its siblings, for it has none.
    BadInstance(Fault),
    /// It responds with another class of status more often: what follows is for the rule to say.
    Changed(Fault),
    /// Too few requests to say anything good.
    NotEnoughData {
        /// Requests of the new release.
        requests: u64,
        /// How many it takes.
        needed: u64,
    },
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Requests that fail.
    Errors,
    /// How long responses take.
    Latency,
    /// 4xx.
    ClientErrors,
    /// 3xx.
    Redirects,
}

/// What was found of each aspect.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings(pub Vec<(Aspect, Finding)>);

/// What was found of one aspect.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Compared, and nothing speaks against the new release.
    BetterOrEqual {
        /// Of the new release.
        canary: Rate,
        /// Of what it was compared with.
        stable: Rate,
        /// What that is.
        basis: Basis,
    },
    /// It is worse.
    Worse(Fault),
    /// It was not compared.
    NotCompared(NotCompared),
    /// The new release had too few requests.
    NotEnoughData {
        /// So many.
        requests: u64,
        /// How many it takes.
        needed: u64,
    },
}

/// Why something was not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCompared {
    /// The old release had so few requests, over the same time and before it.
    FewOfOld(u64),
    /// There is no old release.
    NoOld,
    /// The instances are younger than `warm_up`.
    Young,
    /// The rule does not ask for it.
    ByRule,
}

/// What the new release was compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Basis {
    /// The old release, over requests of the same time, which chance divided between them.
    SameTime,
    /// What the old release did before: not a fair comparison, where the world changes.
    Past,
    /// A limit on the share that may fail.
    Limit(f64),
    /// The same as at the same time, of less: its instances were ejected since.
    Ejected,
    /// The other instances of the new release.
    Siblings,
}

/// In which way a release, or an instance of it, is worse.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// In which aspect.
    pub aspect: Aspect,
    /// Compared with what.
    pub basis: Basis,
    /// On this route, by its name, if it is one; or by no name that is known.
    pub route: Option<Arc<str>>,
    /// This instance alone.
    pub instance: Option<InstanceName>,
    /// Of the new release, since then.
    pub canary: Rate,
    /// Of what it is compared with, since then.
    pub stable: Rate,
    /// How many hits the new release would have had, by that.
    pub expected: f64,
    /// Such a difference comes by chance once in so many releases that are no worse, at the most.
    pub one_in: f64,
    /// Since when, in the machine's time.
    pub since: Duration,
    /// The new release's instances that were hit, those that were hit most first.
    pub struck: Vec<Struck>,
    /// Some of the requests, the latest first; none where nothing but counts is known.
    pub examples: Vec<Example>,
    /// From how few addresses all requests came, where clients cannot be told apart.
    pub addresses: Option<usize>,
    /// What counts as slow, for latency.
    pub slow: Option<Slow>,
}

/// An instance of the new release that was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// Which.
    pub instance: InstanceName,
    /// How often.
    pub hits: u64,
}

/// What counts as slow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slow {
    /// Which percentile of the old release's it is measured by.
    pub percentile: Percentile,
    /// What that is; `None` where routes differ.
    pub usual: Option<Duration>,
    /// More than this is slow for the new release; `None` where routes differ.
    pub allowed: Option<Duration>,
}
