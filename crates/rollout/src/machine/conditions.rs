//! What has to hold outside: when each condition is asked, and what its responses mean for the rollout.
//!
//! A step, and the bake, is over only once each condition was met by a response that was asked for after its time was over.
//! Meanwhile each is asked at its pace, so that a breach is found early. Who asks, and how a value is compared, is not known here.

use std::time::Duration;

use model::{Asks, Condition, Unknown};

use super::{Direction, Rollout, Stage};
use crate::event::{Effect, Measurement, News, Pause, Reason};

/// So often in a row it is not known whether a condition holds before that has consequences.
const UNKNOWN_MAX: u32 = 5;
/// After a response that said nothing it is asked again so soon, if not sooner.
const AGAIN: Duration = Duration::from_secs(5);
/// Longer than its timeout no response is waited for, and this: its timeout is kept by those who ask.
const GRACE: Duration = Duration::from_secs(5);

/// The conditions of a rollout.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    all: Vec<Watched>,
    /// A person goes on without knowing, in this period of watching.
    is_excused: bool,
}

/// One condition, and how it stands.
#[derive(Clone, Debug)]
struct Watched {
    condition: Condition,
    /// The number of the last time that it was asked.
    number: u64,
    /// When it was asked, while it was not responded to.
    asked: Option<Duration>,
    /// When it is asked next.
    due: Duration,
    breaches: u32,
    unknowns: u32,
    /// What was said last in this period of watching.
    last: Option<Answer>,
}

/// What was said, and when it had been asked for.
#[derive(Clone, Debug)]
struct Answer {
    asked: Duration,
    measurement: Measurement,
}

/// How a condition stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionOverview<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What was said last, in this period of watching; `None` before.
    pub last: Option<&'a Measurement>,
}

impl Conditions {
    pub(super) fn new(all: &[Condition]) -> Self {
        let watched = |condition: &Condition| Watched {
            condition: condition.clone(),
            number: 0,
            asked: None,
            due: Duration::ZERO,
            breaches: 0,
            unknowns: 0,
            last: None,
        };
        Self { all: all.iter().map(watched).collect(), is_excused: false }
    }

    /// A period of watching begins, which lasts until then, if that is known: what was said before is of another one.
    pub(super) fn begin(&mut self, now: Duration, until: Option<Duration>) {
        self.is_excused = false;
        for it in &mut self.all {
            let due = now + it.condition.every;
            it.due = until.map_or(due, |until| due.min(until));
            (it.asked, it.last, it.breaches, it.unknowns) = (None, None, 0, 0);
        }
    }

    pub(super) fn overview(&self) -> Vec<ConditionOverview<'_>> {
        let of_each = self.all.iter().map(|it| ConditionOverview {
            name: &it.condition.name,
            last: it.last.as_ref().map(|last| &last.measurement),
        });
        of_each.collect()
    }

    /// A person goes on although something is not known.
    pub(super) fn excuse(&mut self) {
        self.is_excused = true;
    }
}

impl Watched {
    /// When something is to be done about it: when it is asked, or given up.
    fn deadline(&self) -> Duration {
        self.asked.map_or(self.due, |asked| asked + self.condition.timeout + GRACE)
    }

    fn is_met(&self) -> bool {
        matches!(&self.last, Some(Answer { measurement: Measurement::Met(_), .. }))
    }
}

impl Rollout {
    /// Whether conditions are looked at now. Who rolls back by hand knows why, and a first release has nothing to go back to.
    fn heeds_conditions(&self) -> bool {
        matches!(self.stage, Stage::Step { .. } | Stage::Baking { .. })
            && self.plan.direction == Direction::Forward
            && !self.plan.stable.is_empty()
            && !self.bake_is_skipped()
            && !self.is_hurried
    }

    /// A bake of no time is none.
    fn bake_is_skipped(&self) -> bool {
        matches!(self.stage, Stage::Baking { .. }) && self.bake().is_zero()
    }

    /// Whether a condition has a say now. Of a release that gets no requests there is nothing to measure.
    fn has_say(&self, it: &Watched) -> bool {
        self.share != Some(0.0) || matches!(it.condition.asks, Asks::Webhook { .. })
    }

    /// When a condition is to be asked, or is given up, next.
    pub(super) fn next_measurement(&self) -> Option<Duration> {
        let heeded = self.conditions.all.iter().filter(|it| self.has_say(it));
        let deadlines = heeded.map(Watched::deadline);
        deadlines.filter(|_| self.heeds_conditions()).min()
    }

    /// Gives up those that never responded.
    pub(super) fn give_up_silent(&mut self) {
        for place in 0..self.conditions.all.len() {
            let it = &self.conditions.all[place];
            if self.heeds_conditions() && it.asked.is_some() && it.deadline() <= self.now {
                let measurement = Measurement::Unknown("no response".to_owned());
                self.measured(place, it.number, measurement);
            }
        }
    }

    /// Asks those whose time has come.
    pub(super) fn measure(&mut self) {
        for place in 0..self.conditions.all.len() {
            let it = &self.conditions.all[place];
            let is_due = it.asked.is_none() && it.due <= self.now;
            if !is_due || !self.heeds_conditions() || !self.has_say(it) {
                continue;
            }
            let it = &mut self.conditions.all[place];
            it.number += 1;
            it.asked = Some(self.now);
            self.effects.push(Effect::Measure { condition: place, number: it.number });
        }
    }

    /// A condition was asked for the `number`th time, and this came of it.
    pub(super) fn measured(&mut self, place: usize, number: u64, measurement: Measurement) {
        let (now, until) = (self.now, self.watched_until());
        let is_heeded = self.heeds_conditions();
        let Some(it) = self.conditions.all.get_mut(place) else { return };
        let Some(asked) = it.asked.take_if(|_| is_heeded && it.number == number) else { return };
        let is_final = until.is_some_and(|until| asked >= until);
        let pace = match measurement {
            Measurement::Unknown(_) => it.condition.every.min(AGAIN),
            _ => it.condition.every,
        };
        it.due = match until {
            // What ends the period has to be asked for after it.
            Some(until) if !is_final => (now + pace).min(until.max(now)),
            _ => now + pace,
        };
        match measurement {
            Measurement::Met(_) => (it.breaches, it.unknowns) = (0, 0),
            Measurement::Breached(_) => (it.breaches, it.unknowns) = (it.breaches + 1, 0),
            Measurement::Unknown(_) => it.unknowns += 1,
        }
        let kind = std::mem::discriminant(&measurement);
        let is_news = match &it.last {
            None => true,
            Some(last) => {
                let was_final = until.is_some_and(|until| last.asked >= until);
                std::mem::discriminant(&last.measurement) != kind || is_final && !was_final
            }
        };
        let is_news = is_news || matches!(measurement, Measurement::Breached(_));
        it.last = Some(Answer { asked, measurement: measurement.clone() });
        if is_news {
            let (name, allowed) = (it.condition.name.clone(), it.condition.failures.get());
            let breaches = it.breaches;
            self.tell(News::Measured { name, measurement, breaches, allowed });
        }
        self.follow(place);
    }

    /// What follows from how a condition stands.
    fn follow(&mut self, place: usize) {
        let it = &self.conditions.all[place];
        let Some(Answer { measurement, .. }) = &it.last else { return };
        let name = it.condition.name.clone();
        match (measurement, it.condition.unknown) {
            (Measurement::Breached(why), _) if it.breaches >= it.condition.failures.get() => {
                let why = why.clone();
                self.turn_back(Reason::Condition { name, why });
            }
            (Measurement::Unknown(why), Unknown::Rollback) if it.unknowns >= UNKNOWN_MAX => {
                let why = format!("not known {} times in a row: {why}", it.unknowns);
                self.turn_back(Reason::Condition { name, why });
            }
            (Measurement::Unknown(_), Unknown::Hold)
                if it.unknowns >= UNKNOWN_MAX && !self.conditions.is_excused =>
            {
                self.pause(Pause::Condition);
            }
            (Measurement::Met(_), _) => self.resume_if_known(),
            _ => {}
        }
    }

    /// What it was paused for is over, where every condition holds.
    fn resume_if_known(&mut self) {
        let is_met = |it: &Watched| it.is_met() || !self.has_say(it);
        if self.paused == Some(Pause::Condition) && self.conditions.all.iter().all(is_met) {
            self.paused = None;
            self.tell(News::Resumed);
        }
    }

    /// Whether every condition holds, as far as it is to be known, by what was asked for since the period's time was over.
    pub(super) fn conditions_hold(&self) -> bool {
        if !self.heeds_conditions() {
            return true;
        }
        let until = self.watched_until().unwrap_or_default();
        self.conditions.all.iter().filter(|it| self.has_say(it)).all(|it| match &it.last {
            Some(Answer { asked, measurement: Measurement::Met(_) }) => *asked >= until,
            Some(Answer { asked, measurement: Measurement::Unknown(_) }) => {
                *asked >= until && self.conditions.is_excused
            }
            Some(Answer { measurement: Measurement::Breached(_), .. }) | None => false,
        })
    }
}
