//! Which one rule, a little wider, would have let a release pass that was found worse.
//!
//! Each rule that the finding rests on is widened in two or three steps, and the record is judged again by each. What a release
//! that was rolled back would have met afterwards is in no record: that it would not have been found worse is said of the record
//! alone.

use std::fmt;
use std::time::Duration;

use model::ClientErrors;

use crate::block::Past;
use crate::judge::{Aspect, Basis, Fault};
use crate::replay::{Moment, replay};

/// One rule of the judge's that is another than a deploy had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// How sure it has to be.
    Confidence(f64),
    /// The share of requests that may fail.
    MaxErrorRate(f64),
    /// How many times as slow it may be.
    MaxSlowdown(f64),
    /// Within this much nobody is slower.
    SlowdownFloor(Duration),
    /// Latencies of instances this young are not looked at.
    WarmUp(Duration),
    /// What follows from more 4xx or 3xx.
    ClientErrors(ClientErrors),
}

/// The first rule, of those that `fault` rests on, with which a release that `rule` condemned in `record` would not have been found worse in
/// it. `None` where none would do, where the record says otherwise than was found, or where `goes_on`, which is asked before each
/// judging, says that it takes too long.
pub fn nearby(
    rule: &model::Judge,
    fault: &Fault,
    past: &Past,
    record: &[Moment],
    goes_on: impl Fn() -> bool,
) -> Option<Change> {
    if matches!(fault.aspect, Aspect::ClientErrors | Aspect::Redirects) {
        // What follows from them the rule alone says.
        return Some(Change::ClientErrors(ClientErrors::Hold));
    }
    let is_worse = |rule: &model::Judge| replay(rule, past, record).worse.is_some();
    if !goes_on() || !is_worse(rule) {
        return None;
    }
    let mut wider = wider(rule, fault).into_iter().take_while(|_| goes_on());
    wider.find(|change| !is_worse(&change.applied(rule)))
}

/// The rules that `fault` rests on, each a little wider than `rule` has it, those first that one would think of first.
fn wider(rule: &model::Judge, fault: &Fault) -> Vec<Change> {
    let mut wider = Vec::new();
    if let (Aspect::Latency, Some(slowdown)) = (fault.aspect, rule.max_slowdown) {
        wider.extend([4.0 / 3.0, 2.0, 4.0].map(|by| Change::MaxSlowdown(round(slowdown * by))));
        wider.extend([2, 4].map(|by| Change::SlowdownFloor(rule.slowdown_floor * by)));
        wider.extend([2, 4].map(|by| Change::WarmUp(rule.warm_up * by)));
    }
    if let (Basis::Limit(_), Some(max)) = (fault.basis, rule.max_error_rate) {
        let rates = [2.0, 5.0, 10.0].map(|by| round(max * by));
        wider.extend(rates.into_iter().filter(|rate| *rate < 1.0).map(Change::MaxErrorRate));
    }
    wider.extend(
        [10.0, 100.0].map(|by| Change::Confidence(round(1.0 - (1.0 - rule.confidence) / by))),
    );
    wider.retain(|change| change.applied(rule) != *rule);
    wider
}

/// To six decimals: it is written down by people.
fn round(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

impl Change {
    /// `rule` with it.
    pub fn applied(self, rule: &model::Judge) -> model::Judge {
        let mut rule = rule.clone();
        match self {
            Self::Confidence(confidence) => rule.confidence = confidence,
            Self::MaxErrorRate(max) => rule.max_error_rate = Some(max),
            Self::MaxSlowdown(max) => rule.max_slowdown = Some(max),
            Self::SlowdownFloor(floor) => rule.slowdown_floor = floor,
            Self::WarmUp(warm_up) => rule.warm_up = warm_up,
            Self::ClientErrors(what) => rule.client_errors = what,
        }
        rule
    }
}

impl fmt::Display for Change {
    /// As `plimsoll judge --set` reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confidence(confidence) => write!(f, "confidence={confidence}"),
            Self::MaxErrorRate(max) => write!(f, "max_error_rate={}%", round(max * 100.0)),
            Self::MaxSlowdown(max) => write!(f, "max_slowdown={max}"),
            Self::SlowdownFloor(floor) => write!(f, "slowdown_floor={}ms", floor.as_millis()),
            Self::WarmUp(warm_up) => write!(f, "warm_up={}ms", warm_up.as_millis()),
            Self::ClientErrors(what) => {
                let word = match what {
                    ClientErrors::Hold => "hold",
                    ClientErrors::Rollback => "rollback",
                    ClientErrors::Tell => "tell",
                };
                write!(f, "client_errors={word}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::InstanceName;

    use super::*;
    use crate::block::{Assignment, Block, Count, Fates, Place};
    use crate::event::Side;
    use crate::judge::{Old, Serving};
    use crate::replay::Replay;

    /// A first release, of whose requests one in so many fails.
    fn failing(one_in: u64) -> Vec<Moment> {
        let place = Place {
            route: None,
            instance: InstanceName::from("api-1"),
            side: Side::Canary,
            assignment: Assignment::Drawn,
        };
        let moment = |number: u64| Moment {
            at: Duration::from_millis(250 * (number + 1)),
            serving: Serving { canary: 1, stable: 0, coming: 0, old: Old::Never },
            block: Block {
                counts: vec![Count {
                    place: place.clone(),
                    fates: Fates { ok: one_in - 1, failed: 1, ..Fates::default() },
                }],
                ..Block::default()
            },
        };
        (0..200).map(moment).collect()
    }

    fn judged(rule: &model::Judge, record: &[Moment]) -> Replay {
        replay(rule, &Past::default(), record)
    }

    #[test]
    fn the_next_wider_limit_is_named_that_lets_the_record_pass() {
        let (rule, record) = (model::Judge::default(), failing(30));
        let (_, fault) = judged(&rule, &record).worse.expect("it fails more than 1 %");
        let change = nearby(&rule, &fault, &Past::default(), &record, || true).unwrap();
        assert_eq!(change.to_string(), "max_error_rate=5%");
        assert_eq!(judged(&change.applied(&rule), &record).worse, None);
        let narrower = Change::MaxErrorRate(0.02).applied(&rule);
        assert!(judged(&narrower, &record).worse.is_some());
    }

    #[test]
    fn where_no_rule_nearby_would_do_or_there_is_no_time_none_is_named() {
        let (rule, record) = (model::Judge::default(), failing(2));
        let (_, fault) = judged(&rule, &record).worse.expect("half of it fails");
        assert_eq!(nearby(&rule, &fault, &Past::default(), &record, || true), None);
        let record = failing(30);
        assert_eq!(nearby(&rule, &fault, &Past::default(), &record, || false), None);
        assert_eq!(nearby(&rule, &fault, &Past::default(), &record[..1], || true), None);
    }
}
