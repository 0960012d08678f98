//! What a client's connection has of its worker, its listener and its client, from accept to close: counted where it comes
//! and goes, whatever is spoken on it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use wire::buffer::Pool;

use crate::live::listener::ClientKey;
use crate::peer::is_within;
use crate::snapshot::ListenerPlan;
use crate::worker::Worker;
use crate::worker::guest::{Guest, Guests};

/// Where a connection came in, kept up to date from one request to the next.
pub(crate) struct ConnectionContext {
    pub(crate) worker: Rc<Worker>,
    pub(crate) plan: Arc<ListenerPlan>,
    /// Whose connection it is, once that is known.
    pub(crate) guest: Option<Rc<Guest>>,
    generation: model::Generation,
    /// The listener was taken out of the configuration: the connection ends after its response.
    pub(crate) is_closed: bool,
}

impl ConnectionContext {
    /// A connection was accepted.
    pub(crate) fn new(worker: Rc<Worker>, plan: Arc<ListenerPlan>) -> Self {
        worker.opened_one();
        let current = worker.current();
        let generation = current.plan.generation;
        let is_closed = !current.plan.listeners.contains_key(&plan.listener.name);
        plan.live.open.fetch_add(1, Ordering::Relaxed);
        plan.live.accepted.fetch_add(1, Ordering::Relaxed);
        Self { worker, plan, guest: None, generation, is_closed }
    }

    /// The connection came from `socket`, and is that of the client that was `named` there, if one was.
    /// False where that has as many as it may.
    pub(crate) fn admit(&mut self, socket: SocketAddr, named: Option<SocketAddr>) -> bool {
        let Self { worker, plan, .. } = self;
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
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closed || self.worker.is_draining()
    }
}

impl Drop for ConnectionContext {
    fn drop(&mut self) {
        if let Some(client) = self.guest.as_ref().and_then(|guest| guest.client) {
            self.plan.live.crowd.leave(client);
        }
        self.plan.live.open.fetch_sub(1, Ordering::Relaxed);
        self.worker.closed_one();
    }
}
