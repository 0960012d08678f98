//! The thread of a data-plane worker: its runtime, the orders that it obeys, and the sockets that it accepts from.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use model::Drain;
use policy::Bans;
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc;

use crate::connection;
use crate::instance::open;
use crate::listener::accept;
use crate::live::Live;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// What a worker is told.
pub(crate) enum Order {
    /// Serve this from now on, and accept at these addresses.
    Publish(Arc<Snapshot>, Vec<accept::Socket>),
    /// Say that this was read, under its number in the ledger. A worker that has read it says by
    /// itself whenever a claim ends that somebody waits for.
    Pass(u64),
    /// Tell what is open on each instance.
    TellOpen(mpsc::UnboundedSender<open::OfWorker>),
    /// Refuse whom these name from now on, and nobody else.
    Bans(Arc<Bans>),
    /// Let what need not ever end leave this instance, which gets nothing new.
    Depart(Arc<Live>, Drain),
    /// Take nothing new, end what is idle, and let what need not ever end leave within this time.
    Drain(Duration),
    /// End at once.
    Stop,
}

/// Runs a worker on this thread until it is told to stop, or the sender of its orders is gone.
pub(crate) fn run(
    make: impl FnOnce() -> std::io::Result<Rc<Worker>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) -> std::io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build_local(LocalOptions::default())?;
    let worker = runtime.block_on(async move {
        let worker = make()?;
        let lot = tokio::task::spawn_local(worker.clone().attend_lot(connection::resume));
        let turnstile = tokio::task::spawn_local(worker.clone().attend_turnstile());
        let time = tokio::task::spawn_local(worker.clone().keep_time());
        let mut acceptors = accept::Acceptors::default();
        while let Some(order) = orders.recv().await {
            match order {
                Order::Publish(plan, sockets) => {
                    worker.publish(plan);
                    acceptors.open(&worker, sockets);
                }
                Order::Pass(number) => {
                    worker.shared.ledger.pass(worker.index, number);
                    worker.shared.tell_drained();
                }
                // The caller may have stopped waiting.
                Order::TellOpen(tell) => drop(tell.send(worker.open())),
                Order::Bans(bans) => worker.bans.set(bans),
                Order::Depart(live, drain) => worker.depart(&live, drain),
                Order::Drain(limit) => {
                    acceptors.close();
                    worker.drain(limit);
                }
                Order::Stop => break,
            }
        }
        time.abort();
        lot.abort();
        turnstile.abort();
        // They hold the worker, which holds them.
        worker.lot.clear();
        std::io::Result::Ok(worker)
    })?;
    // What is still open is cut off here, and recorded as that.
    drop(runtime);
    worker.flush_log();
    Ok(())
}
