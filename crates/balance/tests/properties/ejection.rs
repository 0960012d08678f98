//! The ejector in a simulated service: instances that fall ill and recover, come and go, and are
//! asked by requests as long as they are admitted. A shadow that keeps everything and knows no
//! shortcut says what must follow; what must hold at every moment is swept after each step.

use std::num::NonZeroU32;
use std::time::Duration;

use balance::ejection::{Cause, Cohort, Ejector, Event, Fitness, Outcomes, Reason, Transition};
use model::{InstanceName, Passive};

use crate::dice::{Dice, for_each_seed};

/// How many cohorts there are, in their order.
const COHORTS: i64 = 3;

fn cohorts() -> impl Iterator<Item = Cohort> {
    (0..COHORTS).map(Cohort::of_release)
}

/// What the shadow knows of an instance.
#[derive(Clone, Debug)]
struct Shadow {
    name: InstanceName,
    cohort: Cohort,
    fit: bool,
    ejected_until: Option<Duration>,
    admitted_since: Duration,
    strikes: u32,
    term: Duration,
    /// All samples since the instance came, was ejected, or began to count anew.
    samples: Vec<(Duration, Outcomes)>,
}

/// The service as it is, which the ejector only hears of.
#[derive(Clone, Debug)]
struct Real {
    name: InstanceName,
    fails_per_mille: u64,
    in_a_row: u32,
    outcomes: Outcomes,
}

/// A deploy is on its way in every service: one in three instances is of the new release, and one in seven of none.
fn cohort_of(name: &InstanceName) -> Cohort {
    let number: u32 = name.as_str().trim_start_matches("api-").parse().expect("its number");
    match number {
        it if it % 7 == 6 => Cohort::default(),
        it if it % 3 == 2 => Cohort::of_release(2),
        _ => Cohort::of_release(1),
    }
}

#[derive(Debug)]
struct Service {
    rule: Passive,
    now: Duration,
    shadows: Vec<Shadow>,
    reals: Vec<Real>,
    ejector: Ejector,
    named: u32,
}

impl Shadow {
    fn new(name: InstanceName, fit: bool, now: Duration) -> Self {
        Self {
            cohort: cohort_of(&name),
            name,
            fit,
            ejected_until: None,
            admitted_since: now,
            strikes: 0,
            term: Duration::ZERO,
            samples: Vec::new(),
        }
    }

    /// What happened in the last `length`, by the samples that are kept apart by a tenth of it.
    fn recent(&mut self, now: Duration, outcomes: Outcomes, length: Duration) -> Outcomes {
        let mut kept: Vec<(Duration, Outcomes)> = Vec::new();
        for sample in &self.samples {
            if kept.last().is_none_or(|last| sample.0 - last.0 >= length / 10) {
                kept.push(*sample);
            }
        }
        let old = kept.iter().rev().find(|sample| sample.0 + length <= now);
        let base = old.or(kept.first()).map_or(outcomes, |sample| sample.1);
        if outcomes.successes < base.successes || outcomes.failures < base.failures {
            self.samples = vec![(now, outcomes)];
            return Outcomes::default();
        }
        self.samples.push((now, outcomes));
        Outcomes {
            successes: outcomes.successes - base.successes,
            failures: outcomes.failures - base.failures,
        }
    }
}

impl Service {
    fn new(dice: &mut Dice) -> Self {
        let rule = Passive {
            max_fails: NonZeroU32::new(dice.within(1..6) as u32).expect("not 0"),
            fail_timeout: Duration::from_millis(dice.choose([0, 500, 3_000, 10_000])),
            max_ejected: dice.choose([0.0, 0.1, 0.3, 0.5, 1.0]),
        };
        Self {
            now: Duration::from_secs(dice.within(0..100)),
            shadows: Vec::new(),
            reals: Vec::new(),
            ejector: Ejector::new(rule.clone()),
            rule,
            named: 0,
        }
    }

    fn limit(&self, cohort: Cohort) -> usize {
        let count = self.of(cohort).count();
        match self.rule.max_ejected {
            share if share > 0.0 && count > 1 => {
                // In tenths: exact.
                (((share * 10.0).round() as usize * count) / 10).max(1)
            }
            _ => 0,
        }
    }

    fn of(&self, cohort: Cohort) -> impl Iterator<Item = &Shadow> {
        self.shadows.iter().filter(move |shadow| shadow.cohort == cohort)
    }

    fn ejected(&self, cohort: Cohort) -> usize {
        self.of(cohort).filter(|shadow| shadow.ejected_until.is_some()).count()
    }

    fn serving(&self) -> Vec<InstanceName> {
        let serves = |shadow: &&Shadow| shadow.fit && shadow.ejected_until.is_none();
        self.shadows.iter().filter(serves).map(|shadow| shadow.name.clone()).collect()
    }

    fn serving_of(&self, cohort: Cohort) -> Vec<InstanceName> {
        let mut serving = self.serving();
        serving.retain(|name| cohort_of(name) == cohort);
        serving
    }

    fn shadow(&mut self, name: &InstanceName) -> Option<&mut Shadow> {
        self.shadows.iter_mut().find(|shadow| shadow.name == *name)
    }

    /// What the shadow expects of an event.
    fn expect(&mut self, event: Event<'_>) -> Vec<Transition> {
        let mut expected = Vec::new();
        let now = self.now;
        while let Some(until) = self.first_to_return(|_| true).filter(|(until, _)| *until <= now) {
            expected.push(self.readmit(until.0, until.1, Reason::Served));
        }
        match event {
            Event::Present { instance, fitness, .. } => {
                let fit = fitness == Fitness::Fit;
                match self.shadow(instance) {
                    Some(shadow) => shadow.fit = fit,
                    None => self.shadows.push(Shadow::new(instance.clone(), fit, now)),
                }
            }
            Event::Gone { instance } => self.shadows.retain(|shadow| shadow.name != *instance),
            Event::Failed { instance, in_a_row } if in_a_row >= self.rule.max_fails.get() => {
                expected.extend(self.eject(instance, Cause::InARow(in_a_row)));
            }
            Event::Sampled { instance, outcomes } => {
                let Passive { max_fails, fail_timeout, .. } = self.rule;
                if let Some(shadow) = self.shadow(instance) {
                    if shadow.ejected_until.is_some() {
                        shadow.samples.clear();
                    }
                    let recent = shadow.recent(now, outcomes, fail_timeout);
                    let is_bad = recent.failures >= u64::from(max_fails.get())
                        && recent.failures * 2 >= recent.attempts();
                    if is_bad {
                        expected.extend(self.eject(instance, Cause::Rate(recent)));
                    }
                }
            }
            Event::Failed { .. } | Event::Tick => {}
        }
        for cohort in cohorts() {
            while self.ejected(cohort) > self.limit(cohort) {
                let is_meant = |shadow: &Shadow| shadow.cohort == cohort;
                let (_, name) = self.first_to_return(is_meant).expect("someone is out");
                expected.push(self.readmit(now, name, Reason::Needed));
            }
            let is_fit = |shadow: &Shadow| shadow.fit && shadow.cohort == cohort;
            if self.serving_of(cohort).is_empty()
                && let Some((_, name)) = self.first_to_return(is_fit)
            {
                expected.push(self.readmit(now, name, Reason::Needed));
            }
        }
        expected
    }

    fn first_to_return(
        &self,
        counts: impl Fn(&Shadow) -> bool,
    ) -> Option<(Duration, InstanceName)> {
        let ejected = self.shadows.iter().filter(|shadow| counts(shadow));
        ejected.filter_map(|shadow| Some((shadow.ejected_until?, shadow.name.clone()))).min()
    }

    fn readmit(&mut self, since: Duration, name: InstanceName, reason: Reason) -> Transition {
        let shadow = self.shadow(&name).expect("it was found by name");
        shadow.ejected_until = None;
        shadow.admitted_since = since;
        Transition::Readmitted { instance: name, reason }
    }

    fn eject(&mut self, name: &InstanceName, cause: Cause) -> Option<Transition> {
        let (now, base) = (self.now, self.rule.fail_timeout);
        let cohort = cohort_of(name);
        let serving = self.serving_of(cohort);
        let is_full = self.ejected(cohort) >= self.limit(cohort);
        if base.is_zero() || is_full || !serving.contains(name) || serving.len() < 2 {
            return None;
        }
        let shadow = self.shadow(name)?;
        let mut calm = now.saturating_sub(shadow.admitted_since);
        while shadow.strikes > 0 && calm >= shadow.term {
            shadow.strikes -= 1;
            calm -= shadow.term;
        }
        shadow.strikes = (shadow.strikes + 1).min(5);
        shadow.term = base * [1, 2, 4, 8, 10][shadow.strikes as usize - 1];
        let until = now + shadow.term;
        shadow.ejected_until = Some(until);
        shadow.samples.clear();
        Some(Transition::Ejected { instance: name.clone(), until, cause })
    }

    /// Tells the ejector, and compares what it does with what the shadow expects.
    fn step(&mut self, event: Event<'_>) {
        let expected = self.expect(event);
        let transitions = self.ejector.step(self.now, event);
        assert_eq!(transitions, expected, "{event:?} at {:?}", self.now);
        self.sweep();
    }

    /// What holds at every moment.
    fn sweep(&self) {
        let ejected: Vec<&Shadow> = self
            .shadows
            .iter()
            .filter(|shadow| self.ejector.ejected_until(&shadow.name).is_some())
            .collect();
        for cohort in cohorts() {
            assert_eq!(self.ejector.limit(cohort), self.limit(cohort));
            let is_out = |it: &&Shadow| {
                it.cohort == cohort && self.ejector.ejected_until(&it.name).is_some()
            };
            let out = self.shadows.iter().filter(is_out).count();
            assert!(out <= self.limit(cohort), "too many are out");
            let mut fit = self.of(cohort).filter(|shadow| shadow.fit).peekable();
            assert!(
                fit.peek().is_none()
                    || fit.any(|shadow| self.ejector.ejected_until(&shadow.name).is_none()),
                "the last one of a release is out"
            );
        }
        for shadow in &self.shadows {
            assert_eq!(self.ejector.ejected_until(&shadow.name), shadow.ejected_until);
        }
        let next = ejected.iter().filter_map(|shadow| shadow.ejected_until).min();
        assert_eq!(self.ejector.next_deadline(), next);
        assert!(next.is_none_or(|next| next > self.now), "a deadline has passed");
    }

    /// A request goes to someone who serves.
    fn request(&mut self, dice: &mut Dice) {
        if let Some(name) = dice.one_of(&self.serving()).cloned() {
            self.end(&name, dice);
        }
    }

    /// A request on an instance ends, be it that it began before an ejection.
    fn end(&mut self, name: &InstanceName, dice: &mut Dice) {
        let real =
            self.reals.iter_mut().find(|real| real.name == *name).expect("who serves is real");
        match dice.happens(real.fails_per_mille) {
            false => {
                real.outcomes.successes += 1;
                real.in_a_row = 0;
            }
            true => {
                real.outcomes.failures += 1;
                real.in_a_row += 1;
                let in_a_row = real.in_a_row;
                self.step(Event::Failed { instance: name, in_a_row });
            }
        }
    }

    fn sample_all(&mut self) {
        for Real { name, outcomes, .. } in self.reals.clone() {
            self.step(Event::Sampled { instance: &name, outcomes });
        }
    }

    fn present(&mut self, name: &InstanceName, fitness: Fitness) {
        self.step(Event::Present { instance: name, cohort: cohort_of(name), fitness });
    }

    fn join(&mut self, fitness: Fitness) {
        let name = InstanceName::from(format!("api-{}", self.named));
        self.named += 1;
        self.present(&name, fitness);
        self.reals.push(Real {
            name,
            fails_per_mille: 0,
            in_a_row: 0,
            outcomes: Outcomes::default(),
        });
    }

    /// Something happens to the instances.
    fn befall(&mut self, dice: &mut Dice) {
        let Some(name) = dice.one_of(&self.reals).map(|real| real.name.clone()) else {
            return self.join(Fitness::Fit);
        };
        let place =
            self.reals.iter().position(|real| real.name == name).expect("it is one of them");
        match dice.within(0..11) {
            0 if self.reals.len() < 12 => self.join(Fitness::Fit),
            1 if self.reals.len() < 12 => self.join(Fitness::Unfit),
            2 => {
                self.reals.remove(place);
                self.step(Event::Gone { instance: &name });
            }
            3 => self.present(&name, Fitness::Unfit),
            4 | 5 => self.present(&name, Fitness::Fit),
            6 => self.reals[place].outcomes = Outcomes::default(),
            7 => (0..dice.within(1..20)).for_each(|_| self.end(&name, dice)),
            _ => {
                let ills = [0, 0, 20, 400, 600, 1_000];
                self.reals[place].fails_per_mille = dice.choose(ills);
            }
        }
    }

    /// Time passes, sometimes past a deadline that nobody kept.
    fn pass(&mut self, dice: &mut Dice) {
        let next = self.ejector.next_deadline();
        match next.filter(|_| dice.happens(300)) {
            Some(next) => self.now = self.now.max(next),
            None => self.now += Duration::from_millis(dice.within(0..700)),
        }
        if dice.happens(700) {
            self.step(Event::Tick);
        }
    }

    /// All are well again: everyone returns, within the longest term.
    fn settle(&mut self) {
        let end = self.now + self.rule.fail_timeout * 10;
        while let Some(next) = self.ejector.next_deadline() {
            assert!(next <= end, "out for longer than the longest term");
            self.now = next;
            self.step(Event::Tick);
        }
    }
}

#[test]
fn ejector_does_what_its_shadow_expects() {
    for_each_seed(300, |mut dice| {
        let mut service = Service::new(&mut dice);
        (0..dice.within(0..8)).for_each(|_| service.join(Fitness::Fit));
        for _ in 0..400 {
            match dice.within(0..20) {
                0 => service.befall(&mut dice),
                1..=3 => service.pass(&mut dice),
                4 => service.sample_all(),
                _ => service.request(&mut dice),
            }
        }
        service.settle();
    });
}

#[test]
fn an_instance_that_always_fails_is_mostly_out() {
    for_each_seed(50, |mut dice| {
        let rule = Passive {
            max_fails: NonZeroU32::new(3).unwrap(),
            fail_timeout: Duration::from_secs(10),
            max_ejected: 0.5,
        };
        let mut service = Service {
            ejector: Ejector::new(rule.clone()),
            rule,
            now: Duration::ZERO,
            shadows: Vec::new(),
            reals: Vec::new(),
            named: 0,
        };
        (0..2).for_each(|_| service.join(Fitness::Fit));
        service.reals[0].fails_per_mille = 1_000;
        for tenth in 0..6_000 {
            service.now = Duration::from_millis(tenth * 100);
            service.step(Event::Tick);
            (0..5).for_each(|_| service.request(&mut dice));
        }
        // Terms of 10, 20, 40, 80, 100 ... seconds fit nine times into ten minutes, each after one
        // failure, but for the first.
        assert!(service.reals[0].outcomes.failures <= 11, "{:?}", service.reals[0].outcomes);
        assert_eq!(service.reals[1].outcomes.failures, 0);
    });
}
