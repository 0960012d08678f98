//! Evidence that accumulates as data comes, and may be looked at whenever one likes.
//!
//! An *e-process* is a bet against a hypothesis: it begins with 1 and, as long as the hypothesis is
//! true, cannot be expected to grow. So the chance that it *ever* reaches `1 / alpha` is at most
//! `alpha` (Ville's inequality), however often it is looked at and whenever one stops: a threshold
//! for a fixed number of requests would be crossed by chance sooner or later.
//!
//! Two hypotheses are bet against. That the new release fails no more often than the old one: the
//! e-variable for two samples of R. Turner, A. Ly and P. Grünwald, "Generic E-variables for exact
//! sequential k-sample tests that allow for optional stopping", 2021 (arXiv:2106.02693), theorem 1.
//! That it fails no more often than a limit: the likelihood ratio. In both the alternative is not
//! one rate but a mixture over [`LIFTS`], since nobody knows how bad a bad release is; a mixture of
//! e-processes is one too.

/// By how much a bad release's failures exceed what is allowed, as a share of what is left to 1.
const LIFTS: [f64; 8] = [0.003, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 0.9];

/// What is taken to be known of the old release's rate before it has answered anything: half a
/// failure in twenty requests. Its only effect is on how fast evidence grows.
const PRIOR: Counts = Counts { requests: 20.0, errors: 0.5 };

/// Requests and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) requests: f64,
    pub(super) errors: f64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.errors += other.errors;
    }

    /// The logarithm of how likely these are at the failure rate `rate`, but for a factor that all
    /// rates have in common.
    fn log_likelihood(self, rate: f64) -> f64 {
        let term = |count: f64, chance: f64| if count > 0.0 { count * chance.ln() } else { 0.0 };
        term(self.errors, rate) + term(self.requests - self.errors, 1.0 - rate)
    }
}

/// An equal mixture of bets, one for each of [`LIFTS`], by the logarithms of what they are worth.
#[derive(Clone, Debug, Default)]
struct Mixture([f64; LIFTS.len()]);

impl Mixture {
    /// Multiplies each bet by what `gain` says, the logarithm of a factor, for its lift.
    fn bet(&mut self, gain: impl Fn(f64) -> f64) {
        for (worth, lift) in self.0.iter_mut().zip(LIFTS) {
            *worth += gain(lift);
        }
    }

    /// The logarithm of what all bets are worth together.
    fn worth(&self) -> f64 {
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.0.iter().map(|worth| (worth - most).exp()).sum();
        most + (sum / LIFTS.len() as f64).ln()
    }
}

fn lifted(rate: f64, lift: f64) -> f64 {
    rate + (1.0 - rate) * lift
}

/// Evidence that the new release fails more often than the old one.
///
/// Both are compared on blocks of requests of the same time. While the old one gets none, blocks of
/// it that were not needed before take their place, the latest first; each is used once.
#[derive(Clone, Debug, Default)]
pub(super) struct AgainstOld {
    bets: Mixture,
    /// Of the old release, what has been compared already.
    known: Counts,
    /// What has not, the latest last.
    reserve: Vec<Counts>,
}

/// Blocks that are kept in reserve: some minutes' worth, lest an old release of long ago counts.
const RESERVE_MAX: usize = 1024;

impl AgainstOld {
    /// Takes one block of each up.
    pub(super) fn observe(&mut self, canary: Counts, stable: Counts) {
        if stable.requests > 0.0 {
            if self.reserve.len() == RESERVE_MAX {
                self.reserve.remove(0);
            }
            self.reserve.push(stable);
        }
        if canary.requests == 0.0 {
            return;
        }
        let mut stable = Counts::default();
        while stable.requests < canary.requests
            && let Some(block) = self.reserve.pop()
        {
            stable.add(block);
        }
        if stable.requests == 0.0 {
            return;
        }
        // The bet is made by what was known before the block is looked at.
        let rate = (self.known.errors + PRIOR.errors) / (self.known.requests + PRIOR.requests);
        let all = canary.requests + stable.requests;
        self.bets.bet(|lift| {
            let worse = lifted(rate, lift);
            let common = (canary.requests * worse + stable.requests * rate) / all;
            canary.log_likelihood(worse) + stable.log_likelihood(rate)
                - canary.log_likelihood(common)
                - stable.log_likelihood(common)
        });
        self.known.add(stable);
    }

    /// The logarithm of the evidence.
    pub(super) fn worth(&self) -> f64 {
        self.bets.worth()
    }
}

/// Evidence that a release fails more often than a limit allows.
#[derive(Clone, Debug)]
pub(super) struct AgainstLimit {
    bets: Mixture,
    limit: f64,
}

impl AgainstLimit {
    /// None yet against `limit`, above 0 and below 1.
    pub(super) fn new(limit: f64) -> Self {
        Self { bets: Mixture::default(), limit }
    }

    /// Takes a block up.
    pub(super) fn observe(&mut self, canary: Counts) {
        let limit = self.limit;
        self.bets
            .bet(|lift| canary.log_likelihood(lifted(limit, lift)) - canary.log_likelihood(limit));
    }

    /// The logarithm of the evidence.
    pub(super) fn worth(&self) -> f64 {
        self.bets.worth()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: u32, errors: u32) -> Counts {
        Counts { requests: requests.into(), errors: errors.into() }
    }

    fn binomial(n: u32, k: u32, p: f64) -> f64 {
        let choose = (1..=k).fold(1.0, |product, i| product * f64::from(n - k + i) / f64::from(i));
        choose * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32)
    }

    /// The expectation of what a bet on a block is worth after it, both releases failing at `rate`.
    #[test]
    fn no_bet_is_expected_to_win_against_equal_releases() {
        for rate in [0.001, 0.02, 0.1, 0.5, 0.9] {
            for known in [counts(0, 0), counts(100, 0), counts(100, 7), counts(100, 95)] {
                let mut expected = 0.0;
                for (canary, stable) in (0..=6).flat_map(|k| (0..=8).map(move |l| (k, l))) {
                    let mut evidence = AgainstOld { known, ..AgainstOld::default() };
                    evidence.observe(counts(6, canary), counts(8, stable));
                    let chance = binomial(6, canary, rate) * binomial(8, stable, rate);
                    expected += chance * evidence.worth().exp();
                }
                assert!(expected <= 1.0 + 1e-9, "{expected} at {rate}, knowing {known:?}");
            }
        }
    }

    #[test]
    fn no_bet_is_expected_to_win_against_a_release_within_the_limit() {
        for (rate, limit) in [(0.01, 0.01), (0.001, 0.01), (0.05, 0.2), (0.2, 0.2)] {
            let worth = |k| {
                let mut evidence = AgainstLimit::new(limit);
                evidence.observe(counts(20, k));
                evidence.worth().exp()
            };
            let expected: f64 = (0..=20).map(|k| binomial(20, k, rate) * worth(k)).sum();
            assert!(expected <= 1.0 + 1e-9, "{expected} at {rate} within {limit}");
        }
    }

    #[test]
    fn a_release_that_fails_everything_is_known_within_a_few_requests() {
        let mut evidence = AgainstOld::default();
        evidence.observe(counts(0, 0), counts(30, 0));
        evidence.observe(counts(10, 10), counts(10, 0));
        assert!(evidence.worth() > 200_f64.ln(), "{}", evidence.worth());
        let mut evidence = AgainstLimit::new(0.01);
        evidence.observe(counts(3, 3));
        assert!(evidence.worth() > 400_f64.ln(), "{}", evidence.worth());
    }

    #[test]
    fn without_an_old_release_there_is_no_evidence_against_it() {
        let mut evidence = AgainstOld::default();
        evidence.observe(counts(1000, 1000), counts(0, 0));
        assert_eq!(evidence.worth(), 0.0);
    }

    #[test]
    fn what_the_old_release_answered_before_stands_in_once_it_gets_nothing() {
        let mut evidence = AgainstOld::default();
        for _ in 0..5 {
            evidence.observe(counts(0, 0), counts(20, 0));
        }
        let blocks: Vec<f64> = (0..8)
            .map(|_| {
                evidence.observe(counts(20, 5), counts(0, 0));
                evidence.worth()
            })
            .collect();
        assert!(blocks[4] > 5.0 && blocks[4] > blocks[0], "{blocks:?}");
        assert_eq!(blocks[7], blocks[4], "what is used up is not used again");
    }
}
