//! A container that was made and does not run yet.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use driver::port::Lease;
use driver::{ContainerRecord, Held, Instance, LaunchError, Record, Upkeep};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

use crate::daemon::Daemon;
use crate::error::EngineError;
use crate::instance::ContainerInstance;
use crate::network;
use crate::output::{Mark, Way};
use crate::supervisor::{self, Container};

/// How long a container that was started is asked for its address.
const ADDRESS: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(200);

/// A container that waits to be let run. Dropped, it is removed.
pub(crate) struct HeldContainer {
    daemon: Daemon,
    state_dir: PathBuf,
    record: Record,
    own: ContainerRecord,
    upkeep: Upkeep,
    lease: Option<Lease>,
    /// So long a host that does not answer is waited for.
    patience: Instant,
    /// Whether it is this one's to remove.
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Held,
    LetGo,
}

/// What is held of a container.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) record: Record,
    pub(crate) own: ContainerRecord,
    pub(crate) upkeep: Upkeep,
    pub(crate) lease: Option<Lease>,
    /// So long a host that does not answer is waited for.
    pub(crate) patience: Instant,
}

impl HeldContainer {
    pub(crate) fn new(daemon: Daemon, state_dir: PathBuf, made: Made) -> Self {
        let Made { record, own, upkeep, lease, patience } = made;
        Self { daemon, state_dir, record, own, upkeep, lease, patience, fate: Fate::Held }
    }

    async fn let_go(mut self) -> Result<Arc<dyn Instance>, LaunchError> {
        self.start().await?;
        let seen = self.look().await?;
        if let Some(address) = seen.address {
            self.record.address = address;
        }
        let container = container(&self.daemon, &self.state_dir, &self.record, &self.own);
        let container = Container { lease: self.lease.take(), ..container };
        self.fate = Fate::LetGo;
        let instance = ContainerInstance::watch(container, seen.pid, &self.upkeep);
        Ok(Arc::new(instance))
    }

    /// Lets it run. One that runs already, as where the answer to that was lost with the connection to its host, is left alone.
    async fn start(&self) -> Result<(), EngineError> {
        loop {
            match self.daemon.start(&self.own.id).await {
                Err(error) if self.daemon.is_lost(&error) && Instant::now() < self.patience => {
                    sleep(AGAIN).await;
                }
                started => return started,
            }
        }
    }

    /// What is known of it only when it runs. It may have ended by now: then its end is told as any other.
    async fn look(&self) -> Result<Seen, EngineError> {
        let deadline = Instant::now() + ADDRESS;
        loop {
            let looked = self.daemon.container(&self.own.id).await;
            let fault = match looked {
                Ok(Some(container)) => match seen(&container, &self.own) {
                    Some(seen) => return Ok(seen),
                    None if supervisor::ending(&container).is_some() => return Ok(Seen::default()),
                    None => EngineError::Incomplete {
                        what: "look a container up",
                        lacks: "its address on the network",
                    },
                },
                Ok(None) => return Ok(Seen::default()),
                // It is reached by the port that it was given, whatever else is not known.
                Err(_) if self.own.network.is_none() => return Ok(Seen::default()),
                Err(error) => error,
            };
            if Instant::now() >= deadline {
                return Err(fault);
            }
            sleep(AGAIN).await;
        }
    }
}

/// What is known of a container only when it runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Its first process.
    pub(crate) pid: Option<u32>,
    /// Its own address, where it is reached by that.
    pub(crate) address: Option<SocketAddr>,
}

/// What is seen of a container; `None` where its address is not there yet.
pub(crate) fn seen(container: &ContainerInspectResponse, own: &ContainerRecord) -> Option<Seen> {
    let state = container.state.as_ref();
    let pid = state.and_then(|state| u32::try_from(state.pid?).ok()).filter(|pid| *pid > 0);
    let address = match &own.network {
        None => None,
        Some(network) => Some((network::own_address(container, network)?, own.port).into()),
    };
    Some(Seen { pid, address })
}

/// A container as it is watched; its port is to be put in.
pub(crate) fn container(
    daemon: &Daemon,
    state_dir: &std::path::Path,
    record: &Record,
    own: &ContainerRecord,
) -> Container {
    let way = Way {
        daemon: daemon.clone(),
        id: own.id.clone(),
        log: own.log.clone(),
        mark: Mark::of(state_dir, &own.id),
    };
    let (daemon, record) = (daemon.clone(), Arc::new(record.clone()));
    Container { daemon, record, id: own.id.clone(), way, lease: None }
}

impl Held for HeldContainer {
    fn record(&self) -> &Record {
        &self.record
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, Result<Arc<dyn Instance>, LaunchError>> {
        // Once begun, it is carried through, so that what runs is watched.
        async { tokio::spawn(self.let_go()).await.map_err(io::Error::other)? }.boxed()
    }
}

impl Drop for HeldContainer {
    fn drop(&mut self) {
        // Without a runtime nothing can be asked: then the next start finds it by its label.
        if self.fate == Fate::Held
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (daemon, id) = (self.daemon.clone(), self.own.id.clone());
            runtime.spawn(async move { supervisor::remove(&daemon, &id).await });
        }
    }
}

impl fmt::Debug for HeldContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldContainer").field("record", &self.record).finish_non_exhaustive()
    }
}
