//! Everything that is wanted, as one value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::abuse::Abuse;
use crate::acme::Acme;
use crate::auth::{Authentication, Secret};
use crate::container::Registries;
use crate::id::{AbuseName, AuthName, JobName, LimitName, ListenerName, ServiceName};
use crate::job::Job;
use crate::limit::Limit;
use crate::listener::Listener;
use crate::route::Route;
use crate::server::{Admin, Log, Server};
use crate::service::Service;
use crate::store::Store;

/// Everything that is wanted: checked, immutable, comparable.
///
/// These hold for each: every service, authentication, limit and rule of abuse that a route names exists, no address is
/// listened on twice, no two routes have equal matchers, and each type's own promises hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
    /// `[store]`; without it each edge is alone.
    pub store: Option<Store>,
    /// How certificates are ordered, where a listener has any ordered.
    pub acme: Option<Acme>,
    /// Hosts whose certificates Plimsoll's own CA issues; each of them is ordered for a listener.
    pub internal: BTreeSet<String>,
    /// `[listeners]`
    pub listeners: BTreeMap<ListenerName, Arc<Listener>>,
    /// `[services]`
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    /// `[jobs]`; the service of each exists, and Plimsoll runs its processes.
    pub jobs: BTreeMap<JobName, Arc<Job>>,
    /// `[registries]`
    pub registries: Registries,
    /// `[auth]`
    pub auth: BTreeMap<AuthName, Arc<Authentication>>,
    /// `[limits]`
    pub limits: BTreeMap<LimitName, Arc<Limit>>,
    /// `[abuse]`
    pub abuse: BTreeMap<AbuseName, Arc<Abuse>>,
    /// `[[routes]]`, in the order of the file.
    pub routes: Vec<Arc<Route>>,
    /// What the file of secrets beside the configuration holds, by name. A service is given those that it names.
    pub secrets: Arc<BTreeMap<String, Secret>>,
}

impl Intent {
    /// Every host that has an ordered certificate, or is to get one: of listeners and of the admin API, some more than once.
    pub fn ordered_hosts(&self) -> impl Iterator<Item = &String> {
        let listeners = self.listeners.values().filter_map(|it| it.ordered.as_ref()).flatten();
        listeners.chain(self.admin.ordered())
    }
}
