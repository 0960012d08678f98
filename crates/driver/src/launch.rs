//! What starts an instance, in one struct, and how it is cared for while it runs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use model::{Command, InstanceName, Recipe, ServiceName, Stop};

use crate::account::Account;
use crate::environment::Environment;
use crate::exit::ExitCause;
use crate::record::Record;

/// All that is needed to start one instance. Its port, and where its output goes, are the driver's to choose.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The service, `$SERVICE`.
    pub service: ServiceName,
    /// The instance, `$INSTANCE`.
    pub instance: InstanceName,
    /// The release, `$VERSION` and `{version}`.
    pub version: String,
    /// What is started.
    pub composed: Composed,
    /// How it is cared for while it runs.
    pub upkeep: Upkeep,
}

/// What instances of a release are to be made of. What this machine has to say to that, its files and users
/// and our own environment, a driver looks up.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The service.
    pub service: ServiceName,
    /// The release.
    pub version: String,
    /// Its recipe, as the file has it.
    pub recipe: Recipe,
    /// Names that are not inherited, see [`Sources::withheld`](crate::environment::Sources::withheld).
    pub withheld: BTreeSet<String>,
}

/// What is started, worked out by the driver that starts it.
#[derive(Clone, Debug)]
pub enum Composed {
    /// A process of this machine.
    Process(ProcessStart),
}

impl Composed {
    /// The process. Everything that is not one is another driver's.
    pub fn process(&self) -> &ProcessStart {
        let Self::Process(process) = self;
        process
    }
}

/// What a process is started with.
#[derive(Clone, Debug)]
pub struct ProcessStart {
    /// What is run.
    pub command: Command,
    /// Where it runs; a relative program is looked for here. Absolute.
    pub directory: PathBuf,
    /// What it finds in its environment, besides what the driver adds.
    pub environment: Environment,
    /// As whom it runs; as we do without.
    pub account: Option<Account>,
}

/// How an instance is cared for while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// How children of the instance that outlive it are ended.
    pub stop: Stop,
    /// When its log is rotated.
    pub rotation: Rotation,
    /// Whether it is listened to when it says how it is.
    pub notify: Notify,
}

/// Whether an instance is listened to when it says how it is, by the protocol of sd_notify(3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notify {
    /// It finds no `$NOTIFY_SOCKET`.
    #[default]
    Unheard,
    /// It finds one.
    Heard,
}

/// What an instance said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Whether it is ready.
    pub word: Readiness,
    /// What it tells people, on one line and without control characters.
    pub status: Option<String>,
}

/// Whether an instance is ready, by its own word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// It said nothing yet.
    #[default]
    Silent,
    /// What it said it said to an earlier Plimsoll.
    Before,
    /// It is ready.
    Ready,
    /// It is about to stop.
    Stopping,
}

/// A program that is run once as a part of an instance, and killed when its time is over.
#[derive(Clone, Debug)]
pub struct Examination {
    /// As the instance was started. The log is not written to.
    pub launch: Launch,
    /// What is run in its place.
    pub command: Command,
    /// What is remembered of the instance.
    pub record: Record,
    /// How long it may take.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// How it ended; `None` where it was killed, its time being over.
    pub ending: Option<ExitCause>,
    /// The first line of its output that says something.
    pub line: Option<String>,
}

/// When a log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// What is over this many bytes goes to an archive; an archive is no larger than this.
    pub bytes_max: u64,
    /// How many archives are kept; at least one.
    pub keep: usize,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { bytes_max: 16 << 20, keep: 4 }
    }
}
