//! The first release of a service: tried as the file names it until it stays, at the pace of
//! `restart`, as an instance that ends is ([`rollout::Tries`]).
//!
//! All tries are one deploy, with one number: a release that cannot run for a night leaves one line in the
//! history and not thousands.

use std::sync::Arc;
use std::time::Duration;

use rollout::Tries;
use rollout::instance::restart::Pace;

use super::{Purpose, ServiceRun, Target};
use crate::release::Release;

/// A first release that is retried until it is promoted.
#[derive(Clone, Debug)]
pub(crate) struct FirstTries {
    pub(crate) tries: Tries,
    /// What the last deploy of it was to bring.
    release: Option<Arc<Release>>,
}

/// How a first release stands that has not stayed yet, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstStatus {
    /// Tries that have failed, at least one.
    pub tries: u32,
    /// Why the last one did.
    pub why: String,
    /// When the next begins; `None` while one is on.
    pub again_in: Option<Duration>,
}

impl FirstTries {
    /// None yet.
    pub(crate) fn new(pace: Pace, now: Duration) -> Self {
        Self { tries: Tries::new(pace, now), release: None }
    }
}

impl ServiceRun {
    /// The number of the deploy that tried to bring the same as a first release.
    pub(crate) fn first_try_of(&self, target: &Target) -> Option<i64> {
        let release = self.first.as_ref()?.release.as_ref()?;
        let is_same = release.version == target.version && release.recipe == target.recipe;
        is_same.then_some(release.id)
    }

    /// A deploy of `release` begins.
    pub(crate) fn first_tried(&mut self, purpose: Purpose, release: &Arc<Release>) {
        match purpose {
            Purpose::First => {
                if let Some(first) = &mut self.first {
                    first.release = Some(release.clone());
                }
            }
            // What somebody wants is tried once, and told.
            Purpose::Wanted => self.first = None,
        }
    }

    /// How often the first release was tried so far.
    pub(crate) fn first_tries(&self) -> u32 {
        self.first.as_ref().map_or(0, |first| first.tries.begun())
    }

    /// How a first release stands that has failed.
    pub(crate) fn first_status(&self, now: Duration) -> Option<FirstStatus> {
        let failed = self.first.as_ref()?.tries.failed()?;
        let again_in = failed.next_at.map(|at| at.saturating_sub(now));
        Some(FirstStatus { tries: failed.tries, why: failed.why.to_owned(), again_in })
    }
}
