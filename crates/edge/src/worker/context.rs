//! What a client's connection has of its worker, its listener and its client, from accept to close: counted where it comes
//! and goes, whatever is spoken on it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::Generation;
use wire::buffer::Pool;

use crate::peer::{ClientKey, is_within};
use crate::snapshot::ListenerPlan;
use crate::worker::Worker;
use crate::worker::guest::{Guest, Guests};

/// What is in force of a listener, or was when it was taken out.
#[derive(Clone)]
pub(crate) struct InForce {
    pub(crate) plan: Arc<ListenerPlan>,
    /// As of this.
    generation: Generation,
    /// The listener was taken out of the configuration.
    is_closed: bool,
}

impl InForce {
    /// What `plan` is of, as `worker` has it.
    pub(crate) fn of(worker: &Worker, plan: Arc<ListenerPlan>) -> Self {
        let current = worker.current();
        let is_closed = !current.plan.listeners.contains_key(&plan.listener.name);
        Self { plan, generation: current.plan.generation, is_closed }
    }

    /// Takes up what was published since.
    #[inline]
    pub(crate) fn refresh(&mut self, worker: &Worker) {
        if worker.generation() != self.generation {
            self.take_up(worker);
        }
    }

    #[cold]
    fn take_up(&mut self, worker: &Worker) {
        let current = worker.current();
        self.generation = current.plan.generation;
        match current.plan.listeners.get(&self.plan.listener.name) {
            Some(plan) => (self.plan, self.is_closed) = (plan.clone(), false),
            None => self.is_closed = true,
        }
    }
}

/// Where a connection came in, kept up to date from one request to the next.
pub(crate) struct ConnectionContext {
    pub(crate) worker: Rc<Worker>,
    /// Its listener. Where that was taken out, the connection ends after its response.
    in_force: InForce,
    /// Whose connection it is, once that is known.
    pub(crate) guest: Option<Rc<Guest>>,
}

impl ConnectionContext {
    /// A connection was accepted.
    pub(crate) fn new(worker: Rc<Worker>, in_force: InForce) -> Self {
        worker.opened_one();
        in_force.plan.live.open.fetch_add(1, Ordering::Relaxed);
        in_force.plan.live.accepted.fetch_add(1, Ordering::Relaxed);
        Self { worker, in_force, guest: None }
    }

    /// What is in force of its listener.
    #[inline]
    pub(crate) fn plan(&self) -> &Arc<ListenerPlan> {
        &self.in_force.plan
    }

    /// The connection came from `socket`, and is that of the client that was `named` there, if one was.
    /// False where that has as many as it may.
    pub(crate) fn admit(&mut self, socket: SocketAddr, named: Option<SocketAddr>) -> bool {
        let Self { worker, in_force: InForce { plan, .. }, .. } = self;
        let trusted = &plan.listener.trusted_proxies;
        if named.is_none() && is_within(socket.ip().to_canonical(), trusted) {
            self.guest = Some(Guests::many(&worker.pool));
            return true;
        }
        let address = named.unwrap_or(socket).ip();
        let client = ClientKey::of(address);
        let may_enter = plan.live.crowd.enter(client, plan.listener.limits.connections_per_client);
        if may_enter {
            self.guest = Some(worker.guests.of(client, &worker.pool));
        } else {
            plan.live.refused.fetch_add(1, Ordering::Relaxed);
            if let Some(before) = worker.seldom.too_many_connections.happens(worker.wheel.now()) {
                let name = &plan.listener.name;
                tracing::warn!(
                    listener = %name, client = %address, before,
                    "client reached its connection limit; closing its new connection"
                );
            }
        }
        may_enter
    }

    /// The client's buffers.
    pub(crate) fn pool(&self) -> &Pool {
        self.guest.as_ref().map_or(&self.worker.pool, |guest| &guest.pool)
    }

    /// Takes up what was published since the last request.
    pub(crate) fn refresh(&mut self) {
        self.in_force.refresh(&self.worker);
    }

    /// Whether its listener was taken out of the configuration.
    pub(crate) fn is_closed(&self) -> bool {
        self.in_force.is_closed
    }

    /// Whether no further request is to be read over HTTP/1.
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closed() || self.worker.is_draining()
    }
}

impl Drop for ConnectionContext {
    fn drop(&mut self) {
        if let Some(client) = self.guest.as_ref().and_then(|guest| guest.client) {
            self.plan().live.crowd.leave(client);
        }
        self.plan().live.open.fetch_sub(1, Ordering::Relaxed);
        self.worker.closed_one();
    }
}
