//! The machine of a job, told what happened at which moment.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jobs::{Busy, Claim, Effect, End, Event, Finish, Machine, Rules, Skipped, Timetable, Trigger};
use model::{JobRetry, Overlap, Schedule};

fn at(text: &str) -> Timestamp {
    format!("2026-03-01T{text}Z").parse().unwrap()
}

fn rules(expression: &str, overlap: Overlap, attempts: u32) -> Rules {
    let schedule = Schedule { expression: expression.into(), time_zone: "UTC".into() };
    let retry = JobRetry {
        attempts: NonZeroU32::new(attempts).unwrap(),
        backoff: Duration::from_secs(10),
        max_backoff: Duration::from_secs(15),
    };
    Rules { timetable: Some(Timetable::parse(&schedule).unwrap()), overlap, retry }
}

fn machine(overlap: Overlap, attempts: u32) -> Machine {
    Machine::new(rules("*/10 * * * *", overlap, attempts), at("10:00:00"))
}

fn start(trigger: Trigger, attempt: u32) -> Effect {
    Effect::Start { trigger, attempt }
}

/// One that runs what was due at 10:10.
fn running(overlap: Overlap, attempts: u32) -> (Machine, Trigger) {
    let mut job = machine(overlap, attempts);
    let due = Trigger::Due(at("10:10:00"));
    let heeded = Effect::Heed(at("10:10:00"));
    assert_eq!(job.step(at("10:10:00"), Event::Tick), [heeded, Effect::Claim(due)]);
    assert_eq!(job.step(at("10:10:00"), Event::Claimed(Claim::Ours)), [start(due, 1)]);
    (job, due)
}

/// What a tick makes of a job, without what is only remembered.
fn tick(job: &mut Machine, time: &str) -> Vec<Effect> {
    let effects = job.step(at(time), Event::Tick).into_iter();
    effects.filter(|effect| !matches!(effect, Effect::Heed(_))).collect()
}

#[test]
fn it_is_run_once_each_time_that_it_is_due() {
    let mut job = machine(Overlap::Skip, 1);
    assert_eq!(tick(&mut job, "10:09:59"), []);
    let (mut job, _) = running(Overlap::Skip, 1);
    assert_eq!(tick(&mut job, "10:10:01"), []);
    let finished = [Effect::Finish(Finish::Succeeded)];
    assert_eq!(job.step(at("10:11:00"), Event::Ended(End::Done)), finished);
    assert_eq!(job.next_due(), Some(at("10:20:00")));
    assert_eq!(tick(&mut job, "10:20:00"), [Effect::Claim(Trigger::Due(at("10:20:00")))]);
}

#[test]
fn what_is_due_while_it_runs_is_skipped() {
    let (mut job, _) = running(Overlap::Skip, 1);
    let skipped = Effect::Skip(at("10:20:00"), Skipped::Running);
    assert_eq!(tick(&mut job, "10:20:00"), [skipped]);
    assert_eq!(job.step(at("10:21:00"), Event::Asked(1)), [Effect::Refuse(1, Busy::Running)]);
    job.step(at("10:22:00"), Event::Ended(End::Done));
    assert_eq!(tick(&mut job, "10:22:01"), []);
}

#[test]
fn of_what_is_due_while_it_runs_one_waits() {
    let (mut job, _) = running(Overlap::Queue, 1);
    assert_eq!(tick(&mut job, "10:20:00"), []);
    let skipped = Effect::Skip(at("10:30:00"), Skipped::Waiting);
    assert_eq!(tick(&mut job, "10:30:00"), [skipped]);
    let next = Trigger::Due(at("10:20:00"));
    let effects = job.step(at("10:31:00"), Event::Ended(End::Failed));
    assert_eq!(effects, [Effect::Finish(Finish::Failed), Effect::Claim(next)]);
    assert_eq!(job.step(at("10:31:00"), Event::Claimed(Claim::Ours)), [start(next, 1)]);
}

#[test]
fn what_runs_makes_way_for_the_next() {
    let (mut job, _) = running(Overlap::Replace, 3);
    assert_eq!(tick(&mut job, "10:20:00"), [Effect::Stop]);
    // It is asked once, and only the last waits.
    let skipped = Effect::Skip(at("10:20:00"), Skipped::Waiting);
    assert_eq!(tick(&mut job, "10:30:00"), [skipped]);
    let next = Trigger::Due(at("10:30:00"));
    let effects = job.step(at("10:30:05"), Event::Ended(End::Failed));
    assert_eq!(effects, [Effect::Finish(Finish::Replaced), Effect::Claim(next)]);
}

#[test]
fn a_pause_makes_way_for_the_next_at_once() {
    let mut job = Machine::new(rules("* * * * *", Overlap::Replace, 9), at("10:00:00"));
    tick(&mut job, "10:01:00");
    job.step(at("10:01:00"), Event::Claimed(Claim::Ours));
    assert_eq!(job.step(at("10:01:55"), Event::Ended(End::Failed)), []);
    let next = Trigger::Due(at("10:02:00"));
    let effects = [Effect::Finish(Finish::Replaced), Effect::Claim(next)];
    assert_eq!(tick(&mut job, "10:02:00"), effects);
}

#[test]
fn a_failure_is_tried_again_after_pauses_that_grow() {
    let (mut job, due) = running(Overlap::Skip, 3);
    assert_eq!(job.step(at("10:10:01"), Event::Ended(End::Failed)), []);
    assert_eq!(tick(&mut job, "10:10:10"), []);
    assert_eq!(tick(&mut job, "10:10:11"), [start(due, 2)]);
    assert_eq!(job.step(at("10:10:20"), Event::Ended(End::Failed)), []);
    assert_eq!(tick(&mut job, "10:10:34"), []);
    assert_eq!(tick(&mut job, "10:10:35"), [start(due, 3)]);
    let failed = [Effect::Finish(Finish::Failed)];
    assert_eq!(job.step(at("10:10:36"), Event::Ended(End::Failed)), failed);
}

#[test]
fn what_another_edge_runs_is_left_to_it() {
    let mut job = machine(Overlap::Skip, 1);
    tick(&mut job, "10:10:00");
    assert_eq!(job.step(at("10:10:00"), Event::Claimed(Claim::Elsewhere)), []);
    job.step(at("10:11:00"), Event::Asked(7));
    let refused = [Effect::Refuse(7, Busy::Elsewhere)];
    assert_eq!(job.step(at("10:11:00"), Event::Claimed(Claim::Elsewhere)), refused);
}

#[test]
fn without_word_of_the_store_nobody_runs_it_but_by_hand() {
    let mut job = machine(Overlap::Skip, 1);
    tick(&mut job, "10:10:00");
    let skipped = [Effect::Skip(at("10:10:00"), Skipped::NotClaimed)];
    assert_eq!(job.step(at("10:10:00"), Event::Claimed(Claim::Unknown)), skipped);
    job.step(at("10:11:00"), Event::Asked(7));
    let effects = job.step(at("10:11:00"), Event::Claimed(Claim::Unknown));
    assert_eq!(effects, [start(Trigger::ByHand(7), 1)]);
}

#[test]
fn what_was_due_during_a_pause_is_told_and_the_last_is_made_good_for() {
    // Nobody looked for half an hour: 10:10 and 10:20 are missed, 10:30 is seconds ago.
    let mut job = machine(Overlap::Skip, 1);
    let effects = tick(&mut job, "10:30:05");
    let [Effect::Miss(missed), claim] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(
        (missed.of.first, missed.of.last, missed.of.count),
        (at("10:10:00"), at("10:20:00"), 2)
    );
    assert_eq!(*claim, Effect::Claim(Trigger::Due(at("10:30:00"))));
    // A minute later it is missed as well.
    let mut job = machine(Overlap::Skip, 1);
    let effects = tick(&mut job, "10:31:01");
    let [Effect::Miss(missed)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(missed.of.count, 3);
    assert_eq!(tick(&mut job, "10:31:02"), []);
}

#[test]
fn a_clock_that_goes_back_runs_nothing_twice_and_one_that_was_wrong_holds_nothing_up() {
    let (mut job, _) = running(Overlap::Skip, 1);
    job.step(at("10:10:30"), Event::Ended(End::Done));
    assert_eq!(tick(&mut job, "09:59:00"), []);
    assert_eq!(tick(&mut job, "10:10:00"), [], "it ran");
    assert_eq!(tick(&mut job, "10:20:00").len(), 1);
    // Four hours back: the clock was wrong when it said so.
    job.step(at("10:20:00"), Event::Claimed(Claim::Elsewhere));
    assert_eq!(tick(&mut job, "06:15:00"), []);
    assert_eq!(tick(&mut job, "06:20:00"), [Effect::Claim(Trigger::Due(at("06:20:00")))]);
}

#[test]
fn a_clock_that_goes_back_does_not_make_a_pause_longer() {
    let (mut job, due) = running(Overlap::Skip, 2);
    job.step(at("10:10:01"), Event::Ended(End::Failed));
    assert_eq!(tick(&mut job, "09:00:00"), []);
    assert_eq!(tick(&mut job, "09:00:15"), [start(due, 2)]);
}

#[test]
fn who_asks_by_hand_replaces_what_runs_and_is_told_where_another_comes_first() {
    let (mut job, _) = running(Overlap::Replace, 1);
    assert_eq!(job.step(at("10:12:00"), Event::Asked(1)), [Effect::Stop]);
    let overtaken = [Effect::Refuse(1, Busy::Overtaken)];
    assert_eq!(job.step(at("10:12:01"), Event::Asked(2)), overtaken);
    let next = Trigger::ByHand(2);
    let effects = job.step(at("10:12:05"), Event::Ended(End::Failed));
    assert_eq!(effects, [Effect::Finish(Finish::Replaced), Effect::Claim(next)]);
    // Whether it is this edge's is being found out.
    let refused = [Effect::Refuse(3, Busy::Running)];
    assert_eq!(job.step(at("10:12:06"), Event::Asked(3)), refused);
    let (mut queued, _) = running(Overlap::Queue, 1);
    assert_eq!(queued.step(at("10:12:00"), Event::Asked(4)), [Effect::Refuse(4, Busy::Running)]);
}

/// A year of jobs that take their time on clocks that jump, against what each occurrence must come to.
#[test]
fn whatever_the_clock_does_each_occurrence_is_decided_once() {
    for seed in 0..200 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let overlap = [Overlap::Skip, Overlap::Queue, Overlap::Replace][chance.usize(0..3)];
        let mut world = World::new(rules("*/7 * * * *", overlap, chance.u32(1..4)));
        for _ in 0..500 {
            world.pass(&mut chance);
        }
        world.settle();
    }
}

/// A job, and what came of what was due.
struct World {
    job: Machine,
    now: Timestamp,
    begin: Timestamp,
    is_running: bool,
    has_run: bool,
    decided: Vec<Timestamp>,
    missed: usize,
    claiming: Option<Trigger>,
    asked: u64,
}

impl World {
    fn new(rules: Rules) -> Self {
        let begin = at("00:00:00");
        let job = Machine::new(rules, begin);
        Self {
            job,
            now: begin,
            begin,
            is_running: false,
            has_run: false,
            decided: Vec::new(),
            missed: 0,
            claiming: None,
            asked: 0,
        }
    }

    fn pass(&mut self, chance: &mut fastrand::Rng) {
        let seconds = match chance.u32(0..100) {
            // Plimsoll, or the machine, was away.
            0..2 => chance.i64(0..3_000),
            // Somebody set the clock, by less than what makes it wrong.
            2..4 => -chance.i64(0..1_000),
            _ => chance.i64(0..60),
        };
        self.now += SignedDuration::from_secs(seconds);
        self.tell(Event::Tick);
        if self.claiming.take().is_some() {
            let claims = [Claim::Ours, Claim::Ours, Claim::Ours, Claim::Elsewhere, Claim::Unknown];
            self.tell(Event::Claimed(claims[chance.usize(0..5)]));
        }
        if chance.u32(0..20) == 0 {
            self.asked += 1;
            self.tell(Event::Asked(self.asked));
        }
        if self.is_running && chance.u32(0..3) == 0 {
            self.is_running = false;
            self.tell(Event::Ended([End::Done, End::Failed][chance.usize(0..2)]));
        }
    }

    fn tell(&mut self, event: Event) {
        for effect in self.job.step(self.now, event.clone()) {
            match effect {
                Effect::Claim(trigger) => {
                    // What was given away elsewhere is decided, too.
                    assert_eq!(self.claiming.replace(trigger), None, "one at a time");
                    self.decide(trigger);
                }
                Effect::Start { attempt, .. } => {
                    assert!(!self.is_running, "one process at a time");
                    assert!(attempt == 1 || self.has_run, "a run begins with its first attempt");
                    (self.is_running, self.has_run) = (true, true);
                }
                Effect::Finish(_) => assert!(std::mem::take(&mut self.has_run) && !self.is_running),
                Effect::Skip(_, Skipped::NotClaimed) => {}
                Effect::Skip(due, _) => self.decide(Trigger::Due(due)),
                Effect::Miss(missed) => self.missed += missed.of.count,
                Effect::Stop => assert!(self.is_running),
                Effect::Heed(_) | Effect::Refuse(..) => {}
            }
        }
    }

    fn decide(&mut self, trigger: Trigger) {
        let Trigger::Due(due) = trigger else { return };
        assert!(!self.decided.contains(&due), "{due} is decided twice");
        self.decided.push(due);
    }

    /// What runs ends, and what was due is what was decided.
    fn settle(&mut self) {
        for _ in 0..20 {
            // What waits behind a pause has its turn once that is over.
            if let Some(until) = self.job.retry_at() {
                self.now = self.now.max(until);
                self.tell(Event::Tick);
            }
            if self.claiming.take().is_some() {
                self.tell(Event::Claimed(Claim::Ours));
            }
            if std::mem::take(&mut self.is_running) {
                self.tell(Event::Ended(End::Done));
            }
        }
        let schedule = Schedule { expression: "*/7 * * * *".into(), time_zone: "UTC".into() };
        let timetable = Timetable::parse(&schedule).unwrap();
        let until = self.job.next_due().unwrap() - SignedDuration::from_secs(1);
        let all = timetable.between(self.begin, until).map_or(0, |all| all.count);
        assert_eq!(self.decided.len() + self.missed, all);
    }
}
