//! Evidence that something has become worse, which forgets by itself: a Shiryaev-Roberts e-detector.
//!
//! Each bet multiplies its worth by a factor whose expectation is at most 1 as long as nothing is worse, and before each block one more is
//! put in: `M = (M + 1) L`. So the expectation of `M` after `n` blocks is at most `n`: it reaches `c` within `n` blocks with a chance of at most
//! `n / c` (J. Ville 1939), and not before `c` blocks on average (J. Shin, A. Ramdas and A. Rinaldo 2023, "E-detectors", arXiv:2203.03532).
//! What was lost in quiet times is forgotten, since what is new is put in all the time.

/// A detector of several bets in an equal mixture, by the logarithms of what they are worth.
#[derive(Clone, Debug)]
pub(crate) struct Detector<const BETS: usize> {
    logs: [f64; BETS],
}

impl<const BETS: usize> Default for Detector<BETS> {
    fn default() -> Self {
        Self { logs: [f64::NEG_INFINITY; BETS] }
    }
}

impl<const BETS: usize> Detector<BETS> {
    /// Takes up a block that multiplies each bet by a factor, of which these are the logarithms. None wins more than `gain_max`.
    pub(crate) fn take(&mut self, gains: [f64; BETS], gain_max: f64) {
        for (log, gain) in self.logs.iter_mut().zip(gains) {
            // The logarithm of one more than it was worth.
            let one_more = log.max(0.0) + (-log.abs()).exp().ln_1p();
            *log = one_more + gain.min(gain_max);
        }
    }

    /// The logarithm of the evidence.
    pub(crate) fn worth(&self) -> f64 {
        let most = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY {
            return most;
        }
        let sum: f64 = self.logs.iter().map(|log| (log - most).exp()).sum();
        most + (sum / BETS as f64).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_worth_as_many_as_there_were_blocks_that_tell_nothing() {
        let mut detector = Detector::<3>::default();
        assert_eq!(detector.worth(), f64::NEG_INFINITY);
        (0..1000).for_each(|_| detector.take([0.0; 3], 1.0));
        assert!((detector.worth() - 1000f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn what_was_lost_is_forgotten_and_a_block_wins_no_more_than_it_may() {
        let mut late = Detector::<1>::default();
        (0..10_000).for_each(|_| late.take([-3.0], 1.0));
        let mut early = Detector::<1>::default();
        for detector in [&mut late, &mut early] {
            (0..8).for_each(|_| detector.take([50.0], 1.0));
        }
        assert!((late.worth() - early.worth()).abs() < 0.1, "as if nothing had been before");
        assert!(
            early.worth() < 8.0 + 1.0,
            "eight blocks win eight times what one may, and what is put in"
        );
    }
}
