//! What the edge is to serve, and how it is compiled into a snapshot.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use balance::{Member, Picker, Role};
use model::{
    Action, AuthName, Generation, Host, InstanceName, Intent, Listener, ListenerName, Revision,
    Route, RouteId, ServiceName,
};
use rustc_hash::FxHashMap;
use store::Store;
use wire::tls::ClientTrust;

use crate::instance::tls::ServiceTlsPlan;
use crate::live::by_route::RouteSlot;
use crate::live::inquiry::InquiryLive;
use crate::live::listener::ListenerLive;
use crate::live::route::RouteLive;
use crate::live::settlements::Settlements;
use crate::live::{Bar, Identity, Live, ServiceLive};
use crate::policy::PolicyPlan;
use crate::policy::auth::AuthTable;
use crate::policy::auth::keyring::Keyring;
use crate::policy::limit::LimitPlan;
use crate::routing::RouteTable;
use crate::snapshot::abuse::AbuseShelf;
use crate::snapshot::hosts::Hosts;
use crate::snapshot::limits::LimitShelf;
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
    pub tls: BTreeMap<ListenerName, ListenerTls>,
    /// How TLS is spoken with the instances of each service that says so.
    pub services_tls: BTreeMap<ServiceName, Arc<ServiceTlsPlan>>,
    /// What this edge shares with others, as far as it does: opened, and going on with what it knew. Settlements of limits and nonces
    /// are asked of it; it changes with the snapshot, so that no request sees one of one file and the other of another.
    pub store: Store,
    /// The keys of issuers that were fetched.
    pub keyring: Keyring,
}

impl ServingConfig {
    /// A service whose instances are to be spoken to over TLS, and nobody has said how.
    pub(crate) fn without_tls(&self) -> Option<&ServiceName> {
        let services = self.intent.services.values();
        let mut lacking =
            services.filter(|it| it.tls.is_some() && !self.services_tls.contains_key(&it.name));
        lacking.next().map(|it| &it.name)
    }
}

/// How TLS is spoken at a listener.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    /// The handshake.
    pub config: Arc<rustls::ServerConfig>,
    /// Whose certificates of clients it believes, where it asks for them.
    pub clients: Option<ClientTrust>,
    /// The hosts that its certificates name, in lower case; `*.` begins a wildcard.
    pub names: Arc<[Box<str>]>,
}

/// One instance of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name, unique within its service.
    pub name: InstanceName,
    /// Where it is.
    pub address: SocketAddr,
    /// What it is called there: the name of its target, or its address.
    pub host: Host,
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
pub(crate) struct LiveRegistry {
    inner: Mutex<Known>,
}

struct Known {
    instances: Shelf<(ServiceName, InstanceName, SocketAddr), Live>,
    services: Shelf<ServiceName, ServiceLive>,
    listeners: Shelf<ListenerName, ListenerLive>,
    routes: Shelf<RouteId, RouteLive>,
    auths: Arc<AuthTable>,
    inquiries: Shelf<AuthName, InquiryLive>,
    limits: LimitShelf,
    abuse: AbuseShelf,
}

impl LiveRegistry {
    /// Nothing yet; what edges share of limits goes by `settlements`.
    pub(crate) fn new(settlements: Arc<Settlements>) -> Self {
        let known = Known {
            instances: Shelf::default(),
            services: Shelf::default(),
            listeners: Shelf::default(),
            routes: Shelf::default(),
            auths: Arc::default(),
            inquiries: Shelf::default(),
            limits: LimitShelf::new(settlements),
            abuse: AbuseShelf::default(),
        };
        Self { inner: Mutex::new(known) }
    }

    /// Compiles `serving_config`, at `now` after the edge began. What it has in common with earlier ones keeps what was
    /// observed.
    ///
    /// # Errors
    /// When the routes' expressions are too large together.
    pub(crate) fn compile(
        &self,
        serving_config: &ServingConfig,
        generation: Generation,
        workers: usize,
        now: Duration,
    ) -> Result<Snapshot, regex::Error> {
        let routes = RouteTable::compile(&serving_config.intent.routes)?;
        let mut known = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let compilation = Compilation { known: &mut known, generation, workers, now };
        Ok(compilation.compile(serving_config, routes))
    }

    /// Forgets what `snapshot`, which is served now, does not know and nothing is in flight on.
    pub(crate) fn forget(&self, snapshot: &Snapshot) {
        let mut known = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { instances, services, listeners, routes, auths: _, inquiries, limits, abuse } =
            &mut *known;
        inquiries.forget(snapshot.generation, |_| false);
        instances.forget(snapshot.generation, |live| live.in_flight() > 0);
        services.forget(snapshot.generation, |_| false);
        listeners.forget(snapshot.generation, |live| live.open.load(Ordering::Relaxed) > 0);
        routes.forget(snapshot.generation, |_| false);
        limits.forget(snapshot.generation);
        abuse.forget(snapshot.generation);
    }
}

/// A snapshot that is being made.
struct Compilation<'a> {
    known: &'a mut Known,
    generation: Generation,
    workers: usize,
    /// Time since the edge began.
    now: Duration,
}

impl Compilation<'_> {
    fn compile(mut self, serving_config: &ServingConfig, routes: RouteTable) -> Snapshot {
        let intent = &*serving_config.intent;
        let Self { known: Known { auths, inquiries, .. }, generation, workers, .. } = &mut self;
        let live = |name: &AuthName| {
            let new = || InquiryLive::new(name.clone(), *workers);
            inquiries.take(name.clone(), *generation, new)
        };
        let auths =
            Arc::new(AuthTable::compile(&intent.auth, &serving_config.keyring, auths, live));
        self.known.auths = auths.clone();
        let services = intent.services.values().map(|service| {
            let instances = serving_config.instances.get(&service.name).map(Vec::as_slice);
            let split = serving_config.splits.get(&service.name);
            let tls = serving_config.services_tls.get(&service.name);
            self.service(service, instances.unwrap_or_default(), split, tls)
        });
        let services: Vec<ServicePlan> = services.collect();
        let listeners = intent
            .listeners
            .values()
            .map(|listener| (listener.name.clone(), self.listener(listener, serving_config)));
        let listeners = listeners.collect();
        let (policies, limits) = self.policies(&intent.routes, &auths, &serving_config.store);
        let Self { known, generation, workers, now } = &mut self;
        let abuse = known.abuse.compile(intent, *generation, *workers, *now);
        Snapshot {
            generation: self.generation,
            revision: serving_config.revision,
            routes,
            policies,
            limits,
            abuse,
            shares: shares(intent, &services, self.generation),
            auths,
            services,
            listeners,
            store: serving_config.store.clone(),
        }
    }

    fn listener(
        &mut self,
        listener: &Arc<Listener>,
        serving_config: &ServingConfig,
    ) -> Arc<ListenerPlan> {
        let ServingConfig { intent, tls, .. } = serving_config;
        let hosts = Hosts::of(listener, intent, tls);
        let (tls, clients) = match tls.get(&listener.name) {
            Some(tls) => (Some(tls.config.clone()), tls.clients.clone()),
            None => (None, None),
        };
        let Self { known, generation, .. } = self;
        let name = listener.name.clone();
        let live = known.listeners.take(name, *generation, ListenerLive::default);
        Arc::new(ListenerPlan { listener: listener.clone(), tls, clients, hosts, live })
    }

    /// The policies of each route, if it has any that look at requests or speak in responses; and every limit.
    fn policies(
        &mut self,
        routes: &[Arc<Route>],
        auths: &AuthTable,
        store: &Store,
    ) -> (Vec<Option<Box<RoutePolicies>>>, Vec<Arc<LimitPlan>>) {
        let Self { known: Known { routes: lives, limits, .. }, generation, workers, now } = self;
        let mut limits = limits.compile(*generation, *workers, *now, store);
        let of_route = |route: &Arc<Route>| {
            let plan = PolicyPlan::compile(&route.policies, auths, limits.of_route(route))?;
            let live = lives.take(route.id(), *generation, || RouteLive::new(*workers));
            Some(Box::new(RoutePolicies { plan, live }))
        };
        let policies = routes.iter().map(of_route).collect();
        (policies, limits.finish())
    }

    fn service(
        &mut self,
        service: &Arc<model::Service>,
        instances: &[Instance],
        split: Option<&Split>,
        tls: Option<&Arc<ServiceTlsPlan>>,
    ) -> ServicePlan {
        let Self { known, generation, workers, .. } = self;
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
                    host: instance.host.clone(),
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
            tls: tls.filter(|_| service.tls.is_some()).cloned(),
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
