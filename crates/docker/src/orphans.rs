//! Containers of this state directory that no journal knows: made by a Plimsoll that died before it had written that down, or
//! could not be removed by it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::daemon::Daemon;
use crate::error::EngineError;
use crate::labels;
use crate::state_id::StateId;

/// From one attempt to the next while the engine does not answer.
const AGAIN: Duration = Duration::from_secs(5);

/// The marks of all starts that are meant to be there, or were since we began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<Mutex<BTreeSet<String>>>);

impl Runs {
    /// This one is.
    pub(crate) fn add(&self, run: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run.to_owned());
    }

    /// This one is not.
    pub(crate) fn remove(&self, run: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    fn has(&self, run: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(run)
    }
}

/// Removes all containers of the state directory that are not of `runs`, as soon as the engine lets us. Where it never started
/// one, no engine is asked.
pub(crate) async fn reclaim(daemon: Daemon, state: StateId, runs: Runs) {
    let mut told = false;
    loop {
        match sweep(&daemon, &state, &runs).await {
            Ok(()) => return,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "cannot look for containers that an earlier Plimsoll left, retrying");
                }
            }
        }
        sleep(AGAIN).await;
    }
}

async fn sweep(daemon: &Daemon, state: &StateId, runs: &Runs) -> Result<(), EngineError> {
    let Some(name) = state.read()? else { return Ok(()) };
    for container in daemon.labelled(&labels::of_state(&name)).await? {
        let labels = container.labels.unwrap_or_default();
        let is_known = labels::run(&labels).is_some_and(|run| runs.has(run));
        if let Some(id) = container.id.filter(|_| !is_known) {
            let name = container.names.unwrap_or_default().join(" ");
            tracing::info!(id, name, "removes a container that an earlier Plimsoll left");
            daemon.remove(&id).await?;
        }
    }
    Ok(())
}
