//! What is open on each instance, by kind, and how old the oldest of it is: asked of the workers
//! when somebody wants to know, so that a request pays for it with the store of a coarse time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use model::{ExchangeKind, InstanceName, ServiceName};
use tokio::sync::mpsc;

use crate::live::Live;

/// How long a worker may take to answer; one that takes longer is left out.
const PATIENCE: Duration = Duration::from_millis(500);

/// What identifies an instance.
type Key = (ServiceName, InstanceName, SocketAddr);

/// What is open on one worker.
pub(crate) type OfWorker = Vec<(Key, Open)>;

/// What is open on one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// For how long the oldest of it has been open. Exact to a tick of the workers' wheels, which
    /// is 50 ms.
    pub oldest: Duration,
    /// Requests that are none of the others.
    pub requests: u32,
    /// Requests with a body that is long, or of no stated length.
    pub uploads: u32,
    /// Responses of server-sent events.
    pub streams: u32,
    /// Upgraded connections.
    pub tunnels: u32,
}

impl Open {
    /// How many exchanges of `kind` are open.
    pub fn of(&self, kind: ExchangeKind) -> u32 {
        match kind {
            ExchangeKind::Request => self.requests,
            ExchangeKind::Upload => self.uploads,
            ExchangeKind::Stream => self.streams,
            ExchangeKind::Tunnel => self.tunnels,
        }
    }

    /// How many exchanges are open.
    pub fn total(&self) -> u32 {
        ExchangeKind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    pub(crate) fn count(&mut self, kind: ExchangeKind) {
        match kind {
            ExchangeKind::Request => self.requests += 1,
            ExchangeKind::Upload => self.uploads += 1,
            ExchangeKind::Stream => self.streams += 1,
            ExchangeKind::Tunnel => self.tunnels += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.oldest = self.oldest.max(other.oldest);
        self.requests += other.requests;
        self.uploads += other.uploads;
        self.streams += other.streams;
        self.tunnels += other.tunnels;
    }
}

/// What is open on each instance.
#[derive(Debug, Default)]
pub struct Opens(BTreeMap<Key, Open>);

impl Opens {
    /// What is open on the instance; `None` when nothing is.
    pub fn of(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        address: SocketAddr,
    ) -> Option<Open> {
        self.0.get(&(service.clone(), instance.clone(), address)).copied()
    }

    /// Gathers what the workers tell, until all have or patience ends.
    pub(crate) async fn gather(mut workers: mpsc::UnboundedReceiver<OfWorker>) -> Self {
        let mut opens = Self::default();
        let all = async {
            while let Some(of_worker) = workers.recv().await {
                opens.merge(of_worker);
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::debug!("a worker was too busy to report open exchanges");
        }
        opens
    }

    fn merge(&mut self, of_worker: OfWorker) {
        for (key, open) in of_worker {
            self.0.entry(key).or_default().merge(open);
        }
    }
}

/// What identifies `live`.
pub(crate) fn key(live: &Live) -> Key {
    (live.service.clone(), live.name.clone(), live.address)
}
