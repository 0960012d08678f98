//! Watches one container from its start or adoption until nothing of it is left.
//!
//! It asks the engine to tell when the container ends, and asks again where the engine went away meanwhile: that it does not
//! answer ends no container. A container that has ended is removed last of all, when its output has been taken.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use driver::log::Keeper;
use driver::port::Lease;
use driver::progress::Progress;
use driver::{Exit, ExitCause, Killed, Record, Stopped, Upkeep};
use model::{Stop, StopSignal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::daemon::Daemon;
use crate::output::{Mark, Output, Way};

/// From one attempt to the next while the engine does not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// One whose host does not answer is waited for so long beyond its time.
const UNREACHED: Duration = Duration::from_secs(5);
/// One that was killed and did not end is killed again.
const KILL_AGAIN: Duration = Duration::from_secs(10);

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) daemon: Daemon,
    pub(crate) record: Arc<Record>,
    pub(crate) id: String,
    /// Where its output comes from, and goes to.
    pub(crate) way: Way,
    /// Its port, where it is published on one.
    pub(crate) lease: Option<Lease>,
}

pub(crate) struct Supervisor {
    daemon: Daemon,
    id: String,
    mark: Mark,
    lease: Option<Lease>,
    orders: mpsc::UnboundedReceiver<Stop>,
    told: watch::Sender<Progress>,
    keeper: Keeper,
    output: Output,
    /// How it is to end, and by when, once it was asked to.
    asked: Option<(Stop, Instant)>,
    kill_at: Option<Instant>,
    killed: Option<Killed>,
}

impl Supervisor {
    pub(crate) fn new(
        container: Container,
        upkeep: &Upkeep,
        orders: mpsc::UnboundedReceiver<Stop>,
        told: watch::Sender<Progress>,
    ) -> Self {
        let Container { daemon, record, id, way, lease } = container;
        let keeper = Keeper::new(record.instance.clone(), way.log.clone(), upkeep.rotation);
        let (mark, output) = (way.mark.clone(), Output::follow(way));
        let (asked, kill_at, killed) = (None, None, None);
        Self { daemon, id, mark, lease, orders, told, keeper, output, asked, kill_at, killed }
    }

    pub(crate) async fn run(mut self) {
        let Some(ending) = self.until_exit().await else {
            return self.leave().await;
        };
        self.output.finish().await;
        self.keeper.finish().await;
        let exit = Exit { ending, asked: self.asked.is_some(), port_taken: false };
        self.told.send_modify(|progress| progress.exit = Some(exit));
        remove(&self.daemon, &self.id).await;
        self.mark.remove();
        drop(self.lease);
        let gone = Stopped { exit, killed: self.killed, leftovers: 0, stuck: 0 };
        self.told.send_modify(|progress| progress.gone = Some(gone));
    }

    /// Its time is over, and its host does not answer: nobody waits for it any more. It is removed when the host is back.
    async fn leave(mut self) {
        let exit = Exit { ending: ExitCause::Unreached, asked: true, port_taken: false };
        let gone = Stopped { exit, killed: None, leftovers: 0, stuck: 0 };
        self.told.send_modify(|progress| progress.exit = Some(exit));
        self.told.send_modify(|progress| progress.gone = Some(gone));
        drop(self.output);
        self.keeper.finish().await;
        remove(&self.daemon, &self.id).await;
        self.mark.remove();
        drop(self.lease);
    }

    /// Carries orders out until the container ends; `None` where that cannot be waited for.
    async fn until_exit(&mut self) -> Option<ExitCause> {
        let mut ended = Box::pin(ended(self.daemon.clone(), self.id.clone()));
        loop {
            let leave_at = self.asked.map(|(_, deadline)| deadline + UNREACHED);
            tokio::select! {
                ending = &mut ended => return Some(ending),
                // Until then it is asked again, so that it is known whether it answers.
                () = at(leave_at), if self.daemon.unreached().is_some() => return None,
                () = sleep(AGAIN), if leave_at.is_some() && self.daemon.remote().is_some() => {}
                Some(stop) = self.orders.recv() => self.ask(stop),
                () = at(self.kill_at) => self.kill(),
                () = self.keeper.keep() => {}
            }
        }
    }

    fn ask(&mut self, stop: Stop) {
        let deadline = Instant::now() + stop.timeout;
        let deadline = self.asked.map_or(deadline, |(_, earlier)| earlier.min(deadline));
        self.asked = Some((stop, deadline));
        if self.killed.is_none() {
            self.kill_at = Some(deadline);
        }
        self.send(stop.signal);
    }

    fn kill(&mut self) {
        self.killed = Some(Killed::Overdue);
        self.kill_at = Some(Instant::now() + KILL_AGAIN);
        self.send(StopSignal::Kill);
    }

    /// Sends a signal beside all else, as soon as the engine takes it.
    fn send(&self, signal: StopSignal) {
        let (daemon, id, told) = (self.daemon.clone(), self.id.clone(), self.told.subscribe());
        tokio::spawn(async move {
            while let Err(error) = daemon.signal(&id, signal).await {
                tracing::debug!(id, %error, "a signal could not be sent");
                if told.borrow().exit.is_some() || told.has_changed().is_err() {
                    return;
                }
                sleep(AGAIN).await;
            }
        });
    }
}

/// Removes a container, however long its engine takes to do so.
pub(crate) async fn remove(daemon: &Daemon, id: &str) {
    while let Err(error) = daemon.remove(id).await {
        tracing::debug!(id, %error, "a container could not be removed");
        sleep(AGAIN).await;
    }
}

/// Waits until the container has ended, and tells how.
async fn ended(daemon: Daemon, id: String) -> ExitCause {
    loop {
        if let Err(error) = daemon.until_ended(&id).await {
            tracing::debug!(id, %error, "a container cannot be waited for now");
        }
        match daemon.container(&id).await {
            Ok(None) => return ExitCause::Removed,
            Ok(Some(container)) => {
                if let Some(ending) = ending(&container) {
                    return ending;
                }
            }
            Err(error) => tracing::debug!(id, %error, "a container cannot be looked up now"),
        }
        sleep(AGAIN).await;
    }
}

/// How a container has ended; `None` while it runs.
pub(crate) fn ending(container: &ContainerInspectResponse) -> Option<ExitCause> {
    let Some(state) = &container.state else { return Some(ExitCause::Unknown) };
    if state.running == Some(true) || state.restarting == Some(true) {
        return None;
    }
    if state.oom_killed == Some(true) {
        return Some(ExitCause::OutOfMemory);
    }
    let code = state.exit_code.and_then(|code| i32::try_from(code).ok());
    Some(code.map_or(ExitCause::Unknown, ExitCause::Code))
}

/// Waits for `deadline`; for ever if there is none.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ContainerState;

    use super::*;

    #[test]
    fn how_a_container_ended_is_read_from_its_state() {
        let of = |state: ContainerState| {
            ending(&ContainerInspectResponse { state: Some(state), ..Default::default() })
        };
        let ended =
            ContainerState { running: Some(false), exit_code: Some(3), ..Default::default() };
        assert_eq!(of(ended.clone()), Some(ExitCause::Code(3)));
        assert_eq!(of(ContainerState { running: Some(true), ..ended.clone() }), None);
        let killed = ContainerState { oom_killed: Some(true), exit_code: Some(137), ..ended };
        assert_eq!(of(killed), Some(ExitCause::OutOfMemory));
        assert_eq!(ending(&ContainerInspectResponse::default()), Some(ExitCause::Unknown));
    }
}
