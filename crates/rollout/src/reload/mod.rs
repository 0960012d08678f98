//! Whether requests fail more often, or take longer, since a configuration was taken up: by each route and service that it changes, beside the past of each.
//!
//! No chance divides requests between two configurations, so that only the past is there to compare with, and the world may have changed. What the configuration leaves as it was stands
//! in for the world: where that fails more often as well, the rise is shared and said, and nobody is blamed. Why, and what cannot be known:
//! docs/decisions/0098-a-reload-is-judged-by-its-past.md.
//!
//! Pure: it is told what became of requests, a quarter of a second at a time.

mod place;
mod rise;
mod times;

use std::time::Duration;

use rise::{Test, Usual};

pub use place::{Place, Requests, RiseOf, Touched};
pub use times::{slow_from, timed};

/// How long a block is that is told.
pub const BLOCK: Duration = Duration::from_millis(250);

/// With fewer requests by what was changed nothing is said of them.
pub const REQUESTS_MIN: u64 = 50;

/// The chance that a configuration is rolled back for which nothing fails more often than before, over the whole time that it is watched.
const MISTAKE: f64 = 0.01;

/// Where the rest fails so much of what a changed place fails more than before, the rise is shared.
const SHARED: f64 = 0.25;

/// What is left as it was tells something from so many requests on.
const LEFT_MIN: u64 = 5;

/// For so long after a configuration was taken up nothing is held against slow responses: instances may be new, and connections are.
const COLD: Duration = Duration::from_secs(20);

/// A place, and what became of its requests lately.
#[derive(Clone, Debug)]
pub struct Before {
    /// Which.
    pub place: Place,
    /// Whether it is changed.
    pub touched: Touched,
    /// What became of its requests, in spans of ten seconds.
    pub spans: Vec<Requests>,
}

/// That requests fail more often than before.
#[derive(Clone, Debug, PartialEq)]
pub struct Rise {
    /// Of which place.
    pub place: Place,
    /// In which way.
    pub of: RiseOf,
    /// How many, of how many since it may have begun.
    pub hits: u64,
    /// Requests since then.
    pub requests: u64,
    /// The share that is usual there, at most.
    pub usual: f64,
    /// When it may have begun, in the machine's time.
    pub since: Duration,
}

/// What is found so far.
#[derive(Clone, Debug, PartialEq)]
pub enum Risen {
    /// Nothing.
    Nothing,
    /// By what was changed alone: it is to be rolled back.
    Changed(Rise),
    /// By what was left as it was as well: it is nobody's fault.
    Shared(Rise),
}

/// What a watch that is over can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Compared {
    /// It saw enough, and nothing rose.
    Same,
    /// Something rose, by what was left as it was as well.
    Shared(Rise),
    /// It saw too few requests by what was changed, of [`REQUESTS_MIN`].
    TooLittle,
    /// Nothing is known of what was before.
    NoPast,
}

/// Watches a configuration.
#[derive(Debug)]
pub struct Watch {
    changed: Vec<Changed>,
    left: Vec<Place>,
    usual_left: [Option<Usual>; 3],
    /// What became of requests that are left as they were, until when.
    left_until: Vec<(Duration, Left)>,
    enough: f64,
    seen: Requests,
    risen: Risen,
}

/// What became of requests that are left as they were.
#[derive(Clone, Copy, Debug, Default)]
struct Left {
    /// By routes: services count the same once more.
    routes: Requests,
    times: Requests,
}

impl Left {
    fn of(&self, aspect: RiseOf) -> &Requests {
        match aspect {
            RiseOf::Errors | RiseOf::ClientErrors => &self.routes,
            RiseOf::Slow => &self.times,
        }
    }
}

#[derive(Debug)]
struct Changed {
    place: Place,
    tests: Vec<(RiseOf, Test)>,
    seen: Requests,
    /// From then on slow responses count.
    warm: Duration,
}

impl Watch {
    /// Watches from `now` on for `length`.
    pub fn begin(now: Duration, length: Duration, before: &[Before]) -> Self {
        let of = |touched: Touched| before.iter().filter(move |it| it.touched == touched);
        let is_place = |it: &&Before| matches!(it.place, Place::Route(_) | Place::Service(_));
        let all: Vec<&Requests> = before.iter().filter(is_place).flat_map(|it| &it.spans).collect();
        let usual_left = |aspect: RiseOf| {
            let left = of(Touched::Left).filter(|it| aspect.is_asked_of(&it.place));
            let spans: Vec<&Requests> = left.flat_map(|it| &it.spans).collect();
            Usual::of(&spans, aspect)
        };
        let changed: Vec<Changed> =
            of(Touched::Changed).map(|it| Changed::new(now, it, &all)).collect();
        let tests: usize = changed.iter().map(|it| it.tests.len()).sum();
        let blocks = (length.as_secs_f64() / BLOCK.as_secs_f64()).max(1.0);
        Self {
            enough: (tests.max(1) as f64 * blocks / MISTAKE).ln(),
            changed,
            left: of(Touched::Left).map(|it| it.place.clone()).collect(),
            usual_left: RiseOf::ALL.map(usual_left),
            left_until: vec![(now, Left::default())],
            seen: Requests::default(),
            risen: Risen::Nothing,
        }
    }

    /// Takes up what became of requests since the last time.
    pub fn observe(&mut self, now: Duration, block: &[(Place, Requests)]) {
        let mut left = self.left_until.last().map_or_else(Left::default, |(_, until)| *until);
        for (place, requests) in block.iter().filter(|(place, _)| self.left.contains(place)) {
            match place {
                Place::Route(_) => left.routes.add(requests),
                Place::Times(_) => left.times.add(requests),
                Place::Service(_) | Place::Unrouted => {}
            }
        }
        self.left_until.push((now, left));
        for changed in &mut self.changed {
            let mut requests = Requests::default();
            let of_place = block.iter().filter(|(place, _)| *place == changed.place);
            of_place.for_each(|(_, more)| requests.add(more));
            changed.take(now, &requests, self.enough);
        }
        self.seen = self.count();
        self.risen = self.find();
    }

    /// What is found now.
    pub fn risen(&self) -> &Risen {
        &self.risen
    }

    /// What became of requests by what was changed.
    pub fn seen(&self) -> Requests {
        self.seen
    }

    /// What it says at its end.
    pub fn compared(&self) -> Compared {
        match &self.risen {
            Risen::Changed(rise) | Risen::Shared(rise) => Compared::Shared(rise.clone()),
            Risen::Nothing if self.seen.all < REQUESTS_MIN => Compared::TooLittle,
            Risen::Nothing => {
                let is_known = |it: &Changed| {
                    !it.tests.is_empty() && it.seen.all > 0 && !matches!(it.place, Place::Times(_))
                };
                match self.changed.iter().any(is_known) {
                    true => Compared::Same,
                    false => Compared::NoPast,
                }
            }
        }
    }

    /// Requests by routes that are changed, or of services that are, whichever are more: those of one are of the other, too.
    fn count(&self) -> Requests {
        let sum = |is_meant: fn(&Place) -> bool| {
            let mut sum = Requests::default();
            let meant = self.changed.iter().filter(|it| is_meant(&it.place));
            meant.for_each(|it| sum.add(&it.seen));
            sum
        };
        let routes = sum(|place| matches!(place, Place::Route(_)));
        let services = sum(|place| matches!(place, Place::Service(_)));
        if services.all > routes.all { services } else { routes }
    }

    fn find(&self) -> Risen {
        let mut found = Risen::Nothing;
        for changed in &self.changed {
            let risen = changed.tests.iter().filter(|(_, test)| test.has_risen(self.enough));
            for (aspect, test) in risen {
                let rise = test.rise(&changed.place, *aspect);
                match self.is_shared(*aspect, test) {
                    false => return Risen::Changed(rise),
                    true => found = Risen::Shared(rise),
                }
            }
        }
        found
    }

    /// Whether what was left as it was fails more often as well, since the same time.
    fn is_shared(&self, aspect: RiseOf, test: &Test) -> bool {
        let Some(usual) = &self.usual_left[aspect as usize] else { return false };
        let Some((_, last)) = self.left_until.last() else { return false };
        let at = self.left_until.partition_point(|(until, _)| *until < test.since());
        let (first, last) = (self.left_until[at.saturating_sub(1)].1.of(aspect), last.of(aspect));
        let (all, hits) = (last.all - first.all, last.hits(aspect) - first.hits(aspect));
        if all < LEFT_MIN {
            return false;
        }
        let more = hits as f64 / all as f64 - usual.share();
        more >= SHARED * test.excess()
    }
}

impl Changed {
    fn new(now: Duration, before: &Before, all: &[&Requests]) -> Self {
        let own: Vec<&Requests> = before.spans.iter().collect();
        let asked = RiseOf::ALL.into_iter().filter(|aspect| aspect.is_asked_of(&before.place));
        let tests = asked.filter_map(|aspect| {
            let usual = Usual::of(&own, aspect);
            let usual = match before.place {
                // How long a service takes is its own.
                Place::Unrouted | Place::Times(_) => usual,
                // A route that is new is expected to do what all did.
                Place::Route(_) | Place::Service(_) => usual.or_else(|| Usual::of(all, aspect)),
            };
            Some((aspect, Test::new(now, usual?)))
        });
        let (place, seen) = (before.place.clone(), Requests::default());
        Self { place, tests: tests.collect(), seen, warm: now + COLD }
    }

    fn take(&mut self, now: Duration, requests: &Requests, enough: f64) {
        self.seen.add(requests);
        let is_warm = now >= self.warm;
        for (aspect, test) in self.tests.iter_mut().filter(|(it, _)| is_warm || *it != RiseOf::Slow)
        {
            test.take(now, requests.hits(*aspect), requests.all, enough);
        }
    }
}

#[cfg(test)]
mod tests;
