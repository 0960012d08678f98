//! What became of a release's requests, as counts that can be added and subtracted.

use std::collections::BTreeMap;
use std::time::Duration;

/// What became of requests: of each attempt on an instance, whether or not a client saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All that came to an end.
    pub requests: u64,
    /// Those of them that failed: 5xx, a gRPC status that is a failure of the server, connection reset,
    /// time-out, answer cut short.
    pub errors: u64,
    /// From a request to the head of its answer, or to where its client lost patience.
    pub latencies: Latencies,
}

impl Tally {
    /// What came since `earlier`, which was counted by the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            errors: self.errors.saturating_sub(earlier.errors),
            latencies: self.latencies.since(&earlier.latencies),
        }
    }

    /// Counts `other` as well.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.latencies.add(&other.latencies);
    }

    /// The share that failed; 0 of none.
    pub fn error_rate(&self) -> f64 {
        match self.requests {
            0 => 0.0,
            requests => self.errors as f64 / requests as f64,
        }
    }
}

/// Durations, counted in classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// How many lie in each class, by the class's lower bound.
    classes: BTreeMap<Duration, u64>,
}

impl Latencies {
    /// Counts `count` durations of the class that begins at `class`.
    pub fn record(&mut self, class: Duration, count: u64) {
        if count > 0 {
            *self.classes.entry(class).or_default() += count;
        }
    }

    /// Each class that has any, by its lower bound, in rising order, with how many.
    pub fn classes(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.classes.iter().map(|(class, count)| (*class, *count))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.classes.values().sum()
    }

    /// The class in which the `quantile`, from 0 to 1, lies; `None` of none.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let rank = (self.count() as f64 * quantile).ceil().max(1.0) as u64;
        let mut below = 0;
        self.classes().find_map(|(class, count)| {
            below += count;
            (below >= rank).then_some(class)
        })
    }

    /// What came since `earlier`, which was counted by the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut classes = self.classes.clone();
        for (class, count) in &earlier.classes {
            if let Some(now) = classes.get_mut(class) {
                *now = now.saturating_sub(*count);
            }
        }
        classes.retain(|_, count| *count > 0);
        Self { classes }
    }

    /// Counts `other` as well.
    pub fn add(&mut self, other: &Self) {
        other.classes().for_each(|(class, count)| self.record(class, count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(of: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        of.iter().for_each(|millis| latencies.record(Duration::from_millis(*millis), 1));
        latencies
    }

    #[test]
    fn a_quantile_is_the_least_that_so_many_do_not_exceed() {
        let latencies = millis(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 100]);
        let at = |quantile| latencies.quantile(quantile).unwrap().as_millis();
        assert_eq!([at(0.0), at(0.1), at(0.5), at(0.9), at(0.95), at(1.0)], [1, 1, 5, 9, 100, 100]);
        assert_eq!(millis(&[]).quantile(0.5), None);
    }

    #[test]
    fn what_came_since_and_what_was_before_are_all() {
        let before = Tally { requests: 3, errors: 1, latencies: millis(&[1, 2]) };
        let later = Tally { requests: 7, errors: 1, latencies: millis(&[1, 1, 2, 2, 30]) };
        let since = later.since(&before);
        assert_eq!(since, Tally { requests: 4, errors: 0, latencies: millis(&[1, 2, 30]) });
        let mut sum = before.clone();
        sum.add(&since);
        assert_eq!(sum, later);
        assert_eq!((before.error_rate(), Tally::default().error_rate()), (1.0 / 3.0, 0.0));
    }
}
