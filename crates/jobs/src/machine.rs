//! One job: what is to be done when it is due, is asked for, has ended, or the clock was set. See `LIFECYCLE.md`.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::{JobRetry, Overlap};

use crate::timetable::{Occurrences, Timetable};

/// What was due longer ago is missed, and not made good for.
pub const LATE_MAX: SignedDuration = SignedDuration::from_secs(60);
/// A clock that goes back by less is waited for, so that nothing is run twice; further back, it was wrong before.
const BACK_MAX: SignedDuration = SignedDuration::from_hours(3);

/// By what a job goes.
#[derive(Clone, Debug)]
pub struct Rules {
    /// When it is due; by hand only without.
    pub timetable: Option<Timetable>,
    /// What becomes of it where it is due while it runs.
    pub overlap: Overlap,
    /// What follows a failure.
    pub retry: JobRetry,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It was due at this moment.
    Due(Timestamp),
    /// Somebody asked for it, under this number.
    ByHand(u64),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// Somebody asks for a run, under a number that is not used again.
    Asked(u64),
    /// Whether this edge is the one to run it, as was asked by [`Effect::Claim`].
    Claimed(Claim),
    /// What runs has ended, and nothing of it is left.
    Ended(End),
}

/// Whether this edge is the one to run a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is.
    Ours,
    /// Another edge is, or was.
    Elsewhere,
    /// Nothing can be said.
    Unknown,
}

/// How an attempt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Well.
    Done,
    /// Otherwise: its exit code, its time, or it did not even start.
    Failed,
}

/// What shall be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What is due until this moment is decided: remember it before what follows is done.
    Heed(Timestamp),
    /// Find out whether this edge is the one to run it.
    Claim(Trigger),
    /// Start it: of the first attempt, a run begins.
    Start {
        /// What for.
        trigger: Trigger,
        /// Which attempt, the first being 1.
        attempt: u32,
    },
    /// Stop what runs.
    Stop,
    /// The run is over.
    Finish(Finish),
    /// It was due, and is not run.
    Skip(Timestamp, Skipped),
    /// It was due when nobody could run it.
    Miss(Missed),
    /// Who asked for a run under this number is told that there is none.
    Refuse(u64, Busy),
}

/// How a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// An attempt ended well.
    Succeeded,
    /// None did.
    Failed,
    /// It was stopped for the next one.
    Replaced,
}

/// Why what was due is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// The run before it goes on.
    Running,
    /// Another waits for the one that runs already, or has come to wait in its place.
    Waiting,
    /// It cannot be said which edge is to run it.
    NotClaimed,
}

/// Why nobody gets a run by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// It runs.
    Running,
    /// It runs on another edge.
    Elsewhere,
    /// Another was wanted before it began.
    Overtaken,
}

/// What was due when nobody could run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The first, the last and how many.
    pub of: Occurrences,
}

/// A job, as it stands. Of what was due, each is run, skipped or missed once.
#[derive(Clone, Debug)]
pub struct Machine {
    rules: Rules,
    /// What is due until then is decided.
    heeded: Timestamp,
    state: State,
    /// What waits for the end of what runs.
    next: Option<Trigger>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Whether it is this edge's is being found out.
    Claiming(Trigger),
    Running {
        trigger: Trigger,
        attempt: NonZeroU32,
        is_stopping: bool,
    },
    /// It failed, and is tried again at `until`.
    Pausing {
        trigger: Trigger,
        failed: NonZeroU32,
        until: Timestamp,
    },
}

impl Machine {
    /// A job of which all that was due until `heeded` is decided.
    pub fn new(rules: Rules, heeded: Timestamp) -> Self {
        Self { rules, heeded, state: State::Idle, next: None }
    }

    /// Goes by other rules from now on, by which all that was due until `heeded` is decided. What runs, and what waits, is as it was.
    pub fn adopt(&mut self, rules: Rules, heeded: Timestamp) {
        self.rules = rules;
        self.heeded = heeded;
    }

    /// When it is due next; none by hand only.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.rules.timetable.as_ref()?.after(self.heeded)
    }

    /// When it is tried again, if it failed and is.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Pausing { until, .. } => Some(until),
            State::Idle | State::Claiming(_) | State::Running { .. } => None,
        }
    }

    /// What is due until this moment is decided.
    pub fn heeded(&self) -> Timestamp {
        self.heeded
    }

    /// By what it goes.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What shall be done now that this happened at `now`.
    pub fn step(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Tick => self.tick(now, &mut effects),
            Event::Asked(number) => self.want(Trigger::ByHand(number), &mut effects),
            Event::Claimed(claim) => self.claimed(claim, &mut effects),
            Event::Ended(end) => self.ended(now, end, &mut effects),
        }
        self.check();
        effects
    }

    fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.look_at_clock(now, effects);
        if let State::Pausing { trigger, failed, until } = self.state {
            // A clock that was set back does not make the pause longer than any may be.
            let latest = now.saturating_add(signed(self.rules.retry.max_backoff));
            let until = until.min(latest.unwrap_or(until));
            self.state = State::Pausing { trigger, failed, until };
            if until <= now {
                self.start(trigger, failed.saturating_add(1), effects);
            }
        }
        let due = self.rules.timetable.as_ref().and_then(|it| it.between(self.heeded, now));
        let Some(due) = due else { return };
        self.heeded = due.last;
        effects.push(Effect::Heed(due.last));
        let is_late = now.duration_since(due.last) > LATE_MAX;
        let missed = match (is_late, due.count) {
            (true, _) => Some(due),
            (false, 1) => None,
            (false, _) => self.but_the_last(due),
        };
        effects.extend(missed.map(|of| Effect::Miss(Missed { of })));
        if !is_late {
            self.want(Trigger::Due(due.last), effects);
        }
    }

    /// Of several that were due at once all but the last.
    fn but_the_last(&self, due: Occurrences) -> Option<Occurrences> {
        let before = due.last.checked_sub(SignedDuration::from_nanos(1)).ok()?;
        let from = due.first.checked_sub(SignedDuration::from_nanos(1)).ok()?;
        self.rules.timetable.as_ref()?.between(from, before)
    }

    /// A clock that went back a little is waited for. One that went back far was wrong before.
    fn look_at_clock(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.heeded.duration_since(now) > BACK_MAX {
            self.heeded = now;
            effects.push(Effect::Heed(now));
        }
    }

    /// It is to run for `trigger`.
    fn want(&mut self, trigger: Trigger, effects: &mut Vec<Effect>) {
        let rule = match (self.state, trigger) {
            (State::Idle, _) => {
                self.state = State::Claiming(trigger);
                effects.push(Effect::Claim(trigger));
                return;
            }
            (State::Claiming(_), Trigger::ByHand(_)) => Overlap::Skip,
            (State::Claiming(_), Trigger::Due(_)) => Overlap::Queue,
            (State::Running { .. } | State::Pausing { .. }, _) => self.rules.overlap,
        };
        match (rule, trigger) {
            // Who asks by hand is not left waiting for what may take long.
            (Overlap::Skip, _) | (Overlap::Queue, Trigger::ByHand(_)) => {
                effects.push(not_run(trigger, Skipped::Running, Busy::Running));
            }
            (Overlap::Queue, Trigger::Due(_)) if self.next.is_some() => {
                effects.push(not_run(trigger, Skipped::Waiting, Busy::Overtaken));
            }
            (Overlap::Queue, Trigger::Due(_)) => self.next = Some(trigger),
            (Overlap::Replace, _) => {
                if let Some(before) = self.next.replace(trigger) {
                    effects.push(not_run(before, Skipped::Waiting, Busy::Overtaken));
                }
                self.replace(effects);
            }
        }
    }

    /// What runs makes way.
    fn replace(&mut self, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Running { is_stopping, .. } => {
                if !std::mem::replace(is_stopping, true) {
                    effects.push(Effect::Stop);
                }
            }
            State::Pausing { .. } => self.finish(Finish::Replaced, effects),
            State::Idle | State::Claiming(_) => {}
        }
    }

    fn claimed(&mut self, claim: Claim, effects: &mut Vec<Effect>) {
        let State::Claiming(trigger) = self.state else { return };
        match (claim, trigger) {
            // Who asks by hand is heard where nothing speaks against it.
            (Claim::Ours, _) | (Claim::Unknown, Trigger::ByHand(_)) => {
                self.start(trigger, NonZeroU32::MIN, effects);
            }
            (Claim::Elsewhere, Trigger::ByHand(number)) => {
                effects.push(Effect::Refuse(number, Busy::Elsewhere));
                self.go_on(effects);
            }
            // That edge tells of it.
            (Claim::Elsewhere, Trigger::Due(_)) => self.go_on(effects),
            (Claim::Unknown, Trigger::Due(due)) => {
                effects.push(Effect::Skip(due, Skipped::NotClaimed));
                self.go_on(effects);
            }
        }
    }

    fn start(&mut self, trigger: Trigger, attempt: NonZeroU32, effects: &mut Vec<Effect>) {
        self.state = State::Running { trigger, attempt, is_stopping: false };
        effects.push(Effect::Start { trigger, attempt: attempt.get() });
    }

    fn ended(&mut self, now: Timestamp, end: End, effects: &mut Vec<Effect>) {
        let State::Running { trigger, attempt, is_stopping } = self.state else { return };
        let retry = self.rules.retry;
        match (end, is_stopping) {
            // It was done before it heard that it should stop.
            (End::Done, _) => self.finish(Finish::Succeeded, effects),
            (End::Failed, true) => self.finish(Finish::Replaced, effects),
            (End::Failed, false) if attempt < retry.attempts => {
                let until = now.saturating_add(signed(retry.pause(attempt.get())));
                let until = until.unwrap_or(now);
                self.state = State::Pausing { trigger, failed: attempt, until };
            }
            (End::Failed, false) => self.finish(Finish::Failed, effects),
        }
    }

    fn finish(&mut self, finish: Finish, effects: &mut Vec<Effect>) {
        effects.push(Effect::Finish(finish));
        self.go_on(effects);
    }

    /// Nothing runs: what waits is next.
    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        self.state = match self.next.take() {
            None => State::Idle,
            Some(trigger) => {
                effects.push(Effect::Claim(trigger));
                State::Claiming(trigger)
            }
        };
    }

    fn check(&self) {
        debug_assert!(
            self.next.is_none() || self.state != State::Idle,
            "what waits, waits for something"
        );
    }
}

fn not_run(trigger: Trigger, why: Skipped, busy: Busy) -> Effect {
    match trigger {
        Trigger::Due(due) => Effect::Skip(due, why),
        Trigger::ByHand(number) => Effect::Refuse(number, busy),
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
