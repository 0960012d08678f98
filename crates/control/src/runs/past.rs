//! What a release did before it is compared with the next: its last hour by route, in spans of 10 s.
//!
//! Latencies are kept of the last five minutes: their classes are many, and what users wait for changes sooner than what fails. By route they are
//! those of single attempts that the workers hand over, a few hundred in each span: at most [`HEARD_MAX`], which with all their keys is less than
//! a mebibyte for a service.

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

/// Attempts whose latencies are kept by route, of a span.
const HEARD_MAX: u64 = 512;
/// So many are wanted: half of what is handed over at once, for more may come than came.
const WANTED: f64 = 256.0;
/// For so long attempts are handed over at least, once in a span.
const LISTEN_MIN: Duration = Duration::from_secs(1);

/// What a release did lately.
#[derive(Debug, Default)]
pub(crate) struct Recollection {
    spans: VecDeque<Span>,
    /// What came since the last span ended.
    open: Did,
    /// When the last span ended.
    since: Duration,
    /// Attempts a second in the last span.
    rate: f64,
}

#[derive(Debug)]
struct Span {
    until: Duration,
    did: Did,
}

/// What came in a span.
#[derive(Debug, Default)]
struct Did {
    counts: BTreeMap<Option<RouteId>, Fates>,
    /// Of all attempts.
    latencies: Latencies,
    /// Of some of them, by route.
    heard: BTreeMap<Option<RouteId>, Latencies>,
    heard_count: u64,
}

impl Recollection {
    /// Whether it is time to tell it more, where nothing else does.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= SPAN
    }

    /// Takes up what became of some requests until `now`.
    pub(crate) fn note(&mut self, account: &Account) {
        for (route, _, fates) in &account.counts {
            self.open.counts.entry(route.clone()).or_default().add(fates);
        }
        self.open.latencies.add(&account.latencies);
    }

    /// Takes up how long one attempt took that did not fail.
    pub(crate) fn hear(&mut self, route: Option<RouteId>, latency: Duration) {
        if self.open.heard_count < HEARD_MAX {
            self.open.heard_count += 1;
            self.open.heard.entry(route).or_default().record(class_of(latency), 1);
        }
    }

    /// Whether attempts are to be handed over from `now` on, and how many of them may come until the span ends: for so much of a span
    /// as it takes for enough of them.
    pub(crate) fn wants_to_hear(&self, now: Duration) -> Option<u64> {
        let length = if self.rate > 0.0 { WANTED / self.rate } else { 0.0 };
        let length = length.clamp(LISTEN_MIN.as_secs_f64(), SPAN.as_secs_f64());
        let left = (self.since + SPAN).saturating_sub(now).as_secs_f64();
        (left <= length).then_some((self.rate * left) as u64)
    }

    /// Ends a span if it is time to.
    pub(crate) fn turn(&mut self, now: Duration) {
        if !self.is_due(now) {
            return;
        }
        let passed = now.saturating_sub(self.since).as_secs_f64();
        self.since = now;
        let did = std::mem::take(&mut self.open);
        let requests: u64 = did.counts.values().map(Fates::requests).sum();
        self.rate = requests as f64 / passed;
        if did.counts.is_empty() && did.latencies.count() == 0 {
            return;
        }
        self.spans.push_back(Span { until: now, did });
        while self.spans.len() > SPANS_MAX {
            self.spans.pop_front();
        }
        let untimed = self.spans.len().checked_sub(TIMED_SPANS_MAX + 1);
        if let Some(span) = untimed.and_then(|at| self.spans.get_mut(at)) {
            (span.did.latencies, span.did.heard) = Default::default();
        }
    }

    /// All that is known.
    pub(crate) fn past(&self) -> Past {
        Past { spans: self.spans.iter().map(Span::told).collect() }
    }

    /// How long attempts took in the last minute.
    pub(crate) fn recent_latencies(&self) -> Latencies {
        let mut recent = self.open.latencies.clone();
        for span in self.spans.iter().rev().take(RECENT_SPANS) {
            recent.add(&span.did.latencies);
        }
        recent
    }
}

impl Span {
    /// As the judge is told. Where all came by one route, whose latencies they are is known; where nothing was heard, they are the service's.
    fn told(&self) -> PastSpan {
        let Did { counts, latencies, heard, .. } = &self.did;
        let is_alone = counts.len() == 1;
        let of = |route: &Option<RouteId>| match is_alone {
            true => latencies.clone(),
            false => heard.get(route).cloned().unwrap_or_default(),
        };
        let route = |(route, fates): (&Option<RouteId>, &Fates)| PastRoute {
            route: route.clone(),
            fates: *fates,
            latencies: of(route),
        };
        let mut routes: Vec<_> = counts.iter().map(route).collect();
        if !is_alone && heard.is_empty() {
            let (fates, latencies) = (Fates::default(), latencies.clone());
            routes.push(PastRoute { route: None, fates, latencies });
        }
        PastSpan { until: self.until, routes }
    }
}

/// The class of a latency, a sixteenth of an octave wide, by its lower bound: as the histograms have it.
fn class_of(latency: Duration) -> Duration {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let bits = u64::BITS - micros.leading_zeros();
    let below = bits.saturating_sub(5);
    Duration::from_micros(micros >> below << below)
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
        let counts = vec![(route, Assignment::Drawn, Fates::one(fate))];
        Account { counts, latencies, ..Account::default() }
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

    fn route(path: &str) -> Option<RouteId> {
        let path = model::PathMatch::Exact(path.to_owned());
        Some(RouteId::of(&Matcher { path, ..Matcher::default() }))
    }

    /// Two routes, of which one has one in ten requests and is slow.
    fn of_two_routes() -> Recollection {
        let mut past = Recollection::default();
        let counts = [("/", 90), ("/export", 10)]
            .map(|(path, ok)| (route(path), Assignment::Drawn, Fates { ok, ..Fates::default() }));
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_millis(8), 90);
        latencies.record(Duration::from_millis(400), 10);
        past.note(&Account { counts: counts.to_vec(), latencies, ..Account::default() });
        past
    }

    #[test]
    fn what_was_heard_of_a_route_is_told_as_its_own() {
        let mut past = of_two_routes();
        (0..9).for_each(|_| past.hear(route("/"), Duration::from_micros(8_100)));
        past.hear(route("/export"), Duration::from_micros(401_000));
        past.turn(SPAN);
        let told = past.past();
        let of = |path: &str| {
            let found = told.spans[0].routes.iter().find(|it| it.route == route(path)).unwrap();
            (found.latencies.count(), found.latencies.quantile(0.5).unwrap().as_millis())
        };
        assert_eq!((of("/"), of("/export")), ((9, 7), (1, 393)), "by the classes' lower bounds");
        assert!(told.spans[0].routes.iter().all(|it| it.route.is_some()), "{told:?}");
        assert_eq!(past.recent_latencies().count(), 100, "all of them, once");
    }

    #[test]
    fn where_nothing_was_heard_latencies_are_the_services() {
        let mut past = of_two_routes();
        past.turn(SPAN);
        let told = past.past();
        let counts = |it: &PastRoute| (it.route.is_some(), it.latencies.count());
        let counts: Vec<_> = told.spans[0].routes.iter().map(counts).collect();
        assert_eq!(counts, [(true, 0), (true, 0), (false, 100)]);
    }

    #[test]
    fn however_many_are_heard_few_are_kept() {
        let mut past = of_two_routes();
        (0..100_000).for_each(|micros| past.hear(route("/"), Duration::from_micros(micros)));
        past.turn(SPAN);
        let kept: u64 = past.past().spans[0].routes.iter().map(|it| it.latencies.count()).sum();
        assert_eq!(kept, HEARD_MAX);
    }

    #[test]
    fn a_service_with_few_requests_is_heard_all_the_time_and_others_for_a_second_of_ten() {
        let heard_from = |requests: u64| {
            let mut past = Recollection::default();
            let fates = Fates { ok: requests, ..Fates::default() };
            let counts = vec![(None, Assignment::Drawn, fates)];
            past.note(&Account { counts, ..Account::default() });
            past.turn(SPAN);
            let at = |tenth: u64| SPAN + Duration::from_millis(100 * tenth);
            (0..100).find(|tenth| past.wants_to_hear(at(*tenth)).is_some())
        };
        assert_eq!(heard_from(100), Some(0));
        assert_eq!(heard_from(512), Some(50), "51 a second: for five seconds");
        assert_eq!(heard_from(1_000_000), Some(90));
        assert_eq!(Recollection::default().wants_to_hear(Duration::from_secs(8)), None);
        assert_eq!(Recollection::default().wants_to_hear(Duration::from_secs(9)), Some(0));
    }

    #[test]
    fn latencies_are_kept_for_minutes_and_the_last_minute_is_the_baseline() {
        let past = of(4000);
        let told = past.past();
        let timed = |span: &&PastSpan| span.routes.iter().any(|it| it.latencies.count() > 0);
        assert_eq!(told.spans.iter().filter(timed).count(), TIMED_SPANS_MAX);
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
