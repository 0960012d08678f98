//! How everything stands, as plain data: for people, and for whoever draws it for them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use balance::{Access, Eligibility, Mode, Role};
use edge::live::Outcomes;
use edge::{DescriptorBudget, Open, Opens};
use model::{Balance, Generation, InstanceName, ListenerName, Revision, ServiceName};

use telemetry::scrape::InstanceState;

use crate::window::Recent;

/// How everything stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// The configuration that is served, as an absolute path.
    pub file: PathBuf,
    /// Configurations that were taken up, the first being 1.
    pub revision: Revision,
    /// Snapshots that were published.
    pub generation: Generation,
    /// Since the start.
    pub uptime: Duration,
    /// Open connections of clients, over all listeners.
    pub connections: usize,
    /// How the program's descriptors are shared out and used.
    pub descriptors: DescriptorBudget,
    /// The last attempt to reload, if there was one.
    pub last_reload: Option<LastReload>,
    /// By name.
    pub listeners: Vec<ListenerStatus>,
    /// By name.
    pub services: Vec<ServiceStatus>,
}

/// An attempt to reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReload {
    /// When.
    pub at: SystemTime,
    /// The revision that came of it, or why nothing changed.
    pub outcome: Result<Revision, String>,
}

/// How a listener stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerStatus {
    /// Its name.
    pub name: ListenerName,
    /// Where it really listens.
    pub addresses: Vec<SocketAddr>,
    /// Whether clients speak TLS here.
    pub tls: bool,
    /// Why its certificates cannot be read anew, if they cannot: those that were read before are served.
    pub certificate_fault: Option<String>,
    /// Open connections.
    pub connections: usize,
    /// Connections accepted since the start.
    pub accepted: u64,
}

/// How a service stands.
#[derive(Clone, Debug)]
pub struct ServiceStatus {
    /// Its name.
    pub name: ServiceName,
    /// How an instance is chosen.
    pub balance: Balance,
    /// Who of the instances gets traffic.
    pub mode: Mode,
    /// Requests that wait for an instance.
    pub queued: usize,
    /// Second and further attempts since the start.
    pub retries: u64,
    /// What Plimsoll runs of it, if it does.
    pub run: Option<crate::runs::RunStatus>,
    /// Names of targets whose last lookup failed, each with the reason.
    pub unresolved: Vec<(String, String)>,
    /// Instances that are drained and have no address at the moment, each with since when. Should
    /// they come back, they get nothing.
    pub drained_away: Vec<(InstanceName, SystemTime)>,
    /// In the order of the targets.
    pub instances: Vec<InstanceStatus>,
}

/// How an instance stands.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceStatus {
    /// Its name.
    pub name: InstanceName,
    /// Where it is.
    pub address: SocketAddr,
    /// Its release, if Plimsoll runs it.
    pub release: Option<String>,
    /// How it stands, by which it gets traffic or not.
    pub eligibility: Eligibility,
    /// The same for people, which says also whether there is anything that speaks for it.
    pub state: InstanceState,
    /// What follows from that, seen together with the others.
    pub access: Access,
    /// Why it stands so, in words.
    pub reason: String,
    /// For how long it has stood so.
    pub stands_for: Duration,
    /// Since when it has been drained by an operator, if it is.
    pub drained_since: Option<SystemTime>,
    /// Its share relative to the others' weights.
    pub weight: u32,
    /// Whether it serves first or only in need.
    pub role: Role,
    /// Requests in flight on it.
    pub in_flight: u32,
    /// What of it is open, and for how long; `None` when nothing is, or nobody asked.
    pub open: Option<Open>,
    /// What came of its requests since it is known.
    pub totals: Outcomes,
    /// How often it was ejected since it is known.
    pub ejections: u64,
    /// What it did lately.
    pub recent: Recent,
}

impl Status {
    /// Takes up what is open.
    pub(crate) fn tell_open(&mut self, opens: &Opens) {
        for service in &mut self.services {
            let name = &service.name;
            service.instances.iter_mut().for_each(|instance| instance.tell_open(name, opens));
        }
    }
}

impl InstanceStatus {
    /// Takes up what is open on an instance of `service`.
    pub(crate) fn tell_open(&mut self, service: &ServiceName, opens: &Opens) {
        self.open = opens.of(service, &self.name, self.address).filter(|_| self.in_flight > 0);
    }
}
