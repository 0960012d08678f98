//! What each instance does *now*: requests in a second and failures, from counts that only grow, since
//! the last step of a deploy or over the last ten seconds, whichever is shorter. A mean over ten
//! seconds would show the step before for as long.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// No further back is looked.
const WINDOW: Duration = Duration::from_secs(10);
/// In less time a rate says nothing.
const WINDOW_MIN: Duration = Duration::from_millis(400);

/// What became of an instance's requests since it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) all: u64,
    pub(crate) failed: u64,
}

/// What an instance does now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Requests in a second.
    pub(crate) rate: f64,
    /// Of all instances' requests, from 0 to 1.
    pub(crate) share: f64,
    /// Some of its requests failed.
    pub(crate) fails: bool,
}

/// Counts of the last while, all of one step.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    step: String,
    looks: VecDeque<Look>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    counts: BTreeMap<String, Count>,
}

impl Meter {
    /// Notes the counts of all instances at the time `at` of a `step`.
    pub(crate) fn note(&mut self, at: Instant, step: &str, counts: BTreeMap<String, Count>) {
        if self.step != step {
            step.clone_into(&mut self.step);
            self.looks.clear();
        }
        self.looks.push_back(Look { at, counts });
        while self.looks.get(1).is_some_and(|second| at.duration_since(second.at) >= WINDOW) {
            self.looks.pop_front();
        }
    }

    /// What `instance` does now; `None` where that cannot be told yet.
    pub(crate) fn pace(&self, instance: &str) -> Option<Pace> {
        let (first, last) = (self.looks.front()?, self.looks.back()?);
        let time = last.at.duration_since(first.at);
        if time < WINDOW_MIN {
            return None;
        }
        let done = |name: &str, of: fn(&Count) -> u64| {
            let in_look = |look: &Look| look.counts.get(name).map_or(0, of);
            // An instance of the same name began anew: it counts from 0.
            in_look(last).checked_sub(in_look(first)).unwrap_or_else(|| in_look(last))
        };
        let whole: u64 = last.counts.keys().map(|name| done(name, |count| count.all)).sum();
        let own = done(instance, |count| count.all);
        Some(Pace {
            rate: own as f64 / time.as_secs_f64(),
            share: own as f64 / whole.max(1) as f64,
            fails: done(instance, |count| count.failed) > 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: [(&str, u64, u64); 2]) -> BTreeMap<String, Count> {
        let count =
            |(name, all, failed): (&str, u64, u64)| (name.to_owned(), Count { all, failed });
        counts.into_iter().map(count).collect()
    }

    #[test]
    fn a_new_step_is_seen_at_once_and_not_mixed_with_the_last() {
        let begin = Instant::now();
        let at = |tenths: u64| begin + Duration::from_millis(100 * tenths);
        let mut meter = Meter::default();
        meter.note(at(0), "10 %", counts([("old", 0, 0), ("new", 0, 0)]));
        assert_eq!(meter.pace("old"), None, "nothing can be said yet");
        meter.note(at(50), "10 %", counts([("old", 900, 0), ("new", 100, 5)]));
        let pace = meter.pace("new").unwrap();
        assert_eq!((pace.rate, pace.share, pace.fails), (20.0, 0.1, true));
        meter.note(at(51), "50 %", counts([("old", 910, 0), ("new", 110, 5)]));
        assert_eq!(meter.pace("old"), None);
        meter.note(at(61), "50 %", counts([("old", 1010, 0), ("new", 210, 5)]));
        let pace = meter.pace("new").unwrap();
        assert_eq!((pace.rate, pace.share, pace.fails), (100.0, 0.5, false));
        assert_eq!(meter.pace("none").unwrap().rate, 0.0);
    }

    #[test]
    fn what_was_longer_ago_is_forgotten() {
        let begin = Instant::now();
        let mut meter = Meter::default();
        for second in 0..60 {
            let all = if second < 40 { 100 * second } else { 4000 };
            let at = begin + Duration::from_secs(second);
            meter.note(at, "", counts([("a", all, 0), ("b", 0, 0)]));
        }
        assert_eq!(meter.pace("a").unwrap().rate, 0.0);
        assert!(meter.looks.len() <= 12, "{}", meter.looks.len());
    }
}
