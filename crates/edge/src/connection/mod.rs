//! A client's connection, from accept to close: what comes before HTTP (PROXY protocol, TLS), and
//! which version is spoken then.

mod h1;
mod h2;
mod linger;
mod opening;

pub(crate) use opening::{resume, serve};

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::snapshot::ListenerPlan;
use crate::worker::Worker;

/// How long a connection may take to its first request once it is to be closed: it was accepted, so
/// its client has reason to expect an answer.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Where a connection came in, kept up to date from one request to the next.
pub(crate) struct Door {
    pub(crate) worker: Rc<Worker>,
    pub(crate) plan: Arc<ListenerPlan>,
    generation: model::Generation,
    /// The listener was taken out of the configuration: the connection ends after its answer.
    is_closed: bool,
}

impl Door {
    /// A connection was accepted.
    pub(crate) fn new(worker: Rc<Worker>, plan: Arc<ListenerPlan>) -> Self {
        worker.opened_one();
        let current = worker.current();
        let generation = current.plan.generation;
        let is_closed = !current.plan.listeners.contains_key(&plan.listener.name);
        plan.live.open.fetch_add(1, Ordering::Relaxed);
        plan.live.accepted.fetch_add(1, Ordering::Relaxed);
        Self { worker, plan, generation, is_closed }
    }

    /// Takes up what was published since the last request.
    fn refresh(&mut self) {
        let current = self.worker.current();
        if current.plan.generation == self.generation {
            return;
        }
        self.generation = current.plan.generation;
        match current.plan.listeners.get(&self.plan.listener.name) {
            Some(plan) => self.plan = plan.clone(),
            None => self.is_closed = true,
        }
    }

    /// Whether no further request is to be read over HTTP/1.
    fn is_closing(&self) -> bool {
        self.is_closed || self.worker.is_draining()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.plan.live.open.fetch_sub(1, Ordering::Relaxed);
        self.worker.closed_one();
    }
}
