//! What is remembered of a running instance, so that the next Plimsoll finds it again.

use std::iter;
use std::net::SocketAddr;
use std::path::PathBuf;

use model::{InstanceName, RemoteHost, ServiceName};

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
    /// [`crate::environment::RUN`]; a container has it as a label.
    pub run: String,
    /// By what its driver finds it again.
    pub identity: Identity,
}

impl Record {
    /// The port that it was told to listen on, as it sees it itself: of a container the one within.
    pub fn port_within(&self) -> u16 {
        match &self.identity {
            Identity::Process(_) => self.address.port(),
            Identity::Container(container) => container.port,
        }
    }
}

/// By what a driver finds an instance again: what else there may be of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A process of this machine.
    Process(ProcessRecord),
    /// A container.
    Container(ContainerRecord),
}

impl Identity {
    /// The host on which it is, if that is not this machine.
    pub fn host(&self) -> Option<&RemoteHost> {
        self.container()?.host.as_ref()
    }

    /// The process, if it is one.
    pub fn process(&self) -> Option<&ProcessRecord> {
        match self {
            Self::Process(process) => Some(process),
            Self::Container(_) => None,
        }
    }

    /// The container, if it is one.
    pub fn container(&self) -> Option<&ContainerRecord> {
        match self {
            Self::Process(_) => None,
            Self::Container(container) => Some(container),
        }
    }
}

/// An instance that is a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRecord {
    /// The host on which it is; this machine where there is none.
    pub host: Option<RemoteHost>,
    /// The engine's own id of it, which no other container ever has.
    pub id: String,
    /// What it was made of: a name with a digest, or an image's id.
    pub image: String,
    /// The port that it listens on within.
    pub port: u16,
    /// The network by whose address it is reached, if it is not by a port of this machine.
    pub network: Option<String>,
    /// Its log.
    pub log: PathBuf,
    /// Where in the log's stream its own output begins, in bytes.
    pub log_start: u64,
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

/// Sixteen letters that no other start has.
pub fn mark() -> String {
    iter::repeat_with(fastrand::alphanumeric).take(16).collect()
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
