//! What a release did before it is compared with the next: its last hour by route, in spans of 10 s.
//!
//! Latencies are known by service only, unless all requests of a span came by one route, and of the last five minutes: their classes are many, and what users wait for
//! changes sooner than what fails.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::RouteId;
use rollout::{Fates, Latencies, Past, PastRoute, PastSpan};

use super::account::Account;

/// How long a span is at least.
const SPAN: Duration = Duration::from_secs(10);
/// Spans that are kept: an hour.
const SPANS_MAX: usize = 360;
/// Spans whose latencies are kept: five minutes.
const TIMED_SPANS_MAX: usize = 30;
/// Spans that tell how long responses take at the moment: a minute.
const RECENT_SPANS: usize = 6;

/// What a release did lately.
#[derive(Debug, Default)]
pub(crate) struct Recollection {
    spans: VecDeque<PastSpan>,
    /// What came since the last span ended.
    counts: BTreeMap<Option<RouteId>, Fates>,
    latencies: Latencies,
    /// When the last span ended.
    since: Duration,
}

impl Recollection {
    /// Whether it is time to tell it more, where nothing else does.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= SPAN
    }

    /// Takes up what became of some requests until `now`.
    pub(crate) fn note(&mut self, account: &Account) {
        for (route, _, fates) in &account.counts {
            self.counts.entry(route.clone()).or_default().add(fates);
        }
        add(&mut self.latencies, &account.latencies);
    }

    /// Ends a span if it is time to.
    pub(crate) fn turn(&mut self, now: Duration) {
        if !self.is_due(now) {
            return;
        }
        self.since = now;
        if self.counts.is_empty() && self.latencies.count() == 0 {
            return;
        }
        let latencies = std::mem::take(&mut self.latencies);
        let route = |(route, fates)| PastRoute { route, fates, latencies: Latencies::default() };
        let mut routes: Vec<_> = std::mem::take(&mut self.counts).into_iter().map(route).collect();
        match &mut routes[..] {
            // Whose they are is known.
            [alone] => alone.latencies = latencies,
            _ => routes.push(PastRoute { route: None, fates: Fates::default(), latencies }),
        }
        self.spans.push_back(PastSpan { until: now, routes });
        while self.spans.len() > SPANS_MAX {
            self.spans.pop_front();
        }
        let untimed = self.spans.len().checked_sub(TIMED_SPANS_MAX + 1);
        if let Some(span) = untimed.and_then(|at| self.spans.get_mut(at)) {
            span.routes.iter_mut().for_each(|it| it.latencies = Latencies::default());
        }
    }

    /// All that is known.
    pub(crate) fn past(&self) -> Past {
        Past { spans: self.spans.iter().cloned().collect() }
    }

    /// How long attempts took in the last minute.
    pub(crate) fn recent_latencies(&self) -> Latencies {
        let mut recent = self.latencies.clone();
        let spans = self.spans.iter().rev().take(RECENT_SPANS);
        for route in spans.flat_map(|span| &span.routes) {
            add(&mut recent, &route.latencies);
        }
        recent
    }
}

fn add(to: &mut Latencies, more: &Latencies) {
    more.classes().for_each(|(class, count)| to.record(class, count));
}

#[cfg(test)]
mod tests {
    use model::Matcher;
    use rollout::{Assignment, Fate};

    use super::*;

    fn account(fate: Fate, millis: u64) -> Account {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_millis(millis), 1);
        let route = Some(RouteId::of(&Matcher::default()));
        Account { counts: vec![(route, Assignment::Drawn, Fates::one(fate))], latencies }
    }

    fn of(seconds: u64) -> Recollection {
        let mut past = Recollection::default();
        for second in 1..=seconds {
            let fate = if second % 10 == 1 { Fate::Failed } else { Fate::Ok };
            past.note(&account(fate, second));
            past.turn(Duration::from_secs(second));
        }
        past
    }

    #[test]
    fn spans_tell_what_became_of_requests_by_route_and_an_hour_of_them_is_kept() {
        let past = of(20).past();
        assert_eq!(past.spans.len(), 2);
        let first = &past.spans[0];
        let route = &first.routes[0];
        assert_eq!((first.until, route.fates.ok, route.fates.failed), (SPAN, 9, 1));
        assert!(route.route.is_some());
        assert_eq!(of(4000).past().spans.len(), SPANS_MAX);
    }

    #[test]
    fn latencies_are_kept_for_minutes_and_the_last_minute_is_the_baseline() {
        let past = of(4000);
        let timed = |span: &&PastSpan| span.routes.iter().any(|it| it.latencies.count() > 0);
        assert_eq!(past.spans.iter().filter(timed).count(), TIMED_SPANS_MAX);
        let recent = past.recent_latencies();
        assert_eq!(recent.count(), 60);
        assert_eq!(recent.quantile(0.0), Some(Duration::from_millis(3941)));
    }

    #[test]
    fn a_time_without_requests_leaves_no_span() {
        let mut past = of(10);
        (11..100).for_each(|second| past.turn(Duration::from_secs(second)));
        assert_eq!(past.past().spans.len(), 1);
        assert!(!past.is_due(Duration::from_secs(99)) && past.is_due(Duration::from_secs(101)));
    }
}
