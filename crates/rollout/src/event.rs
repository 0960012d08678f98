//! What the machine is told, and what it wants done.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use model::{HookMoment, InstanceName, Preview};

use crate::block::Block;
use crate::judge::{Fault, Verdict};

/// Which release of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The one that is to go.
    Stable,
    /// The one that is to come.
    Canary,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An instance passed its first check.
    Ready(InstanceName),
    /// A first check of an instance failed; with the reason.
    CheckFailed(InstanceName, String),
    /// Nothing can reach an instance any more that was retired: it is proved, or its time to drain
    /// is over and what was open on it is cut.
    Unreachable(InstanceName),
    /// An instance ended that was not asked to, or could not be started; with the reason.
    Failed(InstanceName, String),
    /// An instance that is starting responded otherwise than it should to what a new release is asked before it gets
    /// traffic; with the reason.
    Refused(InstanceName, String),
    /// An instance that runs fails its checks, so often that it counts as unhealthy; with the reason.
    Unhealthy(InstanceName, String),
    /// An instance that was asked to stop is gone.
    Gone(InstanceName),
    /// What became of the requests since the last sample, of both releases over the same time.
    Sample(Block),
    /// It is written down that the new release is the one that runs, as [`Effect::Commit`] asks.
    Committed,
    /// It could not be written down; with the reason.
    NotCommitted(String),
    /// A condition was asked, as [`Effect::Measure`] wants it, and this came of it.
    Measured {
        /// Its place among the plan's.
        condition: usize,
        /// The effect's.
        number: u64,
        /// What came of it.
        measurement: Measurement,
    },
    /// A hook has ended, as [`Effect::Hook`] wants it, and nothing is left of it.
    HookEnded(HookEnd),
    /// The time that [`Rollout::next_deadline`](crate::Rollout::next_deadline) named has come.
    Tick,
    /// A person's word.
    Action(DeployAction),
}

/// What a person does to a running deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeployAction {
    /// Shift everything and stay, without watching any longer.
    Promote,
    /// Back to the old release.
    Abort,
    /// Take no further step. The judge goes on, and what fails is rolled back.
    Pause,
    /// Go on.
    Resume,
}

/// What shall be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start an instance of a release under this name.
    Start(InstanceName, Side),
    /// Let exactly these get new requests, in one step for all.
    Traffic(Traffic),
    /// Ask an instance to stop. Nothing reaches it.
    Stop(InstanceName),
    /// From now on the new release is the one that runs: to be written down, and nothing of the old
    /// one goes before [`Event::Committed`] says that it is.
    Commit,
    /// Ask a condition; what comes of it is an [`Event::Measured`] with the same number, no later than its timeout.
    Measure {
        /// Its place among the plan's.
        condition: usize,
        /// Tells this time from others.
        number: u64,
    },
    /// Run what the deploy says for this moment, under this name; what comes of it is an [`Event::HookEnded`], no later than its
    /// timeout and its end take.
    Hook(HookMoment, InstanceName),
    /// Nobody waits for what the hook that runs would do any more: end it. An [`Event::HookEnded`] follows all the same.
    EndHook,
    /// Something to tell.
    Tell(News),
    /// It is over, and nothing is left to do.
    End(Outcome),
}

/// What came of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookEnd {
    /// It ended well.
    Done,
    /// It did not; with the reason.
    Failed(String),
}

/// What came of asking a condition, in words that stand behind its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measurement {
    /// It holds.
    Met(String),
    /// It does not.
    Breached(String),
    /// That could not be found out; with the reason.
    Unknown(String),
}

/// Who gets new requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// These instances.
    pub serving: BTreeSet<InstanceName>,
    /// The share of the requests that goes to the new release's instances; `None` where it is
    /// left to the balancing over all.
    pub share: Option<f64>,
}

/// What is told of a rollout's progress.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A hook is being run.
    HookBegun(HookMoment),
    /// A hook ended well, after so long.
    HookDone(HookMoment, Duration),
    /// A hook failed, which changes nothing.
    HookFailed(HookMoment, String),
    /// An instance is being started.
    Starting(InstanceName, Side),
    /// An instance passed its first check after so long.
    Ready(InstanceName, Duration),
    /// The new release gets this share of the traffic, and is watched for so long.
    Step {
        /// From 0 to 1.
        share: f64,
        /// How long at least.
        watch: Duration,
    },
    /// The new release can be looked at from now on, at any share, by a request that says its version in this place.
    Preview(Preview),
    /// The new release gets all, and is watched for so long while the old one stays warm.
    Bake(Duration),
    /// What the judge said when a time of watching was over.
    Judged(Verdict),
    /// A condition was asked, and what came of it is new, or decides.
    Measured {
        /// Which.
        name: String,
        /// What came of it.
        measurement: Measurement,
        /// How often in a row it did not hold, this time included.
        breaches: u32,
        /// How often in a row rolls back.
        allowed: u32,
    },
    /// A step takes longer, for want of requests.
    WaitsForData,
    /// What a rollback brings back is worse than what it replaces.
    WorseThanReplaced(Fault),
    /// It is paused.
    Paused(Pause),
    /// It goes on.
    Resumed,
    /// A person wants it through.
    Hurried,
    /// It cannot be written down that the new release stays, and there is no old one to go back to:
    /// it is tried again.
    NotRecorded(String),
    /// Beside the old one's past the new release looks worse: half of the requests go back to the old one, to compare them.
    Comparing {
        /// What is suspected.
        suspicion: Fault,
        /// For how long at most.
        watch: Duration,
    },
    /// They were compared: what was suspected meets both releases alike.
    Shared,
    /// One instance of the new release is worse than the others, and is replaced.
    Replacing(Fault),
    /// The new release responds with another class of status more often.
    Changed(Fault),
    /// The new release stays.
    Promoted,
    /// The old release is brought back.
    Returning(Reason),
    /// An instance is asked to stop.
    Stopping(InstanceName),
    /// An instance of the old release could not be brought back, and is tried again.
    TriedAgain(InstanceName, String),
}

/// Who paused a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// A person.
    ByHand,
    /// The judge had too little to judge by, and the rule says that a person decides.
    LittleData,
    /// The new release responds 4xx or 3xx more often, and the rule says that a person decides.
    ClientErrors,
    /// A step of the file asks for it.
    Step,
    /// It is not known whether a condition holds; until it is, or a person decides.
    Condition,
    /// What a rollback brings back is worse than what it replaces, and a person chooses.
    BothBad,
}

/// Why a new release did not stay.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The judge found it worse.
    Worse(Box<Fault>),
    /// An instance of it ended, or could not be started.
    Failed(InstanceName, String),
    /// An instance of it came to fail its checks while it served.
    Unhealthy(InstanceName, String),
    /// An instance of it did not pass a check in time.
    NotReady {
        /// Which.
        instance: InstanceName,
        /// What it did not do in which time, and what came of its last check, if one failed.
        why: String,
    },
    /// An instance of it did not respond as it should before it had traffic.
    Refused(InstanceName, String),
    /// A first release that had not come to stay gave way to a deploy of this release.
    Superseded(String),
    /// A person wanted it back.
    Aborted,
    /// It could not be written down that it stays: a restart would have brought the old one.
    NotRecorded(String),
    /// What is run before anything starts failed.
    Hook(HookMoment, String),
    /// A condition outside does not hold.
    Condition {
        /// Which.
        name: String,
        /// What was found.
        why: String,
    },
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The new release runs alone.
    Promoted,
    /// The old release runs alone again, or nothing where there was none.
    RolledBack(Reason),
    /// The new release is gone, and the old one could not be brought back whole.
    Broken(Reason),
}

impl News {
    /// What the judge found, where that is what is told.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Judged(
                Verdict::Worse(fault) | Verdict::BadInstance(fault) | Verdict::Changed(fault),
            )
            | Self::WorseThanReplaced(fault)
            | Self::Comparing { suspicion: fault, .. }
            | Self::Replacing(fault)
            | Self::Changed(fault) => Some(fault),
            Self::Returning(reason) => reason.fault(),
            _ => None,
        }
    }
}

impl Reason {
    /// What the judge found, where that is why.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Worse(fault) => Some(fault),
            _ => None,
        }
    }
}

impl Outcome {
    /// What the judge found, where that is why the new release did not stay.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::RolledBack(reason) | Self::Broken(reason) => reason.fault(),
            Self::Promoted => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worse(fault) => write!(f, "worse: {fault}"),
            Self::Refused(instance, why) => write!(f, "{instance} {why}"),
            Self::Failed(instance, why) => write!(f, "{instance} {why}"),
            Self::Unhealthy(instance, why) => write!(f, "{instance} is unhealthy: {why}"),
            Self::NotReady { instance, why } => write!(f, "{instance} {why}"),
            Self::Superseded(version) => write!(f, "{version} is deployed instead of it"),
            Self::Hook(moment, why) => write!(f, "`{moment}` failed: {why}"),
            Self::Condition { name, why } => write!(f, "condition {name}: {why}"),
            Self::Aborted => f.write_str("aborted by hand"),
            Self::NotRecorded(why) => write!(f, "it cannot be recorded that it runs: {why}"),
        }
    }
}
