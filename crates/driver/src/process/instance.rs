//! A running process as its owner has it in hand.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use super::family::Family;
use super::notify::Notices;
use super::supervisor::{Process, Progress, Supervisor};
use super::{apart, listener};
use crate::driver::{Instance, PortOwner};
use crate::exit::{Exit, Stopped};
use crate::launch::{Notice, Upkeep};
use crate::log;
use crate::procfs;
use crate::record::{ProcessRecord, Record};
use model::Stop;

/// A running process. The watching is a task of its own and goes on when this is dropped.
#[derive(Debug)]
pub(super) struct ProcessInstance {
    record: Arc<Record>,
    stops: mpsc::UnboundedSender<Stop>,
    progress: watch::Receiver<Progress>,
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
        let (stops, orders) = mpsc::unbounded_channel();
        let (told, progress) = watch::channel(Progress::default());
        let supervisor = Supervisor::new(Arc::clone(&record), process, upkeep, orders, told);
        tokio::spawn(supervisor.run());
        Self { record, stops, progress, notices }
    }

    fn once<T: Send + 'static>(&self, of: fn(&Progress) -> Option<T>) -> BoxFuture<'static, T> {
        let mut progress = self.progress.clone();
        async move {
            loop {
                let known = of(&progress.borrow_and_update());
                match known {
                    Some(known) => return known,
                    None if progress.changed().await.is_ok() => {}
                    // The runtime ends, and the instance lives on.
                    None => future::pending().await,
                }
            }
        }
        .boxed()
    }
}

impl Instance for ProcessInstance {
    fn record(&self) -> &Record {
        &self.record
    }

    fn exited(&self) -> BoxFuture<'static, Exit> {
        self.once(|progress| progress.exit)
    }

    fn gone(&self) -> BoxFuture<'static, Stopped> {
        self.once(|progress| progress.gone)
    }

    fn stop(&self, stop: Stop) -> BoxFuture<'static, Stopped> {
        // If nobody takes it, nothing is left to stop.
        let _ = self.stops.send(stop);
        self.gone()
    }

    fn listener(&self) -> BoxFuture<'static, PortOwner> {
        let (port, family) = (self.record.address.port(), Family::of(&self.record));
        let look = apart(move || listener::of(port, &family));
        async move { look.await.unwrap_or(PortOwner::Unknown) }.boxed()
    }

    fn listens(&self) -> BoxFuture<'static, Vec<SocketAddr>> {
        let family = Family::of(&self.record);
        let look = apart(move || listener::addresses(&family));
        async move { look.await.unwrap_or_default() }.boxed()
    }

    fn notices(&self) -> Option<watch::Receiver<Notice>> {
        self.notices.as_ref().map(Notices::heard)
    }

    fn memory(&self) -> BoxFuture<'static, u64> {
        let family = Family::of(&self.record);
        async move {
            apart(move || family.pids().into_iter().map(procfs::memory).sum()).await.unwrap_or(0)
        }
        .boxed()
    }

    fn tail(&self, lines: usize) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let record = Arc::clone(&self.record);
        let tail = move || {
            let ProcessRecord { log, log_start, .. } = record.identity.process();
            log::tail(log, *log_start, lines)
        };
        async move { apart(tail).await? }.boxed()
    }
}
