//! What each event means in each state. What means nothing there any more, word of an earlier start or
//! of an earlier wait, changes nothing.

use model::Drain;

use super::restart::Cause;
use super::{Demand, Duty, Effect, End, Event, Force, Lifecycle, News, OnEnd, Origin, Port};
use super::{Start, State, Then, Wait};

impl<P: Clone> Lifecycle<P> {
    pub(super) fn take(&mut self, event: Event<P>) -> Vec<Effect<P>> {
        match event {
            Event::Launched(start, process) => self.launched(start, process),
            Event::CheckFailed(start, why) => self.check_failed(start, why),
            Event::Ready(start) => self.ready(start),
            Event::Ended(start, end) => self.ended(start, end),
            Event::Gone(start, force) => self.gone(start, force),
            Event::Unreachable(wait) => self.unreachable(wait),
            Event::Tick => self.tick(),
            Event::Demand(Demand::Serve) => self.serve(),
            Event::Demand(Demand::Retire(drain)) => self.retire(drain),
            Event::Demand(Demand::Dismiss(drain)) => self.dismiss(drain),
            Event::Demand(Demand::Stop) => self.stop(),
        }
    }

    fn launched(&mut self, start: Start, process: P) -> Vec<Effect<P>> {
        if start != self.start || !matches!(self.state, State::Starting) {
            // Nobody waits for it.
            return vec![Effect::Stop(process)];
        }
        self.restarts.started(self.now);
        if !self.stays() {
            self.state = State::Stopping;
            return vec![Effect::Stop(process)];
        }
        self.state = State::Warming { process: process.clone(), why: None };
        vec![Effect::Probe(start, process, Origin::Started)]
    }

    fn check_failed(&mut self, start: Start, said: String) -> Vec<Effect<P>> {
        match &mut self.state {
            State::Warming { why, .. } if start == self.start => {
                *why = Some(said.clone());
                vec![Effect::Tell(News::CheckFailed(said))]
            }
            _ => Vec::new(),
        }
    }

    fn ready(&mut self, start: Start) -> Vec<Effect<P>> {
        match &self.state {
            State::Warming { process, .. } if start == self.start => {
                self.state = State::Live { process: process.clone() };
                vec![Effect::Tell(News::Ready)]
            }
            _ => Vec::new(),
        }
    }

    fn ended(&mut self, start: Start, end: End) -> Vec<Effect<P>> {
        let was_warming = match self.state {
            State::Warming { .. } => true,
            State::Starting | State::Live { .. } => false,
            // It was asked to, or is known to have ended.
            State::Backoff { .. } | State::Stopping | State::Gone => return Vec::new(),
        };
        if start != self.start {
            return Vec::new();
        }
        let End { why, mut words, port, then, chance } = end;
        let cause = if port == Port::Taken && was_warming { Cause::PortTaken } else { Cause::Exit };
        if cause == Cause::PortTaken {
            words.clear();
        }
        let told = |why, then| Effect::Tell(News::Ended { why, words, then });
        if !self.stays() {
            self.state = State::Gone;
            return vec![told(why, Then::Stops), Effect::Tell(News::Gone)];
        }
        if then == OnEnd::GiveUp && cause == Cause::Exit {
            self.state = State::Gone;
            return vec![told(why, Then::GivenUp)];
        }
        let next = self.restarts.ended(self.now, cause, chance);
        self.state = State::Backoff { until: self.now + next.pause, why: why.clone(), next };
        vec![told(why, Then::Restarts(next))]
    }

    fn gone(&mut self, start: Start, force: Force) -> Vec<Effect<P>> {
        if start != self.start {
            return Vec::new();
        }
        let mut effects = Vec::new();
        if force != Force::Unneeded {
            effects.push(Effect::Tell(News::Forced(force)));
        }
        // One that ended by itself was told of then.
        if matches!(self.state, State::Stopping) {
            self.state = State::Gone;
            effects.push(Effect::Tell(News::Gone));
        }
        effects
    }

    fn unreachable(&mut self, wait: Wait) -> Vec<Effect<P>> {
        match self.duty {
            _ if !self.is_there() => Vec::new(),
            Duty::Draining(last) if last == wait => {
                self.duty = Duty::Standby;
                vec![Effect::Tell(News::Unreachable)]
            }
            Duty::Dismissed(last) if last == wait => self.stop(),
            // It may have been given requests again since.
            _ => Vec::new(),
        }
    }

    fn tick(&mut self) -> Vec<Effect<P>> {
        if self.next_deadline().is_none_or(|at| at > self.now) {
            return Vec::new();
        }
        self.start = Start(self.start.0 + 1);
        self.state = State::Starting;
        // A start that fails is a short run.
        self.restarts.started(self.now);
        vec![Effect::Launch(self.start)]
    }

    fn serve(&mut self) -> Vec<Effect<P>> {
        if self.stays() {
            self.duty = Duty::Serving;
        }
        Vec::new()
    }

    fn retire(&mut self, drain: Drain) -> Vec<Effect<P>> {
        match self.duty {
            Duty::Serving if self.is_there() => {
                self.duty = Duty::Draining(self.next_wait());
                vec![Effect::Drain(self.wait, drain)]
            }
            _ => Vec::new(),
        }
    }

    fn dismiss(&mut self, drain: Drain) -> Vec<Effect<P>> {
        match self.duty {
            _ if !self.is_there() => Vec::new(),
            Duty::Serving | Duty::Draining(_) => {
                self.duty = Duty::Dismissed(self.next_wait());
                vec![Effect::Drain(self.wait, drain)]
            }
            Duty::Standby => self.stop(),
            Duty::Dismissed(_) | Duty::Cancelled => Vec::new(),
        }
    }

    fn stop(&mut self) -> Vec<Effect<P>> {
        debug_assert!(!self.serves(), "what gets requests drains before it is stopped");
        match &self.state {
            State::Starting => {
                self.duty = Duty::Cancelled;
                Vec::new()
            }
            State::Warming { process, .. } | State::Live { process } => {
                let process = process.clone();
                self.state = State::Stopping;
                vec![Effect::Stop(process)]
            }
            State::Backoff { .. } => {
                self.state = State::Gone;
                vec![Effect::Tell(News::Gone)]
            }
            State::Stopping | State::Gone => Vec::new(),
        }
    }

    fn next_wait(&mut self) -> Wait {
        self.wait = Wait(self.wait.0 + 1);
        self.wait
    }
}
