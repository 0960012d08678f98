//! A running container as its owner has it in hand.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use driver::progress::{Supervised, Supervision};
use driver::{Exit, Instance, Notice, PortOwner, Record, Stopped, Upkeep, log};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::Stop;
use tokio::sync::watch;

use crate::apart::apart;
use crate::daemon::Daemon;
use crate::supervisor::{Container, Supervisor};
use crate::{machine, network};

/// A running container. The watching is a task of its own and goes on when this is dropped.
#[derive(Debug)]
pub(crate) struct ContainerInstance {
    record: Arc<Record>,
    daemon: Daemon,
    id: String,
    /// Its first process, as its machine numbers it, where that is known.
    pid: Option<u32>,
    supervised: Supervised,
}

impl ContainerInstance {
    /// Begins to watch `container`, whose first process is `pid`.
    pub(crate) fn watch(container: Container, pid: Option<u32>, upkeep: &Upkeep) -> Self {
        let (supervised, Supervision { orders, told }) = Supervised::begin();
        let (record, daemon) = (container.record.clone(), container.daemon.clone());
        let id = container.id.clone();
        tokio::spawn(Supervisor::new(container, upkeep, orders, told).run());
        Self { record, daemon, id, pid, supervised }
    }

    /// Where anything listens within; `None` where that cannot be seen.
    fn listening(&self) -> BoxFuture<'static, Option<Vec<SocketAddr>>> {
        let (pid, id, daemon) = (self.pid, self.id.clone(), self.daemon.clone());
        async move { machine::listening(daemon.remote(), pid?, id).await }.boxed()
    }
}

impl Instance for ContainerInstance {
    fn record(&self) -> &Record {
        &self.record
    }

    fn exited(&self) -> BoxFuture<'static, Exit> {
        self.supervised.exited()
    }

    fn gone(&self) -> BoxFuture<'static, Stopped> {
        self.supervised.gone()
    }

    fn stop(&self, stop: Stop) -> BoxFuture<'static, Stopped> {
        self.supervised.stop(stop)
    }

    /// The published port is the engine's own, which takes connections whether or not anything listens within: so it is
    /// looked at within.
    fn listener(&self) -> BoxFuture<'static, PortOwner> {
        let (listening, port) = (self.listening(), self.record.port_within());
        async move {
            match listening.await {
                Some(addresses) if network::is_open(&addresses, port) => PortOwner::Own,
                Some(_) => PortOwner::Nobody,
                None => PortOwner::Unknown,
            }
        }
        .boxed()
    }

    fn listens(&self) -> BoxFuture<'static, Vec<SocketAddr>> {
        let listening = self.listening();
        async move { listening.await.unwrap_or_default() }.boxed()
    }

    /// Nobody listens: a socket of ours is not within.
    fn notices(&self) -> Option<watch::Receiver<Notice>> {
        None
    }

    fn memory(&self) -> BoxFuture<'static, u64> {
        let (daemon, id) = (self.daemon.clone(), self.id.clone());
        async move { daemon.memory(&id).await.unwrap_or(0) }.boxed()
    }

    fn tail(&self, lines: usize) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let record = self.record.clone();
        let tail = apart(move || match record.identity.container() {
            Some(container) => log::tail(&container.log, container.log_start, lines),
            None => Ok(Vec::new()),
        });
        async move { tail.await? }.boxed()
    }
}
