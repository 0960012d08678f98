//! A bet on where failures fall: evidence that accumulates as data comes, and may be looked at whenever one likes.
//!
//! Given that a request failed, the chance that it fell on the new release is the new release's share `q` of the
//! requests, if that is no worse; it is `q r / (q r + 1 - q)` if it fails `r` times as often. The bet multiplies its worth by the ratio
//! of the two chances of what came, for a mixture of `r`. It begins with 1 and cannot be expected to grow as long as
//! the new release is no worse: an e-process (Wald's mixture SPRT; R. Turner, A. Ly and P. Grünwald 2021, arXiv:2106.02693; I. Waudby-Smith
//! and A. Ramdas 2023). So the chance that it *ever* reaches `1 / alpha` is at most `alpha` (J. Ville 1939).
//!
//! Two things are added, and neither can make its expectation greater. Half of the worth is held back and
//! put in little by little as failures come, so that a fault that begins after an hour of equal failures is not bet against
//! with what that hour has lost (mixtures over the time of a change: J. Shin, A. Ramdas and A. Rinaldo 2023).
//! And what one block can win is bounded: no single moment condemns a release.

use crate::block::Assignment;
use crate::event::Side;

/// How many times as often a bad release fails, in an equal mixture.
const RATIOS: [f64; 5] = [1.3, 2.0, 4.0, 10.0, 100.0];

/// The greatest ratio that is bet on what a client may have brought about (`clients`): it cannot make more than
/// double of the worth by one failure, nor take more than half of it.
const PINNED_RATIO_MAX: f64 = 2.0;

/// After so many blocks with failures, half of what was held back is put in.
const HALF_PUT_IN: f64 = 240.0;

/// Failures that have the same chance to fall on the new release.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stake {
    /// The chance of each to have fallen on the new release if it is no worse.
    pub(super) share: f64,
    /// Where they fell.
    pub(super) side: Side,
    /// How many.
    pub(super) count: f64,
    /// Whether chance decided where, or its client may have.
    pub(super) assignment: Assignment,
}

/// A bet, by the logarithms of what it is worth.
#[derive(Clone, Debug)]
pub(super) struct Bet {
    /// For each of [`RATIOS`].
    placed: [f64; RATIOS.len()],
    held_back: f64,
    blocks: f64,
    /// Of all of these together.
    worth: f64,
}

impl Default for Bet {
    fn default() -> Self {
        Self {
            placed: [(0.5 / RATIOS.len() as f64).ln(); RATIOS.len()],
            held_back: 0.5f64.ln(),
            blocks: 0.0,
            worth: 0.0,
        }
    }
}

impl Bet {
    /// Takes up the failures of one block, which win at most `gain_max`, the logarithm of a factor.
    pub(super) fn take<'a>(&mut self, stakes: impl IntoIterator<Item = &'a Stake>, gain_max: f64) {
        let mut gains = [0.0; RATIOS.len()];
        let mut is_any = false;
        for stake in stakes.into_iter().filter(|stake| stake.tells()) {
            is_any = true;
            for (gain, ratio) in gains.iter_mut().zip(RATIOS) {
                *gain += stake.gain(ratio);
            }
        }
        if is_any {
            self.put_in();
            self.win(gains, gain_max);
        }
    }

    /// A part of what is held back joins the bets, before the block is looked at.
    fn put_in(&mut self) {
        let part = 1.0 / (HALF_PUT_IN + self.blocks);
        self.blocks += 1.0;
        let each = self.held_back + (part / RATIOS.len() as f64).ln();
        self.placed.iter_mut().for_each(|placed| *placed = log_sum(&[*placed, each]));
        self.held_back += (1.0 - part).ln();
    }

    fn win(&mut self, gains: [f64; RATIOS.len()], gain_max: f64) {
        self.placed.iter_mut().zip(gains).for_each(|(placed, gain)| *placed += gain);
        let worth = log_sum(&[log_sum(&self.placed), self.held_back]);
        let excess = worth - self.worth - gain_max;
        if excess > 0.0 {
            self.placed.iter_mut().for_each(|placed| *placed -= excess);
            self.held_back -= excess;
        }
        self.worth = worth - excess.max(0.0);
    }

    /// The logarithm of the evidence.
    pub(super) fn worth(&self) -> f64 {
        self.worth
    }
}

impl Stake {
    /// Whether it could have fallen on either release.
    pub(super) fn tells(&self) -> bool {
        self.share > 0.0 && self.share < 1.0 && self.count > 0.0
    }

    /// The logarithm of the factor by which a bet on `ratio` grows.
    fn gain(&self, ratio: f64) -> f64 {
        let ratio = match self.assignment {
            Assignment::Drawn => ratio,
            Assignment::Pinned => ratio.min(PINNED_RATIO_MAX),
        };
        let all = (self.share * (ratio - 1.0)).ln_1p();
        match self.side {
            Side::Canary => self.count * (ratio.ln() - all),
            Side::Stable => -self.count * all,
        }
    }
}

/// The logarithm of the sum of what these are the logarithms of.
pub(super) fn log_sum(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match most == f64::NEG_INFINITY {
        true => most,
        false => most + logs.iter().map(|log| (log - most).exp()).sum::<f64>().ln(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stake(share: f64, side: Side) -> Stake {
        Stake { share, side, count: 1.0, assignment: Assignment::Drawn }
    }

    fn pinned(share: f64, side: Side) -> Stake {
        Stake { assignment: Assignment::Pinned, ..stake(share, side) }
    }

    /// What a bet that has seen `before` is expected to be worth after a block of failures, each of which falls on the
    /// new release with the chance `chance` of it, over what it is worth now: every outcome, weighed by its chance.
    fn expected(before: &Bet, block: &[(f64, f64)], gain_max: f64, assignment: Assignment) -> f64 {
        let outcomes = 0..1u32 << block.len();
        let mean: f64 = outcomes
            .map(|fell| {
                let mut bet = before.clone();
                let mut chance = 1.0;
                let mut stakes = Vec::new();
                for (place, (share, real)) in block.iter().enumerate() {
                    let is_canary = fell >> place & 1 == 1;
                    chance *= if is_canary { *real } else { 1.0 - real };
                    let side = if is_canary { Side::Canary } else { Side::Stable };
                    stakes.push(Stake { assignment, ..stake(*share, side) });
                }
                bet.take(&stakes, gain_max);
                chance * bet.worth().exp()
            })
            .sum();
        mean / before.worth().exp()
    }

    #[test]
    fn no_bet_is_expected_to_win_against_an_equal_release() {
        let fair = |share: f64| (share, share);
        let blocks: [&[f64]; 4] =
            [&[0.5], &[0.05, 0.05, 0.25], &[0.5; 8], &[0.9, 0.001, 0.3, 0.05, 0.5, 0.05, 0.7]];
        for block in blocks {
            let block: Vec<(f64, f64)> = block.iter().map(|share| fair(*share)).collect();
            let mut bet = Bet::default();
            for step in 0..20 {
                for assignment in [Assignment::Drawn, Assignment::Pinned] {
                    let without = expected(&bet, &block, f64::INFINITY, assignment);
                    assert!((without - 1.0).abs() < 1e-9, "a fair game: {without}");
                    assert!(expected(&bet, &block, 1.5, assignment) <= 1.0 + 1e-9);
                }
                let side = if step % 3 == 0 { Side::Canary } else { Side::Stable };
                bet.take(&[stake(0.3, side), pinned(0.3, side)], 1.5);
            }
        }
    }

    #[test]
    fn a_better_release_and_a_share_that_is_taken_for_greater_lose() {
        let bet = Bet::default();
        for (share, real) in [(0.5, 0.4), (0.05, 0.01), (0.3, 0.29), (0.99, 0.5)] {
            let expected = expected(&bet, &[(share, real); 6], f64::INFINITY, Assignment::Drawn);
            assert!(expected < 1.0, "{expected} at {real}, taken for {share}");
        }
    }

    #[test]
    fn no_single_block_wins_more_than_it_may() {
        let mut bet = Bet::default();
        let all = Stake { count: 10_000.0, ..stake(0.05, Side::Canary) };
        bet.take(&[all], 1.5);
        assert!((bet.worth() - 1.5).abs() < 1e-9);
    }

    #[test]
    fn a_client_doubles_and_halves_it_at_the_most() {
        for share in [0.001, 0.05, 0.5, 0.95] {
            let worth = |side| {
                let mut bet = Bet::default();
                bet.take(&[pinned(share, side)], f64::INFINITY);
                bet.worth().exp()
            };
            assert!(worth(Side::Canary) <= 2.0 && worth(Side::Stable) >= 0.5, "at {share}");
        }
    }

    #[test]
    fn a_fault_that_begins_late_is_found_as_if_nothing_had_been_before() {
        let fails = |bet: &mut Bet| {
            let mut blocks = 0;
            while bet.worth() < 400f64.ln() {
                bet.take(&[stake(0.5, Side::Canary)], 1.5);
                blocks += 1;
            }
            blocks
        };
        let mut late = Bet::default();
        for _ in 0..5_000 {
            late.take(&[stake(0.5, Side::Canary), stake(0.5, Side::Stable)], 1.5);
        }
        let (late, early) = (fails(&mut late), fails(&mut Bet::default()));
        assert!(early <= 14 && late <= early + 20, "{early} early, {late} late");
    }

    #[test]
    fn what_could_fall_on_one_release_only_tells_nothing() {
        let mut bet = Bet::default();
        bet.take(&[stake(1.0, Side::Canary), stake(0.0, Side::Canary)], 1.5);
        assert_eq!(bet.worth(), Bet::default().worth());
    }
}
