//! What the lifecycle of an instance is told, and what it wants done.

use std::time::Duration;

use model::{Drain, InstanceName};

use super::restart::Next;

/// One start of one instance, counted from 1: word of an earlier start means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start(pub(super) u32);

/// One wait of one instance until nothing reaches it, counted over all of its starts: word of an
/// earlier wait means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(pub(super) u32);

/// What happened to an instance, or is wanted of it. `P` is what its process is known by.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<P> {
    /// The program of this start runs.
    Launched(Start, P),
    /// A first check of this start failed, and not as the one before did: how.
    CheckFailed(Start, String),
    /// It passed its first checks, and is warmed up.
    Ready(Start),
    /// Its program could not be run, or its first process ended.
    Ended(Start, End),
    /// Nothing is left of this start's processes, and what that took.
    Gone(Start, Force),
    /// Nothing reaches it any more: it is proved, or the time to drain is over and what was open is cut.
    Unreachable(Wait),
    /// The time that [`Lifecycle::next_deadline`](super::Lifecycle::next_deadline) named has come.
    Tick,
    /// What is wanted of it from now on.
    Demand(Demand),
}

/// What is wanted of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Gets requests whenever it is live.
    Serve,
    /// Gets no new requests, and runs on; what is open on it has so long.
    Retire(Drain),
    /// Gets no new requests, and stops once nothing reaches it; what is open on it has so long.
    Dismiss(Drain),
    /// Stops as soon as that can be. It is known that nothing reaches it.
    Stop,
}

/// An end that was not asked for, or a start that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// How it ended, or why it did not start.
    pub why: String,
    /// The last lines that it wrote.
    pub words: Vec<String>,
    /// What became of its port.
    pub port: Port,
    /// What it leads to.
    pub then: OnEnd,
    /// Uniform in 0..1: spreads the pause.
    pub chance: f64,
}

/// What became of the port of an instance that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// It is free, or the instance's own.
    Own,
    /// Somebody else has it. Of an instance that never became ready this is most likely why it ended: it
    /// is started with another port, and that is no crash.
    Taken,
}

/// What an end that was not asked for leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEnd {
    /// It is part of what runs: it is started again.
    Restart,
    /// It is part of what a rollout is still deciding: the rollout is told, and does without it.
    GiveUp,
}

/// What it took until nothing was left of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It ended by itself, or as it was asked to.
    Unneeded,
    /// Some of it did not end in its time, and was killed.
    Killed,
    /// Its first process, which alone was asked to stop, left some of it running, and that was killed.
    LeftBehind,
    /// Some of it could not be killed: it hangs in the system.
    Stuck,
    /// Nobody knows: what runs it does not answer, and ends it as soon as it does.
    Unreached,
}

/// How an instance came to have its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was started.
    Started,
    /// It ran already: it was started by an earlier run of whatever drives the machine.
    Adopted,
}

/// What shall be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect<P> {
    /// What is published of it has changed, see [`Lifecycle::exposure`](super::Lifecycle::exposure).
    Publish,
    /// Make a process, write it down, let it run, and tell [`Event::Launched`] or [`Event::Ended`].
    Launch(Start),
    /// Check it until it is ready, and tell [`Event::CheckFailed`] and [`Event::Ready`]. Ends with the
    /// phase.
    Probe(Start, P, Origin),
    /// See to it that it gets nothing new, and tell [`Event::Unreachable`] once nothing reaches it, or
    /// nothing whose time is not over.
    Drain(Wait, Drain),
    /// Ask the process to end, kill it when it does not, and tell [`Event::Gone`].
    Stop(P),
    /// Something to tell. What is told last may lead to other orders at once.
    Tell(News),
}

/// What is told of an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A first check failed; with the reason.
    CheckFailed(String),
    /// It passed its first checks.
    Ready,
    /// Nothing reaches it, and it runs on.
    Unreachable,
    /// It ended without having been asked to, or could not be started.
    Ended {
        /// How.
        why: String,
        /// The last lines that it wrote; none where its port was taken, which is not its fault.
        words: Vec<String>,
        /// What follows.
        then: Then,
    },
    /// More than asking was needed until nothing was left of its process.
    Forced(Force),
    /// It was to stop, and nothing of it is left.
    Gone,
}

/// What follows the end of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is started again.
    Restarts(Next),
    /// It is given up.
    GivenUp,
    /// Nothing: it was to stop in any case.
    Stops,
}

impl News {
    /// What a rollout has to know of it.
    pub fn event(&self, instance: &InstanceName) -> Option<crate::Event> {
        let instance = instance.clone();
        match self {
            Self::CheckFailed(why) => Some(crate::Event::CheckFailed(instance, why.clone())),
            Self::Ready => Some(crate::Event::Ready(instance)),
            Self::Unreachable => Some(crate::Event::Unreachable(instance)),
            Self::Ended { why, then: Then::GivenUp, .. } => {
                Some(crate::Event::Failed(instance, why.clone()))
            }
            Self::Gone => Some(crate::Event::Gone(instance)),
            // What is restarted is no rollout's affair; what stops is told by its being gone.
            Self::Ended { then: Then::Restarts(_) | Then::Stops, .. } | Self::Forced(_) => None,
        }
    }
}

/// How far an instance has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase<'a> {
    /// Its process is being made.
    Starting,
    /// Its program runs, and is checked until it is ready.
    Warming {
        /// Why it is not ready, once a check has failed.
        why: Option<&'a str>,
    },
    /// It passed its first checks, and can serve.
    Live,
    /// It ended, and is started again.
    Backoff {
        /// In the machine's time.
        until: Duration,
        /// Why it ended.
        why: &'a str,
        /// What it is called meanwhile, and how long the pause is in all.
        next: Next,
    },
    /// Its process was asked to end.
    Stopping,
    /// Nothing of it is left.
    Gone,
}

/// Where requests could find an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// In no snapshot.
    Hidden,
    /// In the snapshot, and barred: what is open on it is seen, and it gets nothing new.
    Barred,
    /// In the snapshot, for new requests.
    Serving,
}
