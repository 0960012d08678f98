//! Instances as processes of this machine.
//!
//! An instance leads a session and a process group of its own and writes straight to its log, so
//! it needs nothing of us once it runs. What we hold is a pidfd: it tells of the end, and a signal
//! sent by it reaches this process or none.

mod adopt;
mod compose;
mod descriptors;
mod examine;
mod family;
mod held;
mod holder;
mod instance;
pub mod launcher;
mod leftovers;
mod listener;
mod logs;
mod notify;
mod pidfd;
mod sockets;
mod spawn;
mod supervisor;
mod tag;
mod terms;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::driver::{AdoptError, Adoption, Driver, Held, LaunchError};
use crate::environment::Environment;
use crate::launch::{Composed, Examination, Examined, KeptRelease, Launch, Spec, Upkeep};
use crate::log::{self, Sweep};
use crate::logs::Logs;
use crate::port::Ports;
use crate::preflight::{self, Machine, Obstacle, Passed, Preflight};
use crate::record::Record;
use crate::remote::Unreached;
use model::Recipe;

pub use holder::Holder;
pub use logs::ProcessLogs;
pub use terms::Started;

/// Starts instances as processes of this machine.
#[derive(Clone, Debug)]
pub struct ProcessDriver {
    launcher: Launcher,
    ports: Ports,
    logs: ProcessLogs,
    /// One for each thread that checks.
    checks: Arc<Semaphore>,
}

/// Plans that are checked at once. A check of a file system that does not respond keeps its thread, and the threads
/// that may block are needed for more than checks.
const CHECKS_MAX: usize = 16;

/// How to run [`launcher::run`] in a process of its own.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program that calls it.
    pub program: PathBuf,
    /// The arguments with which it does so, before those that the driver adds.
    pub arguments: Vec<OsString>,
    /// What instances are to have of what this process was started with.
    pub started: Started,
}

impl Launcher {
    /// This very program, called with `arguments`; the one that runs even if its file was replaced
    /// since. Instances have what this process has now.
    pub fn this_program(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: "/proc/self/exe".into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            started: Started::of_this_process(),
        }
    }
}

impl ProcessDriver {
    /// A driver that gives its instances ports out of `ports`, and keeps their output in `logs`.
    pub fn new(launcher: Launcher, ports: Ports, logs: ProcessLogs) -> Self {
        Self { launcher, ports, logs, checks: Arc::new(Semaphore::new(CHECKS_MAX)) }
    }

    /// The ports it gives.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }
}

impl Driver for ProcessDriver {
    fn preflight(&self, plan: Preflight) -> BoxFuture<'static, Result<Passed, Vec<Obstacle>>> {
        let Self { ports, logs, checks, .. } = self.clone();
        async move {
            let permit = checks.acquire_owned().await.expect("it is never closed");
            let work = move || {
                let _permit = permit;
                let machine = Machine { ports: &ports, logs: logs.directory() };
                preflight::check(plan, Environment::of_this_process(), machine)
            };
            let unknown =
                |source| Obstacle::Unknown { what: "whether the deploy can start", source };
            apart(work).await.unwrap_or_else(|source| Err(vec![unknown(source)]))
        }
        .boxed()
    }

    fn compose(&self, spec: Spec) -> BoxFuture<'static, Result<Composed, LaunchError>> {
        compose::compose(spec).boxed()
    }

    fn fetch(&self, spec: Spec) -> BoxFuture<'static, Result<Recipe, Vec<Obstacle>>> {
        // What it is made of is here, or is found missing by the preflight.
        async { Ok(spec.recipe) }.boxed()
    }

    fn reclaim(&self, _known: &[Record]) -> BoxFuture<'static, ()> {
        // What is held ends with us, and what runs was recorded before.
        async {}.boxed()
    }

    /// They are all here.
    fn unreached(&self) -> Vec<Unreached> {
        Vec::new()
    }

    fn retain(&self, _wanted: Vec<KeptRelease>) {
        // Nothing was brought.
    }

    fn prepare(&self, launch: Launch) -> BoxFuture<'_, Result<Box<dyn Held>, LaunchError>> {
        let Self { launcher, ports, logs, .. } = self.clone();
        async move {
            let log = logs.path(&launch.service, &launch.instance);
            let held = apart(move || spawn::spawn(launch, log, &launcher, &ports)).await??;
            Ok(Box::new(held) as Box<dyn Held>)
        }
        .boxed()
    }

    fn adopt(&self, record: Record, upkeep: Upkeep) -> BoxFuture<'_, Result<Adoption, AdoptError>> {
        adopt::adopt(record, upkeep, self.ports.clone()).boxed()
    }

    fn examine(
        &self,
        examination: Examination,
    ) -> BoxFuture<'static, Result<Examined, LaunchError>> {
        examine::examine(examination, self.launcher.clone()).boxed()
    }

    fn logs(&self) -> Arc<dyn Logs> {
        Arc::new(self.logs.clone())
    }

    fn sweep(&self, sweep: Sweep) -> BoxFuture<'static, io::Result<()>> {
        let directory = self.logs.of_service(&sweep.service);
        async move { apart(move || log::sweep(&directory, &sweep)).await? }.boxed()
    }
}

/// Does what may block on a thread where that is no harm.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

impl From<io::Error> for LaunchError {
    fn from(source: io::Error) -> Self {
        Self::Process(source)
    }
}
