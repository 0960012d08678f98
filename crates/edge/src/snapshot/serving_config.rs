//! What the edge is to serve, and how it is compiled into a snapshot.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use balance::{Member, Picker, Role};
use model::{
    Action, Generation, InstanceName, Intent, Listener, ListenerName, Revision, Route, RouteId,
    ServiceName,
};
use rustc_hash::FxHashMap;

use crate::live::by_route::RouteSlot;
use crate::live::listener::ListenerLive;
use crate::live::route::RouteLive;
use crate::live::{Bar, Identity, Live, ServiceLive};
use crate::policy;
use crate::routing::RouteTable;
use crate::snapshot::shelf::Shelf;
use crate::snapshot::split::{Split, SplitPlan};
use crate::snapshot::{ListenerPlan, RoutePolicies, ServicePlan, ShareOf, Shares, Snapshot};

/// What the edge is to serve: an intent, and what had to be found out beside it.
#[derive(Clone)]
pub struct ServingConfig {
    /// What is wanted.
    pub intent: Arc<Intent>,
    /// Its number.
    pub revision: Revision,
    /// The instances of each service, in the order in which they take turns.
    pub instances: BTreeMap<ServiceName, Vec<Instance>>,
    /// Services of which two releases share the requests.
    pub splits: BTreeMap<ServiceName, Split>,
    /// How TLS is spoken at each listener that has certificates.
    pub tls: BTreeMap<ListenerName, Arc<rustls::ServerConfig>>,
}

/// One instance of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name, unique within its service.
    pub name: InstanceName,
    /// Where it is.
    pub address: SocketAddr,
    /// The release that it runs, if that is known.
    pub release: Option<String>,
    /// Its share relative to the others' weights.
    pub weight: u32,
    /// Gets traffic only when no other can.
    pub backup: bool,
    /// A new one gets nothing from the first moment on: [`Bar::Drained`] is up. Afterwards whoever
    /// publishes it puts that up and lifts it.
    pub is_drained: bool,
}

/// Everything that is observed, by identity. Survives every publication.
#[derive(Default)]
pub(crate) struct LiveRegistry {
    inner: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    instances: Shelf<(ServiceName, InstanceName, SocketAddr), Live>,
    services: Shelf<ServiceName, ServiceLive>,
    listeners: Shelf<ListenerName, ListenerLive>,
    routes: Shelf<RouteId, RouteLive>,
}

impl LiveRegistry {
    /// Compiles `serving_config`. What it has in common with earlier ones keeps what was observed.
    ///
    /// # Errors
    /// When the routes' expressions are too large together.
    pub(crate) fn compile(
        &self,
        serving_config: &ServingConfig,
        generation: Generation,
        workers: usize,
    ) -> Result<Snapshot, regex::Error> {
        let routes = RouteTable::compile(&serving_config.intent.routes)?;
        let mut known = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Compilation { known: &mut known, generation, workers }.compile(serving_config, routes))
    }

    /// Forgets what `snapshot`, which is served now, does not know and nothing is in flight on.
    pub(crate) fn forget(&self, snapshot: &Snapshot) {
        let mut known = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { instances, services, listeners, routes } = &mut *known;
        instances.forget(snapshot.generation, |live| live.in_flight() > 0);
        services.forget(snapshot.generation, |_| false);
        listeners.forget(snapshot.generation, |live| live.open.load(Ordering::Relaxed) > 0);
        routes.forget(snapshot.generation, |_| false);
    }
}

/// A snapshot that is being made.
struct Compilation<'a> {
    known: &'a mut Known,
    generation: Generation,
    workers: usize,
}

impl Compilation<'_> {
    fn compile(mut self, serving_config: &ServingConfig, routes: RouteTable) -> Snapshot {
        let intent = &*serving_config.intent;
        let services = intent.services.values().map(|service| {
            let instances = serving_config.instances.get(&service.name).map(Vec::as_slice);
            let split = serving_config.splits.get(&service.name);
            self.service(service, instances.unwrap_or_default(), split)
        });
        let services: Vec<ServicePlan> = services.collect();
        let listeners = intent.listeners.values().map(|listener| {
            let tls = serving_config.tls.get(&listener.name).cloned();
            (listener.name.clone(), self.listener(listener, tls))
        });
        let listeners = listeners.collect();
        Snapshot {
            generation: self.generation,
            revision: serving_config.revision,
            routes,
            policies: intent.routes.iter().map(|route| self.policies(route)).collect(),
            shares: shares(intent, &services, self.generation),
            services,
            listeners,
        }
    }

    fn listener(
        &mut self,
        listener: &Arc<Listener>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Arc<ListenerPlan> {
        let Self { known, generation, .. } = self;
        let name = listener.name.clone();
        let live = known.listeners.take(name, *generation, ListenerLive::default);
        Arc::new(ListenerPlan { listener: listener.clone(), tls, live })
    }

    /// The policies of `route`, if it has any that look at requests or speak in responses.
    fn policies(&mut self, route: &Route) -> Option<Box<RoutePolicies>> {
        let Self { known, generation, workers } = self;
        let plan = policy::PolicyPlan::compile(&route.policies)?;
        let live = known.routes.take(route.id(), *generation, || RouteLive::new(*workers));
        Some(Box::new(RoutePolicies { plan, live }))
    }

    fn service(
        &mut self,
        service: &Arc<model::Service>,
        instances: &[Instance],
        split: Option<&Split>,
    ) -> ServicePlan {
        let Self { known, generation, workers } = self;
        let name = &service.name;
        let new = || ServiceLive::new(name.clone(), *workers);
        let live = known.services.take(name.clone(), *generation, new);
        let members: Vec<_> = instances
            .iter()
            .map(|instance| {
                let role = if instance.backup { Role::Backup } else { Role::Primary };
                Member::named(&instance.name, instance.weight, role)
            })
            .collect();
        let lives = instances.iter().map(|instance| {
            let key = (service.name.clone(), instance.name.clone(), instance.address);
            let new = || {
                let identity = Identity {
                    service: service.name.clone(),
                    name: instance.name.clone(),
                    address: instance.address,
                    release: instance.release.clone(),
                };
                let live = Live::new(identity, *workers);
                if instance.is_drained {
                    live.put(Bar::Drained);
                }
                live
            };
            known.instances.take(key, *generation, new)
        });
        ServicePlan {
            service: service.clone(),
            live,
            instances: lives.collect(),
            split: split.map(|it| {
                let names = instances.iter().map(|instance| &instance.name);
                SplitPlan::new(it, &service.name, names)
            }),
            picker: Picker::new(&service.balance, &members),
        }
    }
}

/// For each route the services that share its requests, each with where their attempts by that route count.
fn shares(intent: &Intent, services: &[ServicePlan], generation: Generation) -> Vec<Shares> {
    let places: FxHashMap<&str, usize> =
        intent.services.keys().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let mut by_service: Vec<Vec<(RouteId, String)>> = vec![Vec::new(); services.len()];
    let mut of_route = |route: &Arc<Route>| {
        let Action::Forward(destination) = &route.action else { return Shares::default() };
        let of = destination.shares.iter().filter_map(|share| {
            let place = *places.get(share.service.as_str())?;
            by_service[place].push((route.id(), route.in_full()));
            Some(ShareOf { place, weight: share.weight, slot: RouteSlot::REST })
        });
        Shares { of: of.collect(), sum: destination.shares.iter().map(|share| share.weight).sum() }
    };
    let mut shares: Vec<Shares> = intent.routes.iter().map(&mut of_route).collect();
    let assigned = services.iter().zip(&by_service);
    let mut slots: Vec<_> = assigned
        .map(|(service, routes)| service.live.slots.assign(generation, routes).into_iter())
        .collect();
    for share in shares.iter_mut().flat_map(|shares| &mut shares.of) {
        share.slot = slots[share.place].next().unwrap_or(RouteSlot::REST);
    }
    shares
}
