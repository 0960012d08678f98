//! What the edge is to serve, and how it is compiled into a snapshot.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use balance::{Member, Picker, Role};
use model::{Action, Generation, InstanceName, Intent, ListenerName, Revision, ServiceName};
use rustc_hash::FxHashMap;

use crate::choice::split::{Split, SplitPlan};
use crate::policy;
use crate::routing::RouteTable;
use crate::snapshot::live::{Bar, Live, ServiceLive};
use crate::snapshot::{ListenerLive, ListenerPlan, ServicePlan, Shares, Snapshot};

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
pub(crate) struct Registry {
    inner: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    instances: FxHashMap<(ServiceName, InstanceName, SocketAddr), Arc<Live>>,
    services: FxHashMap<ServiceName, Arc<ServiceLive>>,
    listeners: FxHashMap<ListenerName, Arc<ListenerLive>>,
}

impl Registry {
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
        let mut known = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let intent = &serving_config.intent;
        let routes = RouteTable::compile(&intent.routes)?;
        let services: Vec<_> = intent
            .services
            .values()
            .map(|service| {
                let instances = serving_config.instances.get(&service.name).map(Vec::as_slice);
                let split = serving_config.splits.get(&service.name);
                known.service(service, instances.unwrap_or_default(), split, workers)
            })
            .collect();
        let listeners = intent.listeners.values().map(|listener| {
            let live = known.listeners.entry(listener.name.clone()).or_default().clone();
            let tls = serving_config.tls.get(&listener.name).cloned();
            (
                listener.name.clone(),
                Arc::new(ListenerPlan { listener: listener.clone(), tls, live }),
            )
        });
        let listeners = listeners.collect();
        let shares = shares(intent);
        Ok(Snapshot {
            generation,
            revision: serving_config.revision,
            routes,
            policies: policies_of(intent),
            shares,
            services,
            listeners,
        })
    }

    /// Forgets what `snapshot` does not know and nothing is in flight on.
    pub(crate) fn forget(&self, snapshot: &Snapshot) {
        let mut known = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_served = |live: &Arc<Live>| {
            let mut services = snapshot.services.iter();
            services.any(|service| service.instances.iter().any(|other| Arc::ptr_eq(other, live)))
        };
        known.instances.retain(|_, live| live.in_flight() > 0 || is_served(live));
        known.services.retain(|name, _| {
            snapshot.services.iter().any(|service| service.service.name == *name)
        });
    }
}

impl Known {
    fn service(
        &mut self,
        service: &Arc<model::Service>,
        instances: &[Instance],
        split: Option<&Split>,
        workers: usize,
    ) -> ServicePlan {
        let live = self.services.entry(service.name.clone());
        let live = live
            .or_insert_with(|| Arc::new(ServiceLive::new(service.name.clone(), workers)))
            .clone();
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
                let live = Live::new(service.name.clone(), instance, workers);
                if instance.is_drained {
                    live.put(Bar::Drained);
                }
                Arc::new(live)
            };
            self.instances.entry(key).or_insert_with(new).clone()
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

fn shares(intent: &Intent) -> Vec<Shares> {
    let places: FxHashMap<&str, usize> =
        intent.services.keys().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let of_route = |action: &Action| match action {
        Action::Forward(destination) => {
            let of = destination
                .shares
                .iter()
                .filter_map(|share| Some((*places.get(share.service.as_str())?, share.weight)));
            Shares {
                of: of.collect(),
                sum: destination.shares.iter().map(|share| share.weight).sum(),
            }
        }
        Action::Redirect(_) | Action::Respond(_) => Shares::default(),
    };
    intent.routes.iter().map(|route| of_route(&route.action)).collect()
}

/// For each route its policies that look at requests.
fn policies_of(intent: &Intent) -> Vec<Option<Box<policy::Plan>>> {
    intent.routes.iter().map(|route| policy::Plan::compile(&route.policies)).collect()
}
