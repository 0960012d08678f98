//! The store as it is open: what several edges share. A new one is opened and tried before it is served, so that a reload leaves no
//! gap; while one is down it is told here, once for each reason, and that it is up again.
//!
//! This is the one place that opens a store. The edge has it with each publication ([`edge::ServingConfig`]'s `store`); what else
//! asks it (bans) has it from here.

use std::time::{Duration, SystemTime};

use model::{Bound, Intent, OnFailure};
use store::{Health, Shared, Store};
use telemetry::scrape::StoreSample;
use telemetry::{Events, event};
use tokio::time::timeout;

use crate::settling::Counts;
use crate::task::Task;

/// How the store that edges share stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStatus {
    /// Where it is.
    pub place: String,
    /// What happens to requests that need it while it is down.
    pub on_failure: OnFailure,
    /// Since when it is down, if it is.
    pub down_since: Option<SystemTime>,
    /// Why it is down, if it is.
    pub why: Option<String>,
}

/// A store that cannot be reached holds nothing up for longer: no start, no reload.
const TRIED_WITHIN: Duration = Duration::from_secs(2);

/// Opens what `wanted` says, going on with what `before` has. Waits until it was tried.
pub(crate) async fn open(wanted: Option<&model::Store>, before: &Store) -> Store {
    let store = Store::open(wanted, before);
    if let Some(shared) = store.shared() {
        // How it stands then is told by whom takes it up.
        let _ = timeout(TRIED_WITHIN, shared.tried()).await;
    }
    store
}

/// Agrees with other edges by what the keys of `intent`'s limits are known, where they share any and can be asked: so the first request
/// is counted as all others.
pub(crate) async fn agree(store: &Store, intent: &Intent) {
    let mut bounds = intent.limits.values().map(|limit| &limit.bound);
    let are_shared = bounds.any(|bound| !matches!(bound, Bound::Concurrent(_)));
    drop(bounds);
    let Some(shared) = store.shared().filter(|it| are_shared && it.is_up()) else { return };
    // It is tried again by those who carry settlements.
    let _ = edge::agree(shared).await;
}

/// Why the store that `wanted` names cannot be used from here, if it cannot. Connects, writes a key that expires, and closes.
pub async fn try_store(wanted: &model::Store) -> Result<(), String> {
    let store = open(Some(wanted), &Store::alone()).await;
    let health = store.shared().map_or(Health::Up, Shared::health);
    health.down().map_or(Ok(()), |down| Err(down.why.to_string()))
}

/// The store that is served.
pub(crate) struct Sharing {
    store: Store,
    events: Events,
    teller: Option<Task>,
}

impl Sharing {
    /// An edge that is alone.
    pub(crate) fn alone(events: Events) -> Self {
        Self { store: Store::alone(), events, teller: None }
    }

    /// What is open.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// `store` is served from now on. Says whether edges are reached otherwise than before.
    pub(crate) fn take_up(&mut self, store: Store) -> Reached {
        let reached = match (self.store.shared(), store.shared()) {
            (None, None) => Reached::AsBefore,
            (Some(before), Some(now)) if before.is_same(now) => Reached::AsBefore,
            _ => Reached::Anew,
        };
        self.store = store;
        if reached == Reached::Anew {
            let tell = |shared: &Shared| Task::spawn(tell(shared.clone(), self.events.clone()));
            self.teller = self.store.shared().map(tell);
        }
        reached
    }

    /// How it stands, where there is one.
    pub(crate) fn status(&self) -> Option<StoreStatus> {
        let shared = self.store.shared()?;
        let down = shared.health().down().map(|down| (down.since, down.why.to_string()));
        let (down_since, why) = down.unzip();
        let on_failure = self.store.on_failure();
        Some(StoreStatus { place: shared.place(), on_failure, down_since, why })
    }

    /// What is counted of it, where there is one.
    pub(crate) fn sample(&self, settlements: Counts) -> Option<StoreSample> {
        let shared = self.store.shared()?;
        let Counts { settled, lost } = settlements;
        let is_up = shared.health() == Health::Up;
        Some(StoreSample { is_up, errors: shared.errors(), settled, lost })
    }
}

/// How edges are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    AsBefore,
    /// By another connection, or not at all.
    Anew,
}

/// Tells how `shared` stands, each time that it stands otherwise.
async fn tell(shared: Shared, events: Events) {
    let mut told: Option<Health> = None;
    let mut health = shared.health();
    loop {
        let store = shared.place();
        match (&health, &told) {
            (Health::Down(down), _) => {
                events.emit(event::StoreDown { store, why: down.why.to_string() });
            }
            (Health::Up, Some(Health::Down(before))) => {
                let seconds = SystemTime::now().duration_since(before.since).unwrap_or_default();
                events.emit(event::StoreUp { store, seconds });
            }
            (Health::Up, _) => {}
        }
        let next = shared.changed(&health).await;
        told = Some(std::mem::replace(&mut health, next));
    }
}
