//! The deployer's machines: how one release of a service is replaced by the next, the judge that says
//! whether it stays, and the life of each instance.
//!
//! [`Rollout::step`] is told what happened and says what shall be done. Nothing here does I/O, asks
//! a clock, draws a random number or waits: time is an argument, and whoever drives the machine
//! carries out its effects and tells it what came of them. What a rollout goes through is in
//! `LIFECYCLE.md`; what an instance does, in that of [`instance`].

mod block;
mod detector;
mod event;
mod fleet;
pub mod instance;
pub mod judge;
mod machine;
mod nearby;
pub mod outlier;
pub mod reload;
mod replay;
mod tally;
mod tries;

pub use block::{
    Assignment, Barred, Block, Client, Count, Fate, Fates, Observed, Past, PastRoute, PastSpan,
    Place, Timed, Why,
};
pub use event::{
    DeployAction, Effect, Event, HookEnd, Measurement, News, Outcome, Pause, Reason, Side, Traffic,
};
pub use fleet::Phase;
pub use judge::{
    Aspect, Basis, Example, Fault, Finding, Findings, Judge, NotCompared, Old, Percentile, Rate,
    Serving, Slow, Struck, Verdict,
};
pub use machine::{ConditionOverview, Direction, Overview, Plan, Rollout, Stage};
pub use nearby::{Change, nearby};
pub use replay::{Moment, Replay, replay};
pub use tally::{Latencies, Tally};
pub use tries::{FailedTry, Tries};
