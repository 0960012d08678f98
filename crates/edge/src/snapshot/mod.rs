//! What is served: routing tables and instances compiled from an intent, immutable, swapped as one.
//!
//! A [`Snapshot`] is shared by all workers. Each of them makes a [`WorkerSnapshot`] of it: its own rotation,
//! budgets and connections, without a shared count on a request's way.

pub mod live;
pub(crate) mod route;
pub(crate) mod serving_config;
mod shelf;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use balance::budget::RetryBudget;
use balance::{Picker, SlowStart};
use model::{Generation, Listener, ListenerName, Revision, Service, ServiceName};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::choice::split::SplitPlan;
use crate::listener::guest::Crowd;
use crate::routing::RouteTable;
use crate::snapshot::live::{Live, ServiceLive};
use crate::snapshot::route::RoutePolicies;
use crate::upstream::worker_instance::WorkerInstance;

/// What is served.
pub(crate) struct Snapshot {
    pub(crate) generation: Generation,
    pub(crate) revision: Revision,
    pub(crate) routes: RouteTable,
    /// For each route the services that share its requests, as places in `services`.
    pub(crate) shares: Vec<Shares>,
    /// For each route its policies that look at requests or speak in responses.
    pub(crate) policies: Vec<Option<Box<RoutePolicies>>>,
    pub(crate) services: Vec<ServicePlan>,
    pub(crate) listeners: FxHashMap<ListenerName, Arc<ListenerPlan>>,
}

/// The services that share a route's requests, each with its weight.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares {
    pub(crate) of: SmallVec<[(usize, u32); 1]>,
    pub(crate) sum: u32,
}

/// One service with its instances.
pub(crate) struct ServicePlan {
    pub(crate) service: Arc<Service>,
    pub(crate) live: Arc<ServiceLive>,
    pub(crate) instances: Vec<Arc<Live>>,
    pub(crate) split: Option<SplitPlan>,
    pub(crate) picker: Picker,
}

/// One listener with what it needs to accept.
pub(crate) struct ListenerPlan {
    pub(crate) listener: Arc<Listener>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) live: Arc<ListenerLive>,
}

/// What is observed of one listener.
#[derive(Debug, Default)]
pub struct ListenerLive {
    /// Open connections over all workers.
    pub open: AtomicUsize,
    /// Connections accepted since the start.
    pub accepted: std::sync::atomic::AtomicU64,
    /// How often accepting had to wait, for want of descriptors or for the limit of connections.
    pub waits: std::sync::atomic::AtomicU64,
    /// TLS handshakes that failed.
    pub handshakes_failed: std::sync::atomic::AtomicU64,
    /// Connections that were closed at once, since their client had as many as it may.
    pub refused: std::sync::atomic::AtomicU64,
    /// How many each client has.
    pub(crate) crowd: Crowd,
    /// Workers that have to let somebody in and have no idle connection that could make room.
    wishes: AtomicUsize,
}

impl ListenerLive {
    /// Another worker is to close the connection here that has been idle for longest. At most one
    /// wish of each is open, for each is looked at by all.
    pub(crate) fn wishes_room(&self) {
        self.wishes.store(1, Ordering::Relaxed);
    }

    /// Takes a wish that is open.
    pub(crate) fn takes_wish(&self) -> bool {
        self.wishes.load(Ordering::Relaxed) > 0 && self.wishes.swap(0, Ordering::Relaxed) > 0
    }
}

/// A snapshot that a worker's requests share without a count that other workers touch.
pub(crate) struct SnapshotRef(Arc<Snapshot>);

/// A snapshot as one worker uses it.
pub(crate) struct WorkerSnapshot {
    pub(crate) plan: Rc<SnapshotRef>,
    pub(crate) services: Vec<Rc<WorkerService>>,
}

/// A service as one worker uses it.
pub(crate) struct WorkerService {
    pub(crate) service: Arc<Service>,
    pub(crate) live: Arc<ServiceLive>,
    pub(crate) members: Vec<Rc<WorkerInstance>>,
    pub(crate) split: Option<SplitPlan>,
    pub(crate) picker: RefCell<Picker>,
    pub(crate) budget: Rc<RefCell<RetryBudget>>,
    pub(crate) slow_start: Option<SlowStart>,
}

impl std::ops::Deref for SnapshotRef {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

impl WorkerSnapshot {
    /// What a worker makes of `plan`, going on where it was `before`.
    pub(crate) fn new(
        plan: Arc<Snapshot>,
        before: Option<&Self>,
        members: &mut dyn FnMut(&Arc<Live>) -> Rc<WorkerInstance>,
    ) -> Self {
        let earlier: FxHashMap<&str, &Rc<WorkerService>> = before
            .into_iter()
            .flat_map(|local| &local.services)
            .map(|service| (service.service.name.as_str(), service))
            .collect();
        let services = plan.services.iter().map(|service| {
            let earlier = earlier.get(service.service.name.as_str()).copied();
            Rc::new(WorkerService::new(service, earlier, members))
        });
        Self { services: services.collect(), plan: Rc::new(SnapshotRef(plan)) }
    }

    /// The service of this name, as it is served now. Looks at one after the other.
    pub(crate) fn service(&self, name: &ServiceName) -> Option<&Rc<WorkerService>> {
        self.services.iter().find(|service| service.service.name == *name)
    }
}

impl WorkerService {
    fn new(
        plan: &ServicePlan,
        before: Option<&Rc<Self>>,
        members: &mut dyn FnMut(&Arc<Live>) -> Rc<WorkerInstance>,
    ) -> Self {
        let mut picker = plan.picker.clone();
        let share = plan.service.retry.budget;
        let budget = match before {
            Some(before) => {
                picker.adopt(&before.picker.borrow());
                before.budget.borrow_mut().set_share(share);
                before.budget.clone()
            }
            None => Rc::new(RefCell::new(RetryBudget::new(share))),
        };
        Self {
            service: plan.service.clone(),
            live: plan.live.clone(),
            members: plan.instances.iter().map(members).collect(),
            split: plan.split.clone(),
            picker: RefCell::new(picker),
            budget,
            slow_start: plan.service.slow_start.map(SlowStart::new),
        }
    }
}
