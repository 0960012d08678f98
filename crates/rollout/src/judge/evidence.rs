//! The questions that the judge asks, each with what it knows of clients and of the past, and what it says when one is
//! answered.

use std::time::Duration;

use super::Old;
use super::clients::Clients;
use super::few;
use super::latency::Percentile;
use super::limit::Limit;
use super::matter::{Allowed, Asking, Ground};
use super::past::{Past, Suspicion};
use super::question::{Demand, Hit, Matter, Question};
use super::trail::Trail;
use super::verdict::{Aspect, Basis, Fault, Finding, NotCompared, Rate, Slow};
use crate::block::{Fate, Fates};
use crate::event::Side;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// Requests that ended so.
    Fate(Fate),
    /// Responses that took longer.
    Slow(Percentile),
}

/// A question, and what has to be known to ask and to answer it.
#[derive(Clone, Debug)]
pub(super) struct Inquiry {
    pub(super) topic: Topic,
    pub(super) question: Question,
    pub(super) clients: Clients,
    pub(super) past: Past,
    /// Requests of both releases that were compared.
    compared: Compared,
}

#[derive(Clone, Copy, Debug, Default)]
struct Compared {
    canary: Rate,
    stable: Rate,
}

impl Inquiry {
    /// All that are asked by `rule`, errors first.
    pub(super) fn all(rule: &model::Judge) -> Vec<Self> {
        let alpha = 1.0 - rule.confidence;
        let of = |topic, part: f64, excess: f64| Self {
            topic,
            question: Question::new(Demand { alpha: alpha * part, excess }),
            clients: Clients::default(),
            past: Past::new(allowed(topic, rule)),
            compared: Compared::default(),
        };
        let mut all = vec![of(Topic::Fate(Fate::Failed), 0.5, 0.001)];
        if rule.max_slowdown.is_some() {
            all.extend(Percentile::ALL.map(|it| of(Topic::Slow(it), 0.125, 0.005)));
        }
        all.push(of(Topic::Fate(Fate::ClientError), 0.0625, 0.02));
        all.push(of(Topic::Fate(Fate::Redirect), 0.0625, 0.02));
        all
    }

    pub(super) fn aspect(&self) -> Aspect {
        match self.topic {
            Topic::Fate(Fate::ClientError) => Aspect::ClientErrors,
            Topic::Fate(Fate::Redirect) => Aspect::Redirects,
            Topic::Fate(Fate::Failed | Fate::Ok) => Aspect::Errors,
            Topic::Slow(_) => Aspect::Latency,
        }
    }

    /// Whether what it finds is a change, of which the rule says what follows, and no failure.
    pub(super) fn is_change(&self) -> bool {
        matches!(self.aspect(), Aspect::ClientErrors | Aspect::Redirects)
    }

    /// What became of requests in a span of the time before, by route.
    pub(super) fn remember(&mut self, span: &[(usize, Fates)]) {
        let part = |fates: &Fates, part: f64| part * fates.requests() as f64;
        for (route, fates) in span {
            // By what a percentile means.
            match self.topic {
                Topic::Fate(_) => {}
                Topic::Slow(Percentile::P95) => {
                    self.past.learn(*route, part(fates, 0.05), fates.requests());
                }
                Topic::Slow(Percentile::P99) => {
                    self.past.learn(*route, part(fates, 0.01), fates.requests());
                }
            }
        }
        if let Topic::Fate(fate) = self.topic {
            let rate = |fates: &Fates| Rate { hits: fates.of(fate), requests: fates.requests() };
            self.past.learn_span(span.iter().map(|(route, fates)| (*route, rate(fates))));
        }
    }

    pub(super) fn take(&mut self, matter: Matter<'_>) {
        for asked in matter.asked {
            let hits = |side| {
                let of = matter.hits.iter().filter(|hit| hit.route == asked.route);
                let of = of.filter(|hit| hit.stake.side == side);
                of.map(|hit| hit.stake.count as u64).sum()
            };
            let stable = hits(Side::Stable);
            if asked.stable > 0 {
                self.past.learn(asked.route, stable as f64, asked.stable);
            }
            if matter.is_fair() {
                let canary = hits(Side::Canary);
                self.past.compare(
                    asked.route,
                    Rate { hits: canary, requests: asked.canary },
                    Rate { hits: stable, requests: asked.stable },
                );
                self.compared.canary.add(canary, asked.canary);
                self.compared.stable.add(stable, asked.stable);
            }
        }
        self.question.take(matter);
    }

    pub(super) fn take_past(&mut self, now: Duration, asking: &Asking, hits: &[Hit]) {
        self.past.take(now, asking, hits, self.question.enough() / 4.0);
    }

    /// That the new release is worse, if it is certain.
    pub(super) fn fault(&self, ground: &Ground, allowed: Allowed) -> Option<Fault> {
        let guilt = self.question.guilt()?;
        let window = &guilt.window;
        Some(Fault {
            basis: Basis::SameTime,
            route: guilt.route.and_then(|route| ground.places.name_of(route)),
            canary: window.canary,
            stable: window.stable,
            expected: window.expected,
            one_in: guilt.worth.exp(),
            slow: self.slow(ground, guilt.route, allowed),
            ..self.shown(ground, &window.trail)
        })
    }

    /// That one of the new release's instances is.
    pub(super) fn bad_instance(&self, ground: &Ground, alpha: f64) -> Option<Fault> {
        if self.is_change() {
            return None;
        }
        let siblings = &self.question.siblings;
        let scapegoat =
            self.question.guilt().and_then(|_| siblings.scapegoat(self.question.enough()));
        let place = scapegoat.or_else(|| siblings.black_sheep((4.0 / alpha).ln()))?;
        Some(self.sibling_fault(ground, place))
    }

    /// That one instance is, without which what speaks against the release is less than `enough`.
    pub(super) fn scapegoat(&self, ground: &Ground, enough: f64) -> Option<Fault> {
        let place = self.question.siblings.scapegoat(enough)?;
        Some(self.sibling_fault(ground, place))
    }

    fn sibling_fault(&self, ground: &Ground, place: usize) -> Fault {
        let siblings = &self.question.siblings;
        let canary = siblings.rate(place);
        let others = siblings.others(place);
        Fault {
            basis: Basis::Siblings,
            instance: Some(ground.places.instance(place).clone()),
            canary,
            stable: others,
            expected: others.share() * canary.requests as f64,
            one_in: siblings.worth(place).exp(),
            ..self.shown(ground, siblings.trail(place))
        }
    }

    /// What was seen before its instances were ejected.
    pub(super) fn ejected_fault(&self, ground: &Ground) -> Fault {
        let window = self.question.window();
        Fault {
            basis: Basis::Ejected,
            canary: window.canary,
            stable: window.stable,
            expected: window.expected,
            one_in: self.question.worth().exp(),
            ..self.shown(ground, &window.trail)
        }
    }

    /// What the past says against it.
    pub(super) fn past_fault(
        &self,
        ground: &Ground,
        allowed: Allowed,
        found: Suspicion<'_>,
    ) -> Fault {
        let Suspicion { route, ledger, worth } = found;
        Fault {
            basis: Basis::Past,
            route: route.and_then(|route| ground.places.name_of(route)),
            canary: ledger.canary,
            expected: ledger.expected,
            one_in: worth.exp(),
            slow: self.slow(ground, route, allowed),
            ..self.shown(ground, &ledger.trail)
        }
    }

    /// What is slow, where that is what it asks.
    fn slow(&self, ground: &Ground, route: Option<usize>, allowed: Allowed) -> Option<Slow> {
        let single = || (ground.places.routes() == 1).then_some(0);
        match self.topic {
            Topic::Slow(percentile) => {
                Some(slow(ground, route.or_else(single), percentile, allowed))
            }
            Topic::Fate(_) => None,
        }
    }

    pub(super) fn limit_fault(&self, limit: &Limit, ground: &Ground) -> Fault {
        Fault {
            basis: Basis::Limit(limit.max),
            canary: limit.canary,
            stable: limit.stable,
            expected: limit.max * limit.canary.requests as f64,
            one_in: limit.worth().exp(),
            ..self.shown(ground, &limit.trail)
        }
    }

    /// What can be said where nothing was found. Where `needed` requests of the old release are not known, nothing
    /// good can.
    pub(super) fn compared(&self, old: Old, needed: u64) -> Finding {
        let Compared { canary, stable } = self.compared;
        if stable.requests >= needed && canary.requests >= needed {
            return Finding::BetterOrEqual { canary, stable, basis: Basis::SameTime };
        }
        let requests = self.past.requests();
        if requests >= needed && canary.requests >= needed {
            let hits = (self.past.share() * requests as f64).round() as u64;
            let stable = Rate { hits, requests };
            return Finding::BetterOrEqual { canary, stable, basis: Basis::Past };
        }
        Finding::NotCompared(match old {
            Old::Never => NotCompared::NoOld,
            _ if stable.requests >= needed => NotCompared::Young,
            _ => NotCompared::FewOfOld(stable.requests),
        })
    }

    /// A fault of which it is known what can be shown, and nothing else yet.
    fn shown(&self, ground: &Ground, trail: &Trail) -> Fault {
        Fault {
            aspect: self.aspect(),
            basis: Basis::SameTime,
            route: None,
            instance: None,
            canary: Rate::default(),
            stable: Rate::default(),
            expected: 0.0,
            one_in: 1.0,
            since: trail.since(),
            struck: trail.struck(ground),
            examples: trail.examples(),
            addresses: few(ground),
            slow: None,
        }
    }
}

/// What stands in for a past that is not known: what is allowed.
fn allowed(topic: Topic, rule: &model::Judge) -> Option<f64> {
    match topic {
        Topic::Fate(Fate::Failed) => rule.max_error_rate,
        Topic::Fate(_) | Topic::Slow(_) => None,
    }
}

fn slow(ground: &Ground, route: Option<usize>, percentile: Percentile, allowed: Allowed) -> Slow {
    let usual = route.and_then(|route| ground.usual.percentile(route, percentile));
    Slow { percentile, usual, allowed: usual.map(|usual| allowed.limit(usual)) }
}
