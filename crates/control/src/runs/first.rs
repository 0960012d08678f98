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
    /// Whether what is to run before it has ended well.
    is_prepared: bool,
    /// When what its instances wrote was told last, and what.
    output: Option<Output>,
}

/// What instances of a first release wrote, as it was told.
#[derive(Clone, Debug)]
struct Output {
    told_at: Duration,
    lines: Vec<String>,
}

/// What instances write differs from try to try by a time or a number: more often than this it is not told.
const OUTPUT_EVERY: Duration = Duration::from_secs(60);

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
        Self { tries: Tries::new(pace, now), release: None, is_prepared: false, output: None }
    }

    /// Whether these lines of an instance are to be told: once, and again where they have changed and some time is over.
    pub(crate) fn tells(&mut self, lines: &[String], now: Duration) -> bool {
        let is_news = self.output.as_ref().is_none_or(|output| {
            output.lines != lines && now.saturating_sub(output.told_at) >= OUTPUT_EVERY
        });
        if is_news {
            self.output = Some(Output { told_at: now, lines: lines.to_vec() });
        }
        is_news
    }

    /// Whether it has a log: it was started, be it in vain.
    pub(crate) fn has_output(&self) -> bool {
        self.output.is_some()
    }

    /// The release that was tried last, if it is that of `target`.
    fn tried(&self, target: &Target) -> Option<&Release> {
        let is_same =
            |it: &&Arc<Release>| it.version == target.version && it.recipe.follows(&target.recipe);
        self.release.as_ref().filter(is_same).map(|release| &**release)
    }

    /// A deploy of `release` begins.
    fn brings(&mut self, release: &Arc<Release>) {
        let is_same =
            |it: &Arc<Release>| it.version == release.version && it.recipe == release.recipe;
        if !self.release.as_ref().is_some_and(is_same) {
            (self.output, self.is_prepared) = (None, false);
        }
        self.release = Some(release.clone());
    }
}

impl ServiceRun {
    /// The number of the deploy that tried to bring the same as a first release.
    pub(crate) fn first_try_of(&self, target: &Target) -> Option<i64> {
        Some(self.first.as_ref()?.tried(target)?.id)
    }

    /// Whether what is to run before that first release did, in a try of it that failed later.
    pub(crate) fn is_prepared(&self, target: &Target) -> bool {
        self.first.as_ref().is_some_and(|it| it.is_prepared && it.tried(target).is_some())
    }

    /// What is to run before the first release, if it is one that is tried, has ended well.
    pub(crate) fn prepared(&mut self) {
        self.first.iter_mut().for_each(|first| first.is_prepared = true);
    }

    /// A deploy of `release` begins.
    pub(crate) fn first_tried(&mut self, purpose: Purpose, release: &Arc<Release>) {
        match purpose {
            Purpose::First => {
                if let Some(first) = &mut self.first {
                    first.brings(release);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_instance_wrote_is_told_once_and_again_when_it_has_changed_a_minute_later() {
        let mut first = FirstTries::new(Pace::default(), Duration::ZERO);
        let lines = |text: &str| [text.to_owned()];
        let told = [(0, "a"), (1, "a"), (2, "b"), (59, "b"), (60, "b"), (200, "b"), (201, "c")];
        let told = told.map(|(at, text)| first.tells(&lines(text), Duration::from_secs(at)));
        assert_eq!(told, [true, false, false, false, true, false, true]);
    }
}
