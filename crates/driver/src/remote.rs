//! A host that is not this machine, as drivers reach it: by one connection, which is opened when something is asked of it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use model::RemoteHost;

/// A host that is not this machine.
pub trait Remote: fmt::Debug + Send + Sync {
    /// Which.
    fn host(&self) -> &RemoteHost;

    /// Waits until it is reached, as long as one attempt takes; at once where one has failed a moment ago.
    fn reach(&self) -> BoxFuture<'static, Result<Reached, RemoteError>>;

    /// What a script for `sh` prints there, which takes a moment only, and is to do `what`, in words.
    fn run(
        &self,
        what: &'static str,
        script: String,
    ) -> BoxFuture<'static, Result<String, RemoteError>>;

    /// That it did not answer when it was asked last, if it did not.
    fn unreached(&self) -> Option<Unreached>;
}

/// Where a host that is reached has what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// A socket of this machine that leads to the engine's of the host.
    pub engine: PathBuf,
    /// The address, as the host has it, on which instances are published.
    pub publish: IpAddr,
    /// The address at which they are asked.
    pub address: IpAddr,
}

/// A host that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// Which.
    pub host: RemoteHost,
    /// Why, as far as that is known.
    pub why: String,
    /// Since when.
    pub since: SystemTime,
}

/// Why a host did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RemoteError {
    /// It is not reached.
    #[error("the host {host} does not answer: {why}")]
    Unreached {
        /// Which.
        host: RemoteHost,
        /// Why.
        why: String,
    },
    /// It is reached, and lacks what is needed there.
    #[error("the host {host} could not {what}: {said} (status {status})")]
    Failed {
        /// Which.
        host: RemoteHost,
        /// What it was asked to do.
        what: &'static str,
        /// How it ended.
        status: i32,
        /// What it said.
        said: String,
    },
}

impl From<RemoteError> for crate::LaunchError {
    fn from(error: RemoteError) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl From<RemoteError> for crate::preflight::Obstacle {
    fn from(error: RemoteError) -> Self {
        Self::Engine(Box::new(error))
    }
}
