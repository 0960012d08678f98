//! Which instances of a service fail more often than their siblings, as far as the machine is told (`rollout::outlier`).
//!
//! It is told nothing of a time in which it was not chance alone that decided who was asked: when an instance came to get requests or none any more, and
//! a while after that, until what was on its way then has ended; and while a deploy is on, whose judge compares releases.

use std::time::{Duration, SystemTime};

use model::{InstanceName, OnOutlier};
use rollout::outlier::{News, Outlier, Outliers, Second};

use crate::status::OutlierStatus;

/// So many seconds after a change who gets requests nothing is told.
const SETTLING: u64 = 10;

/// An instance is replaced no sooner after another.
const REPLACED_EVERY: Duration = Duration::from_secs(600);

/// Seconds as the machine counts them: one for each time that it is told something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds {
    pub(crate) count: u64,
    /// How long one of them is.
    pub(crate) each: Duration,
}

impl Seconds {
    fn machine(self) -> Duration {
        Duration::from_secs(self.count)
    }

    /// When it was `at` by the machine.
    fn world(self, at: Duration) -> SystemTime {
        let ago = self.machine().saturating_sub(at).as_secs_f64();
        let now = SystemTime::now();
        now.checked_sub(self.each.mul_f64(ago)).unwrap_or(now)
    }
}

fn status_of(seconds: Seconds, outlier: &Outlier) -> OutlierStatus {
    OutlierStatus {
        since: seconds.world(outlier.since),
        failed: outlier.failed,
        requests: outlier.requests,
        siblings_failed: outlier.failed_all - outlier.failed,
        siblings_requests: outlier.requests_all - outlier.requests,
    }
}

/// What is thought of a service's instances together.
#[derive(Debug, Default)]
pub(super) struct OutlierWatch {
    machine: Outliers,
    /// Those that get requests.
    serving: Vec<InstanceName>,
    /// The second until which nothing is told.
    settles: u64,
    replaced: Option<Duration>,
}

/// What has come of a second.
#[derive(Debug)]
pub(super) enum Found {
    Named(InstanceName, OutlierStatus),
    Recovered(InstanceName),
}

impl OutlierWatch {
    /// Instances are others than before: what was known of those that are gone is forgotten.
    pub(super) fn keep(&mut self, is_there: impl Fn(&InstanceName) -> bool) {
        self.machine.keep(is_there);
    }

    /// Nothing is known, and nothing told.
    pub(super) fn forget(&mut self) {
        self.machine = Outliers::default();
    }

    /// Takes up what became of a second's requests, while these instances got them.
    pub(super) fn take(
        &mut self,
        seconds: Seconds,
        mut second: Second,
        serving: Vec<InstanceName>,
    ) -> Vec<Found> {
        if self.serving != serving {
            self.serving = serving;
            self.unsettle(seconds);
        }
        if seconds.count < self.settles {
            second = Second::default();
        }
        // One that gets nothing any more has only what was slow.
        for stratum in &mut second.strata {
            stratum.0.retain(|part| self.serving.contains(&part.instance));
        }
        let news = self.machine.take(seconds.machine(), &second).into_iter();
        news.map(|news| match news {
            News::Named(outlier) => {
                let status = status_of(seconds, &outlier);
                Found::Named(outlier.instance, status)
            }
            News::Recovered(instance) => Found::Recovered(instance),
        })
        .collect()
    }

    /// Something else than chance decides who is asked.
    pub(super) fn unsettle(&mut self, seconds: Seconds) {
        self.settles = seconds.count + SETTLING;
    }

    /// Whether one that is named at `now` is to be replaced; another is not for a while then.
    pub(super) fn may_replace(&mut self, now: Duration, on: OnOutlier) -> bool {
        let is_soon = self.replaced.is_some_and(|at| now.saturating_sub(at) < REPLACED_EVERY);
        let may = on == OnOutlier::Replace && !is_soon;
        if may {
            self.replaced = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use rollout::outlier::{Part, Stratum};

    use super::*;

    /// A second in which `api-1` fails all, and `api-2` nothing.
    fn second() -> Second {
        let part = |name: &str, failed| Part { instance: name.into(), requests: 5, failed };
        Second { strata: vec![Stratum(vec![part("api-1", 5), part("api-2", 0)])] }
    }

    fn named(watch: &mut OutlierWatch, counts: std::ops::Range<u64>, changes: u64) -> Option<u64> {
        counts.into_iter().find(|count| {
            let seconds = Seconds { count: *count, each: Duration::from_secs(1) };
            let mut serving = vec!["api-1".into(), "api-2".into()];
            if changes > 0 && count % changes == 0 {
                serving.push("api-3".into());
            }
            !watch.take(seconds, second(), serving).is_empty()
        })
    }

    #[test]
    fn nothing_is_told_while_it_changes_who_gets_requests() {
        assert!(named(&mut OutlierWatch::default(), 1..1000, 0).is_some_and(|at| at < 400));
        assert_eq!(named(&mut OutlierWatch::default(), 1..1000, 10), None);
    }

    #[test]
    fn one_that_gets_nothing_any_more_is_not_compared() {
        let mut watch = OutlierWatch::default();
        let found = (1..1000).any(|count| {
            let seconds = Seconds { count, each: Duration::from_secs(1) };
            !watch.take(seconds, second(), vec!["api-2".into()]).is_empty()
        });
        assert!(!found);
    }

    #[test]
    fn one_is_replaced_in_ten_minutes_and_only_if_that_is_wanted() {
        let mut watch = OutlierWatch::default();
        let at = Duration::from_secs;
        assert!(!watch.may_replace(at(0), OnOutlier::Tell));
        assert!(watch.may_replace(at(1), OnOutlier::Replace));
        assert!(!watch.may_replace(at(600), OnOutlier::Replace));
        assert!(watch.may_replace(at(601), OnOutlier::Replace));
    }
}
