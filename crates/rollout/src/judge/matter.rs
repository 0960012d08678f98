//! What a block has for each question: which requests are hits, and with which chance they fell on the new release.

use std::time::Duration;

use super::bet::Stake;
use super::clients::{Addresses, Clients, Crowd};
use super::latency::{Percentile, Usual};
use super::odds::{LAG, Odds};
use super::places::Places;
use super::question::{Asked, Hit};
use super::siblings::Busy;
use super::trail::Example;
use crate::block::{Assignment, Block, Fate, Observed, Place};
use crate::event::Side;
use crate::tally::Latencies;

/// What the judge knows of what it is told: it outlasts blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Ground {
    pub(super) places: Places,
    pub(super) odds: Odds,
    pub(super) crowd: Crowd,
    pub(super) usual: Usual,
    now: Duration,
}

/// Requests by route and by instance of the new release.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking {
    pub(super) asked: Vec<Asked>,
    pub(super) busy: Vec<Busy>,
    drawn: Drawn,
}

/// Of the requests those that were drawn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drawn {
    pub(super) canary: u64,
    pub(super) all: u64,
}

impl Asking {
    pub(super) fn drawn(&self) -> Drawn {
        self.drawn
    }
}

/// What is allowed of the new release's latencies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) max_slowdown: f64,
    pub(super) floor: Duration,
    pub(super) warm_up: Duration,
}

impl Ground {
    /// A block begins in which a request goes to the new release with the chance `share`; what it asked of whom.
    pub(super) fn begin(&mut self, now: Duration, share: f64, block: &Block) -> Asking {
        self.now = now;
        self.odds.begin(now, share);
        self.places.name(&block.routes);
        block.observed.iter().for_each(|observed| self.crowd.see(observed.client));
        let mut asking = Asking::default();
        for count in &block.counts {
            let requests = count.fates.requests();
            let place = self.add(&mut asking, &count.place, requests);
            if count.place.assignment == Assignment::Drawn {
                asking.drawn.all += requests;
                asking.drawn.canary += if count.place.side == Side::Canary { requests } else { 0 };
                match count.place.side {
                    Side::Canary => self.odds.count(place, requests, 0),
                    Side::Stable => self.odds.count(place, 0, requests),
                }
            }
        }
        asking
    }

    /// Counts `requests` of a place; which route that is.
    fn add(&mut self, asking: &mut Asking, place: &Place, requests: u64) -> usize {
        let route = self.places.route(place.route.as_ref());
        let (canary, stable) = match place.side {
            Side::Canary => (requests, 0),
            Side::Stable => (0, requests),
        };
        match asking.asked.iter_mut().find(|it| it.route == route) {
            Some(known) => {
                known.canary += canary;
                known.stable += stable;
            }
            None => asking.asked.push(Asked { route, canary, stable }),
        }
        if place.side == Side::Canary && requests > 0 {
            let instance = self.places.canary(&place.instance, self.now);
            match asking.busy.iter_mut().find(|it| it.instance == instance) {
                Some(known) => known.requests += requests,
                None => asking.busy.push(Busy { instance, requests }),
            }
        }
        route
    }

    /// The requests that ended in the way `fate`, as far as they count.
    pub(super) fn fates(&mut self, block: &Block, fate: Fate, clients: &mut Clients) -> Vec<Hit> {
        let is_meant = |observed: &&Observed| observed.fate == fate;
        let mut hits = Vec::new();
        // Drawn ones that were recorded: of the counts they are known already.
        let mut recorded: Vec<(&Place, u64)> = Vec::new();
        for observed in block.observed.iter().filter(is_meant) {
            let is_drawn = observed.place.assignment == Assignment::Drawn;
            if is_drawn {
                match recorded.iter_mut().find(|(place, _)| *place == &observed.place) {
                    Some((_, count)) => *count += 1,
                    None => recorded.push((&observed.place, 1)),
                }
            }
            if clients.counts(observed, self.crowd.addresses()) {
                hits.push(self.recorded(observed));
            }
        }
        for count in block.counts.iter().filter(|it| it.place.assignment == Assignment::Drawn) {
            let known =
                recorded.iter_mut().find(|(place, left)| **place == count.place && *left > 0);
            let known = known.map_or(0, |(_, left)| std::mem::take(left));
            let unknown = count.fates.of(fate).saturating_sub(known);
            if unknown > 0 {
                hits.push(self.counted(&count.place, unknown));
            }
        }
        hits
    }

    /// One that was recorded.
    fn recorded(&mut self, observed: &Observed) -> Hit {
        let begun = observed.at.saturating_sub(observed.latency);
        let assignment = match self.crowd.addresses() {
            Addresses::Many => observed.place.assignment,
            // The address tells no clients apart.
            Addresses::Few(_) | Addresses::Unknown => Assignment::Drawn,
        };
        let mut hit = self.hit(&observed.place, begun, 1, assignment);
        if observed.place.side == Side::Canary && !observed.request_id.is_empty() {
            hit.example = Some(self.example(observed, hit.route));
        }
        hit
    }

    fn example(&self, observed: &Observed, route: usize) -> Example {
        Example {
            request_id: observed.request_id.clone(),
            at: observed.at,
            route: self.places.name_of(route),
            instance: observed.place.instance.clone(),
            status: observed.status,
            fate: observed.fate,
            latency: observed.latency,
        }
    }

    /// So many of which nothing but their place is known; all were drawn.
    fn counted(&mut self, place: &Place, count: u64) -> Hit {
        self.hit(place, self.now.saturating_sub(LAG), count, Assignment::Drawn)
    }

    fn hit(&mut self, place: &Place, begun: Duration, count: u64, assignment: Assignment) -> Hit {
        let route = self.places.route(place.route.as_ref());
        let instance = match place.side {
            Side::Canary => Some(self.places.canary(&place.instance, self.now)),
            Side::Stable => None,
        };
        let share = self.odds.share(route, begun);
        let stake = Stake { share, side: place.side, count: count as f64, assignment };
        Hit { stake, route, instance, example: None }
    }

    /// The responses that were slow, by those that were recorded, or by the histograms where nothing is.
    pub(super) fn slow(
        &mut self,
        block: &Block,
        percentile: Percentile,
        allowed: Allowed,
        clients: &mut Clients,
    ) -> (Vec<Hit>, Asking) {
        let (mut hits, mut asking) = (Vec::new(), Asking::default());
        if self.is_recorded() {
            for observed in block.observed.iter().filter(|it| it.fate != Fate::Failed) {
                let Some(limit) = self.limit(&observed.place, percentile, allowed) else {
                    continue;
                };
                self.add(&mut asking, &observed.place, 1);
                if observed.latency > limit && clients.counts(observed, self.crowd.addresses()) {
                    hits.push(self.recorded(observed));
                }
            }
            return (hits, asking);
        }
        for timed in &block.latencies {
            let place = Place {
                route: None,
                instance: timed.instance.clone(),
                side: timed.side,
                assignment: Assignment::Drawn,
            };
            let Some(limit) = self.limit(&place, percentile, allowed) else { continue };
            self.add(&mut asking, &place, timed.latencies.count());
            let slow = timed.latencies.classes().filter(|(class, _)| *class > limit);
            let slow = slow.map(|(_, count)| count).sum();
            if slow > 0 {
                hits.push(self.counted(&place, slow));
            }
        }
        (hits, asking)
    }

    /// Longer than this is slow; `None` where that is not known, or the instance is too young.
    fn limit(&mut self, place: &Place, of: Percentile, allowed: Allowed) -> Option<Duration> {
        let route = self.places.route(place.route.as_ref());
        let usual = self.usual.percentile(route, of)?;
        match place.side {
            Side::Stable => Some(usual),
            Side::Canary => {
                let instance = self.places.canary(&place.instance, self.now);
                let is_grown = self.places.age(instance, self.now) >= allowed.warm_up;
                is_grown.then(|| allowed.limit(usual))
            }
        }
    }

    /// Learns how long the old release takes, from what it was asked in this block.
    pub(super) fn learn(&mut self, block: &Block) {
        let of_old = |side| side == Side::Stable;
        if self.is_recorded() {
            for observed in block.observed.iter().filter(|it| of_old(it.place.side)) {
                if observed.fate != Fate::Failed {
                    let route = self.places.route(observed.place.route.as_ref());
                    self.usual.see(route, observed.latency, 1);
                }
            }
        } else if block.latencies.iter().any(|timed| of_old(timed.side)) {
            let route = self.places.route(None);
            for timed in block.latencies.iter().filter(|timed| of_old(timed.side)) {
                self.see_all(route, &timed.latencies);
            }
        }
        self.usual.settle();
    }

    pub(super) fn see_all(&mut self, route: usize, latencies: &Latencies) {
        latencies.classes().for_each(|(class, count)| self.usual.see(route, class, count));
    }

    /// Whether single attempts are recorded.
    fn is_recorded(&self) -> bool {
        self.crowd.has_seen()
    }
}

impl Allowed {
    /// Longer than this is slow for the new release.
    pub(super) fn limit(self, usual: Duration) -> Duration {
        usual.mul_f64(self.max_slowdown).max(usual + self.floor)
    }
}
