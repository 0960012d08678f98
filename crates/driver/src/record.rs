//! What is remembered of a running instance, so that the next Plimsoll finds it again.

use std::net::SocketAddr;
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
    /// Where it is asked: the address that it was given to listen on.
    pub address: SocketAddr,
    /// No other start has this mark. Of a process it marks all its descendants, see
    /// [`crate::environment::RUN`].
    pub run: String,
    /// By what its driver finds it again.
    pub identity: Identity,
}

/// By what a driver finds an instance again: what else there may be of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A process of this machine.
    Process(ProcessRecord),
}

impl Identity {
    /// The process. Everything that is not one is another driver's.
    pub fn process(&self) -> &ProcessRecord {
        let Self::Process(process) = self;
        process
    }
}

/// An instance that is a process of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRecord {
    /// Its first process, which leads the session and the process group.
    pub leader: ProcessIdentity,
    /// Its log.
    pub log: PathBuf,
    /// Where in the log's stream its own output begins, in bytes.
    pub log_start: u64,
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
