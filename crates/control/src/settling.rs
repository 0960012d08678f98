//! Limits over all edges: carries what this edge's workers took of buckets to the store, twenty times a second, and back what others took.
//! No request waits for it. While the store is down nothing is carried, and each edge's own buckets decide alone.

use std::sync::Arc;
use std::time::Duration;

use edge::{Agreed, Round, Settlements};
use policy::limit::Reach;
use store::{Shared, Store};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::task::Task;

/// How often what was taken is said. What passes over all edges beyond what one would let pass is by this, too: the guide has the
/// formula.
const SETTLE_EVERY: Duration = Duration::from_millis(50);
/// How often edges look whether they know keys by the same: a store that was emptied has it again after this.
const AGREE_EVERY: Duration = Duration::from_secs(1);

/// That edges know keys by another secret than what is served does.
#[derive(Debug)]
pub(crate) struct SecretChanged;

/// Carries settlements to the store that is served.
#[derive(Debug)]
pub(crate) struct Settling {
    settlements: Arc<Settlements>,
    changed: mpsc::Sender<SecretChanged>,
    shared: Option<Shared>,
    task: Option<Task>,
}

impl Settling {
    /// Carries nothing yet. That what is served is to be published anew is told where the other end is.
    pub(crate) fn new(settlements: Arc<Settlements>) -> (Self, mpsc::Receiver<SecretChanged>) {
        let (changed, told) = mpsc::channel(1);
        (Self { settlements, changed, shared: None, task: None }, told)
    }

    /// Carries them to `store` from now on.
    pub(crate) fn follow(&mut self, store: &Store) {
        self.shared = store.shared().cloned();
        self.task = self.shared.clone().map(|shared| {
            Task::spawn(settle(shared, self.settlements.clone(), self.changed.clone()))
        });
    }

    /// How many buckets were settled, each time counted, and how many takings were not told to other edges.
    pub(crate) fn counts(&self) -> Counts {
        Counts { settled: self.settlements.settled(), lost: self.settlements.lost() }
    }

    /// Says what was taken last, and ends. Takes no longer than a call may.
    pub(crate) async fn end(self) {
        let Self { settlements, shared, task, .. } = self;
        drop(task);
        if let Some(shared) = shared.filter(Shared::is_up)
            && let Some(round) = settlements.round(shared.timeout())
        {
            // Where it is not heard there is nobody left to say it again.
            let _ = shared.settle(&round.settlements).await;
        }
    }
}

/// What is counted of settlements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) settled: u64,
    pub(crate) lost: u64,
}

async fn settle(
    shared: Shared,
    settlements: Arc<Settlements>,
    changed: mpsc::Sender<SecretChanged>,
) {
    let mut rounds = interval(SETTLE_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut agreed: Option<Instant> = None;
    loop {
        rounds.tick().await;
        if !settlements.are_wanted() {
            continue;
        }
        if !shared.is_up() {
            settlements.gather(Reach::Down);
            // It may be another when it is back.
            agreed = None;
            continue;
        }
        if agreed.is_none_or(|at| at.elapsed() >= AGREE_EVERY) {
            let agreeing = meanwhile(&settlements, &mut rounds, edge::agree(&shared)).await;
            let Ok(agreement) = agreeing else { continue };
            agreed = Some(Instant::now());
            if agreement == Agreed::Anew {
                // Where there is no room, one is told already, which is enough.
                let _ = changed.try_send(SecretChanged);
            }
        }
        while let Some(round) = settlements.round(shared.timeout()) {
            let may_be_more = round.is_full();
            if !carry(&shared, &settlements, &mut rounds, round).await || !may_be_more {
                break;
            }
        }
    }
}

/// Carries one round, and says whether it was heard.
async fn carry(
    shared: &Shared,
    settlements: &Settlements,
    rounds: &mut Interval,
    round: Round,
) -> bool {
    let heard = meanwhile(settlements, rounds, shared.settle(&round.settlements)).await;
    match &heard {
        Ok(gone) => settlements.heard(&round, gone),
        Err(_) => settlements.unheard(&round),
    }
    heard.is_ok()
}

/// Waits for a call. What workers take meanwhile does not pile up where they leave it.
async fn meanwhile<T>(
    settlements: &Settlements,
    rounds: &mut Interval,
    call: impl Future<Output = T>,
) -> T {
    let mut call = std::pin::pin!(call);
    loop {
        tokio::select! {
            done = &mut call => return done,
            _ = rounds.tick() => settlements.gather(Reach::Reachable),
        }
    }
}
