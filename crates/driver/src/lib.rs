//! Who starts instances, watches them and ends them: the trait [`Driver`] and the driver for
//! processes of this machine, [`ProcessDriver`].
//!
//! It does what it is told, for one instance at a time, and says what became of it. It never
//! decides whether something is to run, never writes the journal, and knows nothing of routes,
//! traffic or rollouts. What an instance goes through is in `LIFECYCLE.md`.
//!
//! | to know | read |
//! | --- | --- |
//! | what a driver owes | [`driver`] |
//! | what a host is that is not this machine | [`remote`] |
//! | what starts an instance | [`launch`], [`command`], [`account`], [`environment`], [`env_file`], [`port`] |
//! | how it outlives us and is found again | [`record`], [`process`] |
//! | where its output goes | [`log`] |
//! | what is checked before anything is touched | [`preflight`] |

pub mod account;
pub mod command;
pub mod driver;
pub mod env_file;
pub mod environment;
pub mod exit;
pub mod launch;
pub mod log;
pub mod logs;
pub mod once;
pub mod port;
pub mod preflight;
pub mod process;
mod procfs;
mod program;
pub mod progress;
pub mod record;
pub mod remote;
mod signal;

pub use account::{Account, AccountFault};
pub use driver::{AdoptError, Adoption, Driver, Gone, Held, Instance, LaunchError, PortOwner};
pub use environment::Environment;
pub use exit::{Exit, ExitCause, Killed, Stopped};
pub use launch::{
    Composed, ContainerStart, Examination, Examined, KeptRelease, Launch, Listening, Login, Notice,
    Notify, Placement, ProcessStart, Readiness, Rotation, Spec, Upkeep,
};
pub use logs::Logs;
pub use model::{Command, Stop, StopSignal, StopTo};
pub use once::{Once, OnceError, RunsAs};
pub use process::{Holder, Launcher, ProcessDriver, ProcessLogs, Started};
pub use program::{ProgramFault, find as find_program};
pub use record::{ContainerRecord, Identity, ProcessIdentity, ProcessRecord, Record};
pub use remote::{Reached, Remote, RemoteError, Unreached};
