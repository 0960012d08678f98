//! What every driver owes, whatever it starts: processes, containers.
//!
//! A start has two steps, so that nothing ever runs that no journal knows. [`Driver::prepare`]
//! makes all that can fail and says by what the instance will be known; nothing of the service has
//! run yet. When that is written down, [`Held::release`] lets it run. If we die in between, what
//! was held ends by itself.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::account::AccountFault;
use crate::command::CommandError;
use crate::env_file::EnvFileError;
use crate::exit::{Exit, Stopped};
use crate::launch::{Composed, Examination, Examined, KeptRelease, Launch, Notice, Spec, Upkeep};
use crate::log::Sweep;
use crate::logs::Logs;
use crate::port::NoPort;
use crate::preflight::{Obstacle, Passed, Preflight};
use crate::program::ProgramFault;
use crate::record::Record;
use crate::remote::Unreached;
use model::{InstanceName, Recipe, Stop};

/// Starts instances, and finds those again that an earlier Plimsoll started.
pub trait Driver: fmt::Debug + Send + Sync {
    /// Looks for everything that can be known now to fail later. Nothing is started, written or reserved.
    fn preflight(&self, plan: Preflight) -> BoxFuture<'static, Result<Passed, Vec<Obstacle>>>;

    /// Finds out what the names in a recipe stand for now, and brings it to where its instances will run, so that a start
    /// finds it there. Answers with the recipe by which every instance of the release is to be made. Nothing of the
    /// service runs; it ends when nobody waits for the answer any more.
    fn fetch(&self, spec: Spec) -> BoxFuture<'static, Result<Recipe, Vec<Obstacle>>>;

    /// Works out what instances by `spec` are started with, now.
    fn compose(&self, spec: Spec) -> BoxFuture<'static, Result<Composed, LaunchError>>;

    /// Makes everything ready for an instance, up to the moment before it runs.
    fn prepare(&self, launch: Launch) -> BoxFuture<'_, Result<Box<dyn Held>, LaunchError>>;

    /// Takes an instance over that was started earlier. What is left of one that has ended is
    /// ended before this answers.
    fn adopt(&self, record: Record, upkeep: Upkeep) -> BoxFuture<'_, Result<Adoption, AdoptError>>;

    /// Removes what an earlier Plimsoll with the same state directory has made and no journal knows: all but `known`, and what
    /// is made from now on. Where that cannot be done yet it is done later, beside all else. Answers when it is done; it is carried
    /// out even if nobody waits for the answer.
    fn reclaim(&self, known: &[Record]) -> BoxFuture<'static, ()>;

    /// The hosts that did not answer when they were asked last.
    fn unreached(&self) -> Vec<Unreached>;

    /// Removes, beside all else, what [`fetch`](Self::fetch) has brought and no release of `wanted` is made of, of whatever service
    /// they are. What somebody else brought stays.
    fn retain(&self, wanted: Vec<KeptRelease>);

    /// Runs a program once as a part of an instance that runs. It does not outlive its time, nor does it live
    /// on when nobody waits for the outcome any more, with all that it started.
    fn examine(&self, what: Examination) -> BoxFuture<'static, Result<Examined, LaunchError>>;

    /// What its instances have written.
    fn logs(&self) -> Arc<dyn Logs>;

    /// Removes what instances of a service that are gone have left of their output, but for the last.
    fn sweep(&self, sweep: Sweep) -> BoxFuture<'static, io::Result<()>>;
}

/// An instance that waits to be let run. Dropped, it never runs.
pub trait Held: fmt::Debug + Send {
    /// What is to be remembered before it runs.
    fn record(&self) -> &Record;

    /// Lets it run; answers when its program does. Once begun, it is carried through even if
    /// nobody waits for the answer.
    fn release(self: Box<Self>) -> BoxFuture<'static, Result<Arc<dyn Instance>, LaunchError>>;
}

/// A running instance. Dropping it ends nothing.
pub trait Instance: fmt::Debug + Send + Sync {
    /// What is remembered of it.
    fn record(&self) -> &Record;

    /// Waits until its first process ends. Never answers if our own runtime ends before.
    fn exited(&self) -> BoxFuture<'static, Exit>;

    /// Waits until nothing of it is left.
    fn gone(&self) -> BoxFuture<'static, Stopped>;

    /// Asks it to end, kills it when it does not, and waits until nothing of it is left. It is
    /// carried out even if nobody waits for the answer. Asked again, the earlier deadline holds.
    fn stop(&self, stop: Stop) -> BoxFuture<'static, Stopped>;

    /// Who listens on its port now.
    fn listener(&self) -> BoxFuture<'static, PortOwner>;

    /// Every address that it or its children listen on, on whichever port, as it sees them itself; none where that cannot
    /// be seen.
    fn listens(&self) -> BoxFuture<'static, Vec<SocketAddr>>;

    /// What it says of itself, and each time that it says more; `None` where nobody listens to it.
    fn notices(&self) -> Option<watch::Receiver<Notice>>;

    /// The memory that it and its children take, in bytes; 0 when it is gone.
    fn memory(&self) -> BoxFuture<'static, u64>;

    /// The last lines of its output, at most this many, none of an earlier run.
    fn tail(&self, lines: usize) -> BoxFuture<'static, io::Result<Vec<String>>>;
}

/// Who listens on an instance's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortOwner {
    /// The instance or a child of it, and nobody else.
    Own,
    /// Somebody else, alone or beside it: a health check may be answered by a stranger.
    Other,
    /// Nobody.
    Nobody,
    /// Somebody, and we may not see who.
    Unknown,
}

/// What became of an instance that was to be taken over.
#[derive(Debug)]
pub enum Adoption {
    /// It runs.
    Running(Arc<dyn Instance>),
    /// It is gone.
    Gone(Gone),
}

/// Why an instance that was to be taken over is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It has ended; this many children had outlived it and were ended now.
    Ended {
        /// How many.
        leftovers: usize,
    },
    /// The machine was restarted since.
    Rebooted,
}

/// Why an instance did not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Its command is none.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Its program cannot be run.
    #[error(transparent)]
    Program(#[from] ProgramFault),
    /// Its directory is none.
    #[error("cannot run in the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its log cannot be opened.
    #[error("cannot open the log {}", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no port for it.
    #[error(transparent)]
    NoPort(#[from] NoPort),
    /// The system refused a process.
    #[error("cannot start a process")]
    Process(#[source] io::Error),
    /// The process ended before its program ran.
    #[error("the process ended before its program ran")]
    Lost,
    /// It cannot run as its user.
    #[error(transparent)]
    Account(#[from] AccountFault),
    /// Its `env_file` cannot be read.
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    /// The system would not let it become that user, or have those limits.
    #[error("cannot take on the user or the limits of the instance")]
    Terms(#[source] io::Error),
    /// The system would not run the program.
    #[error("cannot run {}", program.display())]
    Exec {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What runs instances elsewhere would not do it, or could not be asked.
    #[error(transparent)]
    Engine(Box<dyn Error + Send + Sync>),
    /// It is of a kind that another driver starts.
    #[error("this kind of instance cannot be started here")]
    OtherKind,
}

/// Why it could not be found out what became of an instance.
#[derive(Debug, thiserror::Error)]
#[error("cannot determine what became of {instance}")]
pub struct AdoptError {
    /// Which.
    pub instance: InstanceName,
    /// Why.
    pub source: io::Error,
}
