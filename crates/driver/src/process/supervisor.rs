//! Watches one process from its start or adoption until nothing of it is left.
//!
//! It alone reaps the process. Until it does, the process's number, and that of its group and
//! session, belong to nobody else; everything that goes by number is done before.

use std::future;
use std::process::Child;
use std::sync::Arc;

use rustix::process::Signal;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::family::Family;
use super::leftovers;
use super::pidfd::Pidfd;
use crate::exit::{Exit, Killed, Stopped};
use crate::launch::Upkeep;
use crate::log::Keeper;
use crate::port::{self, Lease};
use crate::progress::Progress;
use crate::record::{ProcessRecord, Record};
use model::{Stop, StopTo};

/// A process that runs.
#[derive(Debug)]
pub(super) struct Process {
    /// Ours to reap, if we started it.
    pub(super) child: Option<Child>,
    /// What its end and signals to it go by.
    pub(super) pidfd: Pidfd,
    /// Its port.
    pub(super) lease: Lease,
    /// By what it is found again.
    pub(super) own: ProcessRecord,
}

impl Process {
    /// All that belongs to it, as `record` marks it.
    pub(super) fn family(&self, record: &Record) -> Family {
        Family::of(&record.run, &self.own)
    }
}

pub(super) struct Supervisor {
    record: Arc<Record>,
    upkeep: Upkeep,
    family: Family,
    child: Option<Child>,
    pidfd: Pidfd,
    lease: Lease,
    orders: mpsc::UnboundedReceiver<Stop>,
    told: watch::Sender<Progress>,
    keeper: Keeper,
    /// How it is to end, and when it is killed, once it was asked to.
    asked: Option<(Stop, Instant)>,
    killed: Option<Killed>,
}

impl Supervisor {
    pub(super) fn new(
        record: Arc<Record>,
        process: Process,
        upkeep: Upkeep,
        orders: mpsc::UnboundedReceiver<Stop>,
        told: watch::Sender<Progress>,
    ) -> Self {
        let family = process.family(&record);
        let Process { child, pidfd, lease, own } = process;
        let keeper = Keeper::new(record.instance.clone(), own.log, upkeep.rotation);
        let (asked, killed) = (None, None);
        Self { record, upkeep, family, child, pidfd, lease, orders, told, keeper, asked, killed }
    }

    pub(super) async fn run(mut self) {
        self.until_exit().await;
        let exit = self.exit().await;
        tracing::debug!(instance = %self.record.instance, ending = %exit.ending, "instance exited");
        self.told.send_modify(|progress| progress.exit = Some(exit));
        let (stop, deadline) = match self.asked {
            Some((stop, deadline)) => (stop, Some(deadline)),
            None => (self.upkeep.stop, None),
        };
        let ended = leftovers::end(&self.family, stop, deadline, &mut self.orders).await;
        if let Some(mut child) = self.child.take() {
            // It has ended, so this does not wait.
            let _ = child.wait();
        }
        self.keeper.finish().await;
        drop(self.lease);
        let gone = Stopped {
            exit,
            killed: self.killed.or(ended.killed),
            leftovers: ended.leftovers,
            stuck: ended.stuck,
        };
        self.told.send_modify(|progress| progress.gone = Some(gone));
    }

    /// Carries orders out until the first process ends.
    async fn until_exit(&mut self) {
        loop {
            let kill_at =
                self.asked.map(|(_, deadline)| deadline).filter(|_| self.killed.is_none());
            tokio::select! {
                () = self.pidfd.ended() => return,
                Some(stop) = self.orders.recv() => self.ask(stop),
                () = at(kill_at) => self.kill().await,
                () = self.keeper.keep() => {}
            }
        }
    }

    fn ask(&mut self, stop: Stop) {
        let deadline = Instant::now() + stop.timeout;
        let deadline = self.asked.map_or(deadline, |(_, earlier)| earlier.min(deadline));
        self.asked = Some((stop, deadline));
        let signal = crate::signal::raw(stop.signal);
        match stop.to {
            StopTo::First => {
                self.pidfd.signal(signal);
                self.pidfd.signal(Signal::CONT);
            }
            StopTo::All if self.family.has_leader() => {
                self.family.signal_group(signal);
                // One that is stopped hears nothing else.
                self.family.signal_group(Signal::CONT);
            }
            StopTo::All => {}
        }
    }

    async fn kill(&mut self) {
        self.killed = Some(Killed::Overdue);
        if self.family.has_leader() {
            self.family.signal_group(Signal::KILL);
        }
        self.pidfd.signal(Signal::KILL);
        // Who is missed here is found when the first process has ended.
        let others = self.family.others().await.unwrap_or_default();
        others.iter().for_each(|member| member.pidfd.signal(Signal::KILL));
    }

    async fn exit(&self) -> Exit {
        let asked = self.asked.is_some();
        let is_alone = !asked && self.family.others().await.is_ok_and(|others| others.is_empty());
        let port_taken = is_alone && !port::is_free(self.lease.port());
        Exit { ending: self.pidfd.ending(), asked, port_taken }
    }
}

/// Waits for `deadline`; for ever if there is none.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => future::pending().await,
    }
}
