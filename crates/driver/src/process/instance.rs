//! A running process as its owner has it in hand.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::family::Family;
use super::notify::Notices;
use super::supervisor::{Process, Supervisor};
use super::{apart, listener};
use crate::driver::{Instance, PortOwner};
use crate::exit::{Exit, Stopped};
use crate::launch::{Notice, Upkeep};
use crate::log;
use crate::procfs;
use crate::progress::{Supervised, Supervision};
use crate::record::{ProcessRecord, Record};
use model::Stop;

/// A running process. The watching is a task of its own and goes on when this is dropped.
#[derive(Debug)]
pub(super) struct ProcessInstance {
    record: Arc<Record>,
    own: ProcessRecord,
    family: Family,
    supervised: Supervised,
    notices: Option<Notices>,
}

impl ProcessInstance {
    /// Begins to watch `process`, and what it says of itself.
    pub(super) fn watch(
        record: Record,
        process: Process,
        upkeep: Upkeep,
        notices: Option<Notices>,
    ) -> Self {
        let record = Arc::new(record);
        let (own, family) = (process.own.clone(), process.family(&record));
        let (supervised, Supervision { orders, told }) = Supervised::begin();
        let supervisor = Supervisor::new(Arc::clone(&record), process, upkeep, orders, told);
        tokio::spawn(supervisor.run());
        Self { record, own, family, supervised, notices }
    }
}

impl Instance for ProcessInstance {
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

    fn listener(&self) -> BoxFuture<'static, PortOwner> {
        let (port, family) = (self.record.address.port(), self.family.clone());
        let look = apart(move || listener::of(port, &family));
        async move { look.await.unwrap_or(PortOwner::Unknown) }.boxed()
    }

    fn listens(&self) -> BoxFuture<'static, Vec<SocketAddr>> {
        let family = self.family.clone();
        let look = apart(move || listener::addresses(&family));
        async move { look.await.unwrap_or_default() }.boxed()
    }

    fn notices(&self) -> Option<watch::Receiver<Notice>> {
        self.notices.as_ref().map(Notices::heard)
    }

    fn memory(&self) -> BoxFuture<'static, u64> {
        let family = self.family.clone();
        async move {
            apart(move || family.pids().into_iter().map(procfs::memory).sum()).await.unwrap_or(0)
        }
        .boxed()
    }

    fn tail(&self, lines: usize) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let ProcessRecord { log, log_start, .. } = self.own.clone();
        let tail = move || log::tail(&log, log_start, lines);
        async move { apart(tail).await? }.boxed()
    }
}
