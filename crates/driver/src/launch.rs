//! What starts an instance, in one struct, and how it is cared for while it runs.

use std::path::PathBuf;

use model::{Command, InstanceName, ServiceName, Stop};

use crate::account::Account;
use crate::environment::Environment;

/// All that is needed to start one instance. The port is the driver's to choose.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The service, `$SERVICE`.
    pub service: ServiceName,
    /// The instance, `$INSTANCE`.
    pub instance: InstanceName,
    /// The release, `$VERSION` and `{version}`.
    pub version: String,
    /// What is run.
    pub command: Command,
    /// What it finds in its environment, besides what the driver adds.
    pub environment: Environment,
    /// As whom it runs; as we do without.
    pub account: Option<Account>,
    /// Where it runs; a relative program is looked for here. Absolute.
    pub directory: PathBuf,
    /// Where its output goes: appended, made if it is missing. Absolute.
    pub log: PathBuf,
    /// How it is cared for while it runs.
    pub upkeep: Upkeep,
}

/// How an instance is cared for while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// How children of the instance that outlive it are ended.
    pub stop: Stop,
    /// When its log is rotated.
    pub rotation: Rotation,
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
