//! Which instance of a service fails more often than its siblings, and since when: watched all the time, beside and between deploys.
//!
//! Given that one of the attempts by a route in a second failed, it fell on an instance with the chance of its part of those attempts, if all are alike, whatever makes
//! requests fail. A block of ten seconds bets on the mean of that: `1 + bet * mean(1[fell on it] - q)`, whose expectation is 1 and which wins the same however many
//! failures a block has, for they may all have one cause. The worth goes into a detector that forgets (`detector`), so that a service in which all instances are alike has one named
//! once a year of blocks with failures at the most. Why: docs/decisions/0099-instances-are-watched-all-the-time.md.
//!
//! Pure: it is told what became of attempts, a second at a time.

mod suspect;

use std::collections::BTreeMap;
use std::time::Duration;

use model::InstanceName;

use suspect::Suspect;

/// How long a block is at least.
pub const BLOCK: Duration = Duration::from_secs(10);

/// Blocks of a year: on average one is named by mistake in so many.
const YEAR: f64 = 365.25 * 86_400.0 / BLOCK.as_secs() as f64;

/// What became of attempts in a second, by route: of each by instance. Only of such whose instance was chosen by balancing, for each by itself.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// One for each route.
    pub strata: Vec<Stratum>,
}

/// Attempts by one route in one second.
#[derive(Clone, Debug, Default)]
pub struct Stratum(pub Vec<Part>);

/// Attempts on one instance, by one route in one second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which instance.
    pub instance: InstanceName,
    /// All.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
}

/// An instance that fails more often than its siblings.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlier {
    /// Which.
    pub instance: InstanceName,
    /// Since when it may have, in the machine's time.
    pub since: Duration,
    /// Failures since then that fell on it, and of how many attempts.
    pub failed: u64,
    /// Attempts on it since then.
    pub requests: u64,
    /// Failures on all instances meanwhile.
    pub failed_all: u64,
    /// Attempts on all.
    pub requests_all: u64,
}

/// What is new.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It is named.
    Named(Outlier),
    /// It fails no more often than the others any longer.
    Recovered(InstanceName),
}

/// Watches the instances of one service.
#[derive(Debug, Default)]
pub struct Outliers {
    suspects: BTreeMap<InstanceName, Suspect>,
    /// When the block began.
    began: Duration,
}

impl Outliers {
    /// Forgets all instances but these.
    pub fn keep(&mut self, is_there: impl Fn(&InstanceName) -> bool) {
        self.suspects.retain(|name, _| is_there(name));
    }

    /// Takes up what became of attempts in the second before `now`. A second in which an instance came to get requests, or none any more, is not to be told:
    /// which of them failed decided then who was asked.
    pub fn take(&mut self, now: Duration, second: &Second) -> Vec<News> {
        second.strata.iter().for_each(|stratum| self.count(now, stratum));
        if now.saturating_sub(self.began) < BLOCK {
            return Vec::new();
        }
        self.began = now;
        let mut news = Vec::new();
        let enough = (YEAR * self.suspects.len().max(2) as f64).ln();
        for (name, suspect) in &mut self.suspects {
            suspect.close(now);
            if let Some(outlier) = suspect.name(name, enough) {
                news.push(News::Named(outlier));
            } else if suspect.recovers() {
                news.push(News::Recovered(name.clone()));
            }
        }
        news
    }

    /// Those that are named.
    pub fn named(&self) -> impl Iterator<Item = &Outlier> {
        self.suspects.values().filter_map(|suspect| suspect.outlier.as_ref())
    }

    fn count(&mut self, now: Duration, Stratum(parts): &Stratum) {
        let all: u64 = parts.iter().map(|part| part.requests).sum();
        let failed: u64 = parts.iter().map(|part| part.failed).sum();
        // With one instance there is nothing to compare.
        if parts.iter().filter(|part| part.requests > 0).count() < 2 {
            return;
        }
        for part in parts {
            let suspect =
                self.suspects.entry(part.instance.clone()).or_insert_with(|| Suspect::new(now));
            let chance = part.requests as f64 / all as f64;
            suspect.count(suspect::Fell { part, chance, failed, all });
        }
    }
}

#[cfg(test)]
mod tests;
