//! Whether the new release is worse than the old one: in errors, in latency, in what else it responds with; where; and
//! whether all of it is, or one instance.
//!
//! It bets on where failures fall (`bet`): which release gets a request is drawn by us, whatever makes requests fail. The chance that
//! it ever calls a release worse that is no worse, however often it is asked, is at most 1 - `confidence`. That is divided over the
//! questions (`question`): errors a half, of which half over single routes; a limit an eighth (`limit`); latency a
//! quarter, half of it for each percentile (`latency`); client errors and redirects a sixteenth each. Why, and what one
//! client or one moment can do: docs/decisions/0074-a-judge-that-bets-on-where-failures-fall.md.

mod bet;
mod clients;
mod evidence;
mod hunger;
mod latency;
mod ledger;
mod limit;
mod matter;
mod odds;
mod past;
mod places;
mod question;
mod siblings;
mod trail;
mod verdict;
mod window;
mod words;

use std::time::Duration;

use crate::block::{Block, Count, Fate, Past as OldPast};
use crate::event::Side;
use crate::tally::Tally;

use clients::Addresses;
use evidence::{Inquiry, Topic};
use hunger::Hunger;
use limit::Limit;
use matter::{Allowed, Asking, Ground};
use question::{Hit, Matter};
use window::Rate as Counted;

pub use trail::Example;
pub use verdict::{
    Aspect, Basis, Fault, Finding, Findings, NotCompared, Percentile, Rate, Slow, Struck, Verdict,
};

/// How the releases serve while a block is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Instances of the new release that get requests.
    pub canary: u32,
    /// The same of the old one.
    pub stable: u32,
    /// Instances of the new release that are to take over from old ones yet, whatever is found of those that serve.
    pub coming: u32,
    /// What is left of the old one.
    pub old: Old,
}

/// What is left of the old release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// It serves, or could serve again at once.
    There,
    /// It is gone.
    Gone,
    /// There never was one.
    Never,
}

/// Compares two releases.
#[derive(Clone, Debug)]
pub struct Judge {
    rule: model::Judge,
    ground: Ground,
    inquiries: Vec<Inquiry>,
    limit: Option<Limit>,
    hunger: Hunger,
    last: Duration,
    old: Old,
    company: Company,
    canary: Tally,
    stable: Tally,
    fault: Option<Verdict>,
    changed: Change,
}

/// Whether what speaks against the new release may be the fault of the one instance that there is of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    /// It has siblings, or will have none: what speaks against it alone is told by comparing them, or not at all.
    Known,
    /// It is the first of several: the next will tell.
    Alone,
    /// The next has told, or is about to: nobody is doubted twice.
    Asked,
}

/// Whether it was found to respond with other classes of status.
#[derive(Clone, Debug)]
enum Change {
    None,
    Found(Fault),
    /// It was, and nothing more is to follow.
    Excused(Fault),
}

impl Judge {
    /// Has seen nothing yet.
    pub fn new(rule: &model::Judge) -> Self {
        Self::with_past(rule, &OldPast::default())
    }

    /// Knows what the old release did before.
    pub fn with_past(rule: &model::Judge, past: &OldPast) -> Self {
        let mut judge = Self {
            rule: rule.clone(),
            ground: Ground::default(),
            inquiries: Inquiry::all(rule),
            limit: rule.max_error_rate.map(Limit::new),
            hunger: Hunger::default(),
            last: Duration::ZERO,
            old: Old::Never,
            company: Company::Known,
            canary: Tally::default(),
            stable: Tally::default(),
            fault: None,
            changed: Change::None,
        };
        judge.remember(past);
        judge
    }

    fn remember(&mut self, past: &OldPast) {
        for span in &past.spans {
            let mut fates = Vec::with_capacity(span.routes.len());
            for route in &span.routes {
                let place = self.ground.places.route(route.route.as_ref());
                self.ground.see_all(place, &route.latencies);
                fates.push((place, route.fates));
            }
            self.inquiries.iter_mut().for_each(|it| it.remember(&fates));
        }
        self.inquiries.iter_mut().for_each(|it| it.past.settle());
        self.ground.usual.settle();
    }

    /// Takes up what became of requests since the last time, of both releases over the same time.
    pub fn observe(&mut self, now: Duration, block: &Block, serving: Serving) {
        let passed = now.saturating_sub(self.last);
        self.last = now;
        self.old = serving.old;
        if self.company != Company::Asked {
            self.company = serving.company();
        }
        let share = serving.share(block.share);
        self.canary.add(&block.tally(Side::Canary));
        self.stable.add(&block.tally(Side::Stable));
        let asking = self.ground.begin(now, serving.chance(block), block);
        if share < 1.0 {
            let drawn = asking.drawn();
            self.hunger.take(passed, share, drawn.canary, drawn.all);
        }
        let allowed = self.allowed();
        for inquiry in &mut self.inquiries {
            let (hits, own) = match inquiry.topic {
                Topic::Fate(fate) => (self.ground.fates(block, fate, &mut inquiry.clients), None),
                Topic::Slow(percentile) => {
                    let clients = &mut inquiry.clients;
                    let (hits, asking) = self.ground.slow(block, percentile, allowed, clients);
                    (hits, Some(asking))
                }
            };
            let is_fair = share > 0.0 && share < 1.0 || serving.old != Old::There;
            if let (Topic::Fate(Fate::Failed), Some(limit)) = (inquiry.topic, &mut self.limit)
                && is_fair
            {
                weigh_limit(limit, now, &asking, &hits, inquiry.question.enough());
            }
            let asking = own.as_ref().unwrap_or(&asking);
            let (asked, busy) = (&asking.asked, &asking.busy);
            let barred = block.barred.canary;
            inquiry.take(Matter { now, passed, hits: &hits, asked, busy, share, barred });
            if share >= 1.0 {
                inquiry.take_past(now, asking, &hits);
            }
        }
        self.ground.learn(block);
        if self.fault.is_none() {
            self.fault = self.find_fault();
        }
        if let (Change::None, Some(fault)) = (&self.changed, self.find_change()) {
            self.changed = Change::Found(fault);
        }
    }

    /// Whether it has found anything: a verdict that is not one of praise, or of too few requests.
    pub fn has_found(&self) -> bool {
        self.fault.is_some() || matches!(self.changed, Change::Found(_))
    }

    /// What it says now.
    pub fn verdict(&self) -> Verdict {
        let (requests, needed) = (self.canary.requests, self.rule.min_requests);
        match (&self.fault, &self.changed) {
            (Some(fault), _) => fault.clone(),
            (None, Change::Found(fault)) => Verdict::Changed(fault.clone()),
            (None, _) if requests < needed => Verdict::NotEnoughData { requests, needed },
            (None, _) => Verdict::Good(self.findings()),
        }
    }

    /// What it finds of each aspect.
    pub fn findings(&self) -> Findings {
        let aspects = [Aspect::Errors, Aspect::Latency, Aspect::ClientErrors, Aspect::Redirects];
        Findings(aspects.map(|aspect| (aspect, self.finding(aspect))).to_vec())
    }

    /// What speaks against the new release beside the old one's past, while it has everything: reason enough to
    /// compare them again.
    pub fn suspicion(&self) -> Option<Fault> {
        let is_told = self.rule.client_errors == model::ClientErrors::Tell
            || matches!(self.changed, Change::Excused(_));
        let mut meant = self.inquiries.iter().filter(|it| !(it.is_change() && is_told));
        let (inquiry, found) = meant.find_map(|it| Some((it, it.past.suspicion()?)))?;
        Some(inquiry.past_fault(&self.ground, self.allowed(), found))
    }

    /// Whether what is suspected is still open: they are compared again, and what came so far points at the new release without being
    /// certain, or its instances are ejected and little came.
    pub fn is_open(&self) -> bool {
        let is_starved = self.hunger.is_starved();
        let mut pasts = self.inquiries.iter().map(|it| &it.past);
        pasts.any(|it| it.suspicion().is_some() && is_starved || it.points_at_canary())
    }

    /// They were compared again, and it is no worse: what was suspected is shared by both.
    pub fn acquit(&mut self) {
        let now = self.last;
        self.inquiries.iter_mut().for_each(|it| it.past.acquit(now));
    }

    /// The instance that it found bad is replaced: what is left is what speaks against the others.
    pub fn forgive(&mut self) {
        let Some(Verdict::BadInstance(fault)) = self.fault.take() else { return };
        let place = fault.instance.and_then(|it| self.ground.places.find(&it));
        if let Some(place) = place {
            self.inquiries.iter_mut().for_each(|it| it.question.forgive(place));
        }
        // What it counted was that instance's, too.
        self.limit = self.rule.max_error_rate.map(Limit::new);
        if fault.basis != Basis::Siblings {
            self.company = Company::Asked;
        }
    }

    /// That it responds with other classes of status is known, and meant: it is not the verdict any longer.
    pub fn excuse_change(&mut self) {
        self.changed = match std::mem::replace(&mut self.changed, Change::None) {
            Change::Found(fault) | Change::Excused(fault) => Change::Excused(fault),
            Change::None => Change::None,
        };
    }

    /// All that it has seen of the new release.
    pub fn canary(&self) -> &Tally {
        &self.canary
    }

    /// All that it has seen of the old release.
    pub fn stable(&self) -> &Tally {
        &self.stable
    }

    fn allowed(&self) -> Allowed {
        Allowed {
            max_slowdown: self.rule.max_slowdown.unwrap_or(f64::MAX),
            floor: self.rule.slowdown_floor,
            warm_up: self.rule.warm_up,
        }
    }

    fn find_fault(&self) -> Option<Verdict> {
        let bad = self.inquiries.iter().find_map(|it| it.bad_instance(&self.ground, self.alpha()));
        if let Some(fault) = bad {
            return Some(Verdict::BadInstance(fault));
        }
        let worse = self.find(|it| !it.is_change()).map(Verdict::Worse);
        let found = worse
            .or_else(|| self.over_limit())
            .or_else(|| self.worse_than_past().map(Verdict::Worse))
            .or_else(|| self.ejected().map(Verdict::Worse));
        found.map(|verdict| self.of_one_alone(verdict))
    }

    /// Where the new release is one instance yet, and others are to come, what is found may be that one's fault: it is
    /// replaced, once, and the next one tells.
    fn of_one_alone(&self, verdict: Verdict) -> Verdict {
        match (verdict, self.company, self.ground.places.only_canary()) {
            (Verdict::Worse(fault), Company::Alone, Some(only)) => {
                Verdict::BadInstance(Fault { instance: Some(only.clone()), ..fault })
            }
            (verdict, ..) => verdict,
        }
    }

    fn find(&self, is_meant: impl Fn(&Inquiry) -> bool) -> Option<Fault> {
        let meant = self.inquiries.iter().filter(|it| is_meant(it));
        let mut found = meant.filter_map(|it| it.fault(&self.ground, self.allowed()));
        found.next()
    }

    /// A limit is broken: by the release, or by one of its instances alone.
    fn over_limit(&self) -> Option<Verdict> {
        let limit = self.limit.as_ref()?;
        let errors = self.inquiries.first()?;
        if limit.worth() < (8.0 / self.alpha()).ln() {
            return None;
        }
        let is_alone = match self.old {
            Old::Never => true,
            Old::Gone => errors.past.keeps(limit.max),
            Old::There => false,
        };
        let is_compared = limit.is_kept_by_stable()
            && errors.past.keeps(limit.max)
            && errors.question.worth() >= POINTS.ln();
        if !is_alone && !is_compared {
            return None;
        }
        let scapegoat = || errors.scapegoat(&self.ground, POINTS.ln());
        Some(match is_compared.then(scapegoat).flatten() {
            Some(fault) => Verdict::BadInstance(fault),
            None => Verdict::Worse(errors.limit_fault(limit, &self.ground)),
        })
    }

    fn find_change(&self) -> Option<Fault> {
        let beside_past = || self.beside_past(Inquiry::is_change, |it| it.question.enough());
        self.find(Inquiry::is_change).or_else(beside_past)
    }

    fn worse_than_past(&self) -> Option<Fault> {
        let enough = (2.0 / self.alpha()).ln();
        self.beside_past(|it| !it.is_change(), |_| enough)
    }

    /// Where the old release is gone there is nothing better to go by than its past.
    fn beside_past(
        &self,
        is_meant: impl Fn(&Inquiry) -> bool,
        enough: impl Fn(&Inquiry) -> f64,
    ) -> Option<Fault> {
        if self.old != Old::Gone {
            return None;
        }
        let mut meant = self.inquiries.iter().filter(|it| is_meant(it));
        let (inquiry, found) = meant.find_map(|it| Some((it, it.past.decision(enough(it))?)))?;
        Some(inquiry.past_fault(&self.ground, self.allowed(), found))
    }

    /// Its instances are ejected, so that little more is to be seen of it: less has to do. That it is suspected does not: they may
    /// have been ejected while there was nothing else to serve, for what the world did.
    fn ejected(&self) -> Option<Fault> {
        if !self.hunger.is_starved() || self.old != Old::There {
            return None;
        }
        let errors = self.inquiries.first()?;
        (errors.question.worth() >= LEANS.ln()).then(|| errors.ejected_fault(&self.ground))
    }

    fn alpha(&self) -> f64 {
        1.0 - self.rule.confidence
    }

    fn finding(&self, aspect: Aspect) -> Finding {
        let inquiry = self.inquiries.iter().find(|it| it.aspect() == aspect);
        let Some(inquiry) = inquiry else { return Finding::NotCompared(NotCompared::ByRule) };
        if let Some(fault) = inquiry.fault(&self.ground, self.allowed()) {
            return Finding::Worse(fault);
        }
        let (requests, needed) = (self.canary.requests, self.rule.min_requests);
        if requests < needed {
            return Finding::NotEnoughData { requests, needed };
        }
        inquiry.compared(self.old, needed)
    }
}

impl Serving {
    fn company(self) -> Company {
        match self.canary == 1 && self.coming > 0 && self.stable > 0 {
            true => Company::Alone,
            false => Company::Known,
        }
    }

    /// The share of the new release: the split's, or its part of the instances.
    fn share(self, split: Option<f64>) -> f64 {
        let (canary, all) = (f64::from(self.canary), f64::from(self.canary + self.stable));
        match split {
            Some(share) if self.stable > 0 => share,
            _ => canary / all.max(1.0),
        }
    }

    /// The chance of a request to go to the new release, at most: where instances of the old one are ejected the others get all, and where
    /// all of them are, the new release does, whatever its share. Where all of its own are it has none, and what the old one fails
    /// meanwhile says nothing for it.
    fn chance(self, block: &Block) -> f64 {
        let is_canary = |count: &&Count| count.place.side == Side::Canary;
        let is_out = self.canary > 0 && block.barred.canary >= self.canary;
        if is_out && !block.counts.iter().any(|count| is_canary(&count)) {
            return 0.0;
        }
        let stable = self.stable.saturating_sub(block.barred.stable);
        let serving = Self { stable, ..self };
        serving.share(block.share)
    }
}

/// Where a limit is broken, the comparison has to point the same way: so great a difference comes by chance once in so many.
const POINTS: f64 = 20.0;

/// And where its instances are ejected.
const LEANS: f64 = 4.0;

fn weigh_limit(limit: &mut Limit, now: Duration, asking: &Asking, hits: &[Hit], enough: f64) {
    let hits_of = |side| {
        let of = hits.iter().filter(|hit| hit.stake.side == side);
        of.map(|hit| hit.stake.count as u64).sum()
    };
    let requests_of = |of: fn(&question::Asked) -> u64| asking.asked.iter().map(of).sum();
    let canary = Counted { hits: hits_of(Side::Canary), requests: requests_of(|it| it.canary) };
    let stable = Counted { hits: hits_of(Side::Stable), requests: requests_of(|it| it.stable) };
    hits.iter().for_each(|hit| limit.trail.add(hit));
    limit.take(now, canary, stable, enough / 4.0);
}

/// How few addresses all requests came from, where that has to be said.
fn few(ground: &Ground) -> Option<usize> {
    match ground.crowd.addresses() {
        Addresses::Few(few) => Some(few),
        Addresses::Unknown | Addresses::Many => None,
    }
}

#[cfg(test)]
mod tests;
