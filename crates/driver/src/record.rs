//! What is remembered of a running instance, so that the next Plimsoll finds it again.

use std::path::PathBuf;

use model::{InstanceName, ServiceName};

/// A running instance as the journal remembers it. Plain data: whoever keeps it writes the fields
/// as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The service.
    pub service: ServiceName,
    /// The instance.
    pub instance: InstanceName,
    /// The release.
    pub version: String,
    /// The port that it was given.
    pub port: u16,
    /// Its log.
    pub log: PathBuf,
    /// Where in the log's stream its own output begins, in bytes.
    pub log_start: u64,
    /// Marks all its descendants, see [`crate::environment::RUN`].
    pub run: String,
    /// Its first process, which leads the session and the process group.
    pub process: ProcessIdentity,
}

/// One process, told apart from every other that ever had or will have its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// The process's number, also that of its session and its process group.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did: field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
    /// Which run of the machine that was: `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}
