//! Has certificates ordered and renewed: carries out what the machine (`certificates`) decides, at the CAs (`acme`), on a task of its own. The CA of
//! our own has a second machine, with rules of its own.
//!
//! The writer says what is wanted; what has come is served by itself, without a publication. When something is due is the machine's to say, what time
//! it is the clock's, and whether another edge orders it the store's; nothing here decides any of that.

mod accounts;
mod advice;
mod clock;
mod desk;
mod edges;
pub(crate) mod import;
pub(crate) mod internal;
pub(crate) mod kept;
mod orders;
mod responder;
pub(crate) mod status;
mod telling;

use std::collections::BTreeSet;
use std::sync::Arc;

use edge::Challenges;
use model::Intent;
use outbound::Client;
use store::Store;
use telemetry::Events;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use clock::{Clock, SystemClock};
pub use responder::OpenRecords;

use self::accounts::Accounts;
use self::desk::Desk;
use self::edges::Edges;
use self::kept::{Kept, Known};
use self::orders::Orders;
use self::responder::Responder;
use self::status::CertificateStatus;
use crate::ended::Reply;

/// Has certificates ordered, until it is dropped.
pub(crate) struct Ordering {
    words: mpsc::UnboundedSender<Word>,
    task: AbortHandle,
}

impl Drop for Ordering {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What it is made of.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) kept: Arc<Kept>,
    pub(crate) challenges: Arc<Challenges>,
    pub(crate) records: OpenRecords,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
    pub(crate) events: Events,
}

/// What is to be there.
pub(crate) struct Hosts {
    /// All hosts that are to have a certificate.
    pub(crate) all: BTreeSet<String>,
    /// Those of them whose certificates the CA of our own issues.
    pub(crate) internal: BTreeSet<String>,
}

/// What the orders are told.
enum Word {
    /// What is to be there, and what edges share.
    Want(Arc<Intent>, Hosts, Store),
    Tell(Reply<Vec<CertificateStatus>>),
    /// Certificates of these hosts have come from other edges, and are served.
    Found(Vec<(String, Known)>),
    /// So many edges share the account.
    Edges(u32),
}

impl Ordering {
    /// One that wants nothing yet. Must be called on a runtime.
    pub(crate) fn start(parts: Parts) -> Self {
        let Parts { client, kept, challenges, records, clock, seed, events } = parts;
        let (served, edges) = (kept.served().clone(), Arc::new(Edges::new(clock.clone())));
        let responder = Responder::new(challenges, served, records, events.clone(), edges.clone());
        let accounts = Accounts::new(client, kept.clone(), events.clone(), edges.clone());
        let responder = Arc::new(responder);
        let desk = Arc::new(Desk { kept, responder, events, edges, accounts });
        let (words, received) = mpsc::unbounded_channel();
        let orders = Orders::new(desk, clock, seed, words.clone());
        let task = tokio::spawn(orders.run(received)).abort_handle();
        Self { words, task }
    }

    /// Wants certificates for `hosts` as `intent` says, and no others, and shares them by `store`.
    pub(crate) fn want(&self, intent: &Arc<Intent>, hosts: Hosts, store: &Store) {
        // It ends only with this.
        let _ = self.words.send(Word::Want(intent.clone(), hosts, store.clone()));
    }

    /// Tells how each certificate stands that is ordered.
    pub(crate) fn tell(&self, reply: Reply<Vec<CertificateStatus>>) {
        let _ = self.words.send(Word::Tell(reply));
    }
}

/// What makes the moments of this machine's orders differ from another's: of its identity, so that a restart draws nothing anew.
pub(crate) fn seed_of_machine() -> u64 {
    let read = |path| std::fs::read(path).ok();
    let name = read("/etc/machine-id").or_else(|| read("/proc/sys/kernel/hostname"));
    kept::hash(&name.unwrap_or_default())
}
