//! Whether the new release answers more slowly than the old one.
//!
//! Two things must be certain. That its answers are slower at all: by the rank test of H. Mann and
//! D. Whitney ("On a test of whether one of two random variables is stochastically larger than the
//! other", 1947), with ties, since latencies are counted in classes. And that its 95th percentile
//! is above the old release's by more than is allowed: more than one in twenty of its answers take
//! longer than that, by more than chance explains (H. Chernoff's bound, 1952).
//!
//! Such tests may be looked at once. So they are looked at when the number of answers has grown by
//! half since the last look, and of the chance of a mistake, alpha, the j-th look gets
//! `6 / (pi j)^2`; these add up to one.

use std::f64::consts::PI;
use std::time::Duration;

use crate::tally::Latencies;

/// Answers of either release before the first look.
const FIRST_LOOK: u64 = 50;

/// The percentile that is compared.
const QUANTILE: f64 = 0.95;

/// How much slower the new release is, once that is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slower {
    pub(super) canary: Duration,
    pub(super) stable: Duration,
}

/// Compares latencies, again and again.
#[derive(Clone, Debug)]
pub(super) struct Slowness {
    alpha: f64,
    max_slowdown: f64,
    looks: u32,
    next_look: u64,
}

impl Slowness {
    /// Has not looked yet. `alpha` is the chance of a mistake over all looks.
    pub(super) fn new(alpha: f64, max_slowdown: f64) -> Self {
        Self { alpha, max_slowdown, looks: 0, next_look: FIRST_LOOK }
    }

    /// Looks at all answers so far, if it is time to.
    pub(super) fn look(&mut self, canary: &Latencies, stable: &Latencies) -> Option<Slower> {
        let count = canary.count();
        if count < self.next_look || stable.count() < FIRST_LOOK {
            return None;
        }
        self.looks += 1;
        self.next_look = count + count / 2;
        let alpha = self.alpha * 6.0 / (PI * f64::from(self.looks)).powi(2);
        let (slow, usual) = (canary.quantile(QUANTILE)?, stable.quantile(QUANTILE)?);
        let is_much = chance_of_tail(canary, usual.mul_f64(self.max_slowdown)) <= alpha;
        let is_certain = chance_of(deviation(canary, stable)) <= alpha;
        (is_much && is_certain).then_some(Slower { canary: slow, stable: usual })
    }
}

/// A bound on the chance that as many of `canary` exceed `limit` if at most one in twenty are
/// expected to.
fn chance_of_tail(canary: &Latencies, limit: Duration) -> f64 {
    let above = canary.classes().filter(|(class, _)| *class > limit);
    let count = canary.count() as f64;
    let share = above.map(|(_, count)| count).sum::<u64>() as f64 / count;
    let expected = 1.0 - QUANTILE;
    if share <= expected {
        return 1.0;
    }
    let part = |share: f64, expected: f64| match share > 0.0 {
        true => share * (share / expected).ln(),
        false => 0.0,
    };
    (-count * (part(share, expected) + part(1.0 - share, 1.0 - expected))).exp()
}

/// By how many standard deviations the sum of the ranks of `canary` is above what it would be if
/// both came from the same distribution.
fn deviation(canary: &Latencies, stable: &Latencies) -> f64 {
    let mut all = canary.clone();
    all.add(stable);
    let count = |of: &Latencies| of.count() as f64;
    let (n, m, sum) = (count(canary), count(stable), count(&all));
    let in_class = |of: &Latencies, class: Duration| {
        of.classes().find(|(it, _)| *it == class).map_or(0.0, |(_, count)| count as f64)
    };
    let (mut below, mut u, mut ties) = (0.0, 0.0, 0.0);
    for (class, tied) in all.classes() {
        let (tied, slow, usual) = (tied as f64, in_class(canary, class), in_class(stable, class));
        u += slow * (below + usual / 2.0);
        below += usual;
        ties += tied.powi(3) - tied;
    }
    let variance = n * m / 12.0 * (sum + 1.0 - ties / (sum * (sum - 1.0)));
    match variance > 0.0 {
        true => (u - n * m / 2.0) / variance.sqrt(),
        false => 0.0,
    }
}

/// A bound on the chance of a normal deviate of `z` or more: never less than it (Mills' ratio).
fn chance_of(z: f64) -> f64 {
    match z > 1.0 {
        true => (-z * z / 2.0).exp() / (z * (2.0 * PI).sqrt()),
        false => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        millis.into_iter().for_each(|millis| latencies.record(Duration::from_millis(millis), 1));
        latencies
    }

    #[test]
    fn deviation_is_that_of_the_textbook() {
        // By hand: ranks of the first are 3.5, 5, 6 of 6, so U = 14.5 - 6 = 8.5, its mean 4.5, its
        // variance 9/12 (7 - 6/30).
        let (canary, stable) = (latencies([3, 4, 5]), latencies([1, 2, 3]));
        let expected = 4.0 / (0.75_f64 * 6.8).sqrt();
        assert!((deviation(&canary, &stable) - expected).abs() < 1e-12);
        assert!((deviation(&stable, &canary) + expected).abs() < 1e-12);
        assert_eq!(deviation(&latencies([7; 9]), &latencies([7; 5])), 0.0);
    }

    #[test]
    fn the_bound_on_the_tail_is_above_it_and_near() {
        for (z, tail) in [(2.0, 0.022_750), (3.0, 0.001_349_9), (5.0, 2.866_5e-7)] {
            let bound = chance_of(z);
            assert!(bound >= tail && bound < tail * 1.25, "{bound} at {z}");
        }
        assert_eq!((chance_of(0.5), chance_of(-4.0)), (1.0, 1.0));
    }

    #[test]
    fn twice_as_slow_is_seen_and_a_little_slower_is_allowed() {
        let spread = |factor: u64| latencies((0..200).map(|i| (10 + i % 20) * factor / 10));
        let look = |factor| Slowness::new(0.0025, 1.5).look(&spread(factor), &spread(10));
        let slower =
            Slower { canary: Duration::from_millis(56), stable: Duration::from_millis(28) };
        assert_eq!(look(20), Some(slower));
        assert_eq!(look(13), None, "slower, but not by so much");
        assert_eq!(look(10), None);
    }

    #[test]
    fn looks_are_few_and_ever_stricter() {
        let mut slowness = Slowness::new(0.01, 1.5);
        let stable = latencies([1; 100]);
        let count = (1..=10_000).filter(|count| {
            let before = slowness.looks;
            let mut canary = Latencies::default();
            canary.record(Duration::from_millis(1), *count);
            assert_eq!(slowness.look(&canary, &stable), None);
            slowness.looks > before
        });
        assert_eq!(count.count(), 14);
    }
}
