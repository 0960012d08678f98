//! The life of one instance, from its first start to its end: a machine as the rollout's.
//!
//! [`Lifecycle::step`] is told what happened, or what is wanted, and says what shall be done. It knows no
//! driver, journal or edge: time and chance are arguments, and a process is whatever `P` its owner
//! knows it by. What an instance goes through, and what always holds, is in `LIFECYCLE.md`.
//!
//! It never says who is healthy or ejected (`balance` does, of every instance, also of those that Plimsoll does not run), nor
//! how many there are to be ([`scale()`] does).

mod event;
pub mod restart;
mod scale;
mod take;

use std::time::Duration;

pub use event::{
    Demand, Effect, End, Event, Exposure, Force, News, OnEnd, Origin, Phase, Port, Start, Then,
    Wait,
};
pub use scale::{Scale, scale};

use restart::{Next, Pace, Restarts};

/// One instance, under one name.
#[derive(Clone, Debug)]
pub struct Lifecycle<P> {
    state: State<P>,
    duty: Duty,
    start: Start,
    wait: Wait,
    restarts: Restarts,
    /// It was published for requests once, and is shown while it drains.
    has_served: bool,
    now: Duration,
}

/// How far its process has come.
#[derive(Clone, Debug)]
enum State<P> {
    Starting,
    Warming { process: P, why: Option<String> },
    Live { process: P },
    Backoff { until: Duration, why: String, next: Next },
    Stopping,
    Gone,
}

/// What is wanted of it, whether or not it has a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// It is to be there, and nothing reaches it.
    Standby,
    /// It is to have requests whenever it is live.
    Serving,
    /// It gets nothing new and is to stay.
    Draining(Wait),
    /// It gets nothing new and is to stop once nothing reaches it.
    Dismissed(Wait),
    /// Nothing reaches it, and it is to stop as soon as it has a process: a start cannot be called off.
    Cancelled,
}

impl<P: Clone> Lifecycle<P> {
    /// An instance that is started now, and gets nothing yet.
    pub fn start(now: Duration, pace: Pace) -> (Self, Vec<Effect<P>>) {
        let lifecycle = Self::new(now, pace, State::Starting, Duty::Standby);
        let effects = vec![Effect::Launch(lifecycle.start)];
        (lifecycle, effects)
    }

    /// An instance that runs already, as `process`, and is to serve.
    pub fn adopt(now: Duration, pace: Pace, process: P) -> (Self, Vec<Effect<P>>) {
        let state = State::Warming { process: process.clone(), why: None };
        let lifecycle = Self::new(now, pace, state, Duty::Serving);
        let effects = vec![Effect::Probe(lifecycle.start, process, Origin::Adopted)];
        (lifecycle, effects)
    }

    /// An instance that runs already, as `process`, and is not wanted.
    pub fn reject(now: Duration, pace: Pace, process: P) -> (Self, Vec<Effect<P>>) {
        let lifecycle = Self::new(now, pace, State::Stopping, Duty::Standby);
        (lifecycle, vec![Effect::Stop(process)])
    }

    fn new(now: Duration, pace: Pace, state: State<P>, duty: Duty) -> Self {
        let restarts = Restarts::new(pace, now);
        let (start, wait) = (Start(1), Wait(0));
        Self { state, duty, start, wait, restarts, has_served: false, now }
    }

    /// Takes `event` up. `now` never goes back.
    pub fn step(&mut self, now: Duration, event: Event<P>) -> Vec<Effect<P>> {
        debug_assert!(now >= self.now, "time goes on");
        self.now = now;
        let before = self.exposure();
        let mut effects = self.take(event);
        let after = self.exposure();
        self.has_served |= after == Exposure::Serving;
        if after != before {
            // First of all: nothing waits for requests to end, or stops, that still gets new ones.
            effects.insert(0, Effect::Publish);
        }
        self.check_invariants();
        effects
    }

    /// When it wants an [`Event::Tick`], if it does.
    pub fn next_deadline(&self) -> Option<Duration> {
        match self.state {
            State::Backoff { until, .. } if self.stays() => Some(until),
            _ => None,
        }
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase<'_> {
        match &self.state {
            State::Starting => Phase::Starting,
            State::Warming { why, .. } => Phase::Warming { why: why.as_deref() },
            State::Live { .. } => Phase::Live,
            State::Backoff { until, why, next } => {
                Phase::Backoff { until: *until, why, next: *next }
            }
            State::Stopping => Phase::Stopping,
            State::Gone => Phase::Gone,
        }
    }

    /// Its process, if its program runs and was not asked to end.
    pub fn process(&self) -> Option<&P> {
        match &self.state {
            State::Warming { process, .. } | State::Live { process } => Some(process),
            State::Starting | State::Backoff { .. } | State::Stopping | State::Gone => None,
        }
    }

    /// What is to be published of it: nothing before its first check passed, and what never served not
    /// before it does.
    pub fn exposure(&self) -> Exposure {
        match (&self.state, self.duty) {
            (State::Live { .. }, Duty::Serving) => Exposure::Serving,
            (State::Live { .. }, _) if self.has_served => Exposure::Barred,
            _ => Exposure::Hidden,
        }
    }

    /// Its last start.
    pub fn last_start(&self) -> Start {
        self.start
    }

    /// Whether it is to have requests, whenever it is live.
    pub fn serves(&self) -> bool {
        self.duty == Duty::Serving && self.is_there()
    }

    /// Whether it is to stay, as far as anybody said.
    pub fn stays(&self) -> bool {
        let is_leaving = matches!(self.duty, Duty::Dismissed(_) | Duty::Cancelled);
        self.is_there() && !is_leaving
    }

    /// Whether nothing of it is left.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    fn is_there(&self) -> bool {
        !matches!(self.state, State::Stopping | State::Gone)
    }

    fn check_invariants(&self) {
        let is_starting = matches!(self.state, State::Starting);
        debug_assert!(
            self.duty != Duty::Cancelled || is_starting || !self.is_there(),
            "what has a process, or needs none, is stopped at once"
        );
        if let Duty::Draining(wait) | Duty::Dismissed(wait) = self.duty {
            debug_assert_eq!(wait, self.wait, "the last wait counts");
        }
        debug_assert!(
            self.exposure() != Exposure::Serving || self.has_served,
            "what serves is known to have served"
        );
    }
}
