//! What is served: routing tables and instances compiled from an intent, immutable, swapped as one.
//!
//! A [`Snapshot`] is shared by all workers. Each of them makes a [`WorkerSnapshot`] of it: its own rotation,
//! budgets and connections, without a shared count on a request's way.

pub(crate) mod abuse;
pub(crate) mod hosts;
pub(crate) mod limits;
pub(crate) mod serving_config;
mod shelf;
pub(crate) mod split;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use balance::budget::RetryBudget;
use balance::{Picker, SlowStart};
use model::{Generation, Listener, ListenerName, Revision, Service, ServiceName};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use store::Store;
use wire::tls::ClientTrust;

use crate::instance::tls::ServiceTlsPlan;
use crate::instance::{Way, WorkerInstance};
use crate::live::by_route::RouteSlot;
use crate::live::listener::ListenerLive;
use crate::live::route::RouteLive;
use crate::live::{Live, ServiceLive};
use crate::policy;
use crate::policy::auth::client::Outside;
use crate::policy::auth::{AuthPlan, AuthTable, WorkerAuth};
use crate::policy::limit::LimitPlan;
use crate::routing::RouteTable;
use crate::snapshot::abuse::AbuseTable;
use crate::snapshot::hosts::{Hosts, Whereabouts};
use crate::snapshot::split::SplitPlan;

/// What is served.
pub(crate) struct Snapshot {
    pub(crate) generation: Generation,
    pub(crate) revision: Revision,
    pub(crate) routes: RouteTable,
    /// For each route the services that share its requests, as places in `services`.
    pub(crate) shares: Vec<Shares>,
    /// For each route its policies that look at requests or speak in responses.
    pub(crate) policies: Vec<Option<Box<RoutePolicies>>>,
    /// Ways of proving who one is, to which policies refer by their places.
    pub(crate) auths: Arc<AuthTable>,
    /// Every limit that a route goes by.
    pub(crate) limits: Vec<Arc<LimitPlan>>,
    /// Rules of whom refusals have banned.
    pub(crate) abuse: AbuseTable,
    pub(crate) services: Vec<ServicePlan>,
    pub(crate) listeners: FxHashMap<ListenerName, Arc<ListenerPlan>>,
    /// What this edge shares with others.
    pub(crate) store: Store,
}

/// The policies of one route.
pub(crate) struct RoutePolicies {
    pub(crate) plan: policy::PolicyPlan,
    pub(crate) live: Arc<RouteLive>,
}

/// The services that share a route's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares {
    pub(crate) of: SmallVec<[ShareOf; 1]>,
    pub(crate) sum: u32,
}

/// One of the services that share a route's requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShareOf {
    /// Its place in the snapshot's services.
    pub(crate) place: usize,
    pub(crate) weight: u32,
    /// Where its attempts by this route count.
    pub(crate) slot: RouteSlot,
}

/// One service with its instances.
pub(crate) struct ServicePlan {
    pub(crate) service: Arc<Service>,
    pub(crate) live: Arc<ServiceLive>,
    pub(crate) instances: Vec<Arc<Live>>,
    /// How TLS is spoken with them.
    pub(crate) tls: Option<Arc<ServiceTlsPlan>>,
    pub(crate) split: Option<SplitPlan>,
    pub(crate) picker: Picker,
}

/// One listener with what it needs to accept.
pub(crate) struct ListenerPlan {
    pub(crate) listener: Arc<Listener>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// Whose certificates of clients are believed, where they are asked for.
    pub(crate) clients: Option<ClientTrust>,
    /// Hosts that are asked for at another listener, where there is one that asks otherwise for certificates of clients.
    pub(crate) hosts: Option<Box<Hosts>>,
    pub(crate) live: Arc<ListenerLive>,
}

impl ListenerPlan {
    /// Where a request with this authority, which came in here, belongs.
    #[inline]
    pub(crate) fn whereabouts(&self, authority: &[u8]) -> Whereabouts {
        self.hosts.as_ref().map_or(Whereabouts::Here, |hosts| hosts.whereabouts(authority))
    }
}

/// A snapshot that a worker's requests share without a count that other workers touch.
pub(crate) struct SnapshotRef(Arc<Snapshot>);

/// A snapshot as one worker uses it.
pub(crate) struct WorkerSnapshot {
    pub(crate) plan: Rc<SnapshotRef>,
    pub(crate) services: Vec<Rc<WorkerService>>,
    pub(crate) auths: Vec<Rc<WorkerAuth>>,
}

/// A service as one worker uses it.
pub(crate) struct WorkerService {
    pub(crate) service: Arc<Service>,
    pub(crate) live: Arc<ServiceLive>,
    pub(crate) members: Vec<Rc<WorkerInstance>>,
    /// How they are reached.
    pub(crate) way: Way,
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
        outside: Outside<'_>,
        members: &mut dyn FnMut(&Arc<Live>) -> Rc<WorkerInstance>,
    ) -> Self {
        let earlier: FxHashMap<&str, &Rc<WorkerService>> = before
            .into_iter()
            .flat_map(|local| &local.services)
            .map(|service| (service.service.name.as_str(), service))
            .collect();
        let services = plan.services.iter().map(|service| {
            let earlier = earlier.get(service.service.name.as_str()).copied();
            Rc::new(WorkerService::new(service, earlier, plan.generation, members))
        });
        let services = services.collect();
        // What was believed of an authentication that is the same is still.
        let believed = before.map(|local| local.auths.as_slice()).unwrap_or_default();
        let auth = |plan: &Arc<AuthPlan>| {
            let same = believed.iter().find(|it| Arc::ptr_eq(it.plan(), plan));
            same.cloned().unwrap_or_else(|| Rc::new(WorkerAuth::new(plan.clone(), Some(outside))))
        };
        let auths = plan.auths.plans.iter().map(auth).collect();
        Self { services, auths, plan: Rc::new(SnapshotRef(plan)) }
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
        generation: Generation,
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
        // Files that were replaced hold for new connections. What the configuration says anew holds for all.
        let since = match before {
            Some(before) if before.service.tls == plan.service.tls => before.way.since,
            _ => generation,
        };
        let members: Vec<_> = plan.instances.iter().map(members).collect();
        members.iter().for_each(|member| member.reach_by(since));
        Self {
            service: plan.service.clone(),
            live: plan.live.clone(),
            members,
            way: Way { since, tls: plan.tls.clone() },
            split: plan.split.clone(),
            picker: RefCell::new(picker),
            budget,
            slow_start: plan.service.slow_start.map(SlowStart::new),
        }
    }
}
