//! What edges that share a store do for each other: each certificate is ordered by the one whose turn it is, what CAs look for is there on all of them,
//! and what has come is served by all.
//!
//! How turns and records work is `store`'s; everything that is posted is sealed. Where there is no store, or none with a secret, an edge is alone.

mod bond;
mod following;
mod record;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use certificates::DirectoryUrl;
use model::OnFailure;
use store::{Claim, Store, Turn};

pub(super) use self::bond::Bond;
pub(super) use self::following::{Follow, adopt, follow};
pub(super) use self::record::{Told, seconds};
use super::clock::Clock;

/// Nothing is ordered without the others for so long after the store went down: most outages are shorter, and a certificate can wait.
const ALONE_AFTER: Duration = Duration::from_secs(60);

/// The other edges, as far as they share anything.
pub(super) struct Edges {
    /// What this one is called.
    me: Arc<str>,
    clock: Arc<dyn Clock>,
    bond: Mutex<Option<Arc<Bond>>>,
}

/// Whose a certificate is to order.
pub(super) enum Whose {
    /// This edge's: there are no others, or they cannot be asked.
    Alone,
    /// This edge's, as the others know.
    Ours(Arc<Bond>, Turn),
    /// Not this edge's.
    Left(Left),
}

/// Why an order is not placed here.
#[derive(Clone, Debug)]
pub(super) enum Left {
    /// Another edge places it, and may have said what fails.
    Edge { name: String, told: Option<Told> },
    /// The store is down, or has only just come: without it nothing is ordered yet.
    Store,
}

impl Edges {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { me: name().into(), clock, bond: Mutex::default() }
    }

    /// Shares what `store` shares from now on, for certificates of `directories` for the hosts that are `wanted`. Says by what, where that has changed.
    pub(super) fn follow(
        &self,
        store: &Store,
        directories: &[DirectoryUrl],
        wanted: BTreeSet<String>,
    ) -> Change {
        let mut bond = self.bond.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match (store.shared(), store.sealer()) {
            (Some(shared), Some(sealer)) if !directories.is_empty() => {
                Bond::new(self.me.clone(), shared, sealer, directories, store.on_failure())
            }
            _ => return if bond.take().is_some() { Change::Alone } else { Change::None },
        };
        match &*bond {
            Some(before) if before.is_as(&next) => {
                before.want(wanted);
                Change::None
            }
            _ => {
                next.want(wanted);
                Change::Bond(bond.insert(Arc::new(next)).clone())
            }
        }
    }

    /// By what this edge shares, where it does.
    pub(super) fn bond(&self) -> Option<Arc<Bond>> {
        self.bond.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the turn to order the certificate of `host`, where others might.
    pub(super) async fn turn(&self, host: &str) -> Whose {
        let Some(bond) = self.bond() else { return Whose::Alone };
        if bond.is_up() && !bond.is_settled() {
            return Whose::Left(Left::Store);
        }
        match bond.take_turn(host).await {
            Ok(Claim::Ours(turn)) => Whose::Ours(bond, turn),
            Ok(Claim::Others { edge, told }) => {
                let told = Told::read(&told);
                Whose::Left(Left::Edge { name: edge, told })
            }
            Err(down) => {
                let since = self.clock.now().wall.duration_since(down.since).unwrap_or_default();
                match bond.on_failure() {
                    OnFailure::Local if since >= ALONE_AFTER => Whose::Alone,
                    _ => Whose::Left(Left::Store),
                }
            }
        }
    }
}

/// How sharing has changed.
pub(super) enum Change {
    None,
    /// Nothing is shared any more.
    Alone,
    /// It is shared by this from now on.
    Bond(Arc<Bond>),
}

/// What this edge is called: after the machine, and other than every edge before it.
fn name() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let machine: String = read.trim().chars().filter(is_plain).take(64).collect();
    let machine = if machine.is_empty() { "edge".to_owned() } else { machine };
    format!("{machine}-{:06x}", fastrand::u32(..1 << 24))
}
