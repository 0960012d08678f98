//! How everything stands, as plain data: for people, and for whoever draws it for them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use balance::{Access, Eligibility, Mode, Role};
use edge::live::Outcomes;
use edge::{DescriptorBudget, Open, Opens};
use model::{AuthName, Balance, Generation, InstanceName, ListenerName, Revision, ServiceName};

use telemetry::scrape::InstanceState;

use crate::ordering::status::CertificateStatus;
use crate::sharing::StoreStatus;
use crate::watched::ReloadProgress;
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
    /// The store that edges share, where there is one.
    pub store: Option<StoreStatus>,
    /// The reload that is watched, if one is.
    pub watched: Option<ReloadProgress>,
    /// The configuration that was rolled back, which the file has still, unless it was changed since.
    pub rolled_back: Option<RolledBack>,
    /// By name.
    pub listeners: Vec<ListenerStatus>,
    /// Authentications whose keys are fetched, by name.
    pub issuers: Vec<IssuerStatus>,
    /// Authentications that ask a server about requests, by name.
    pub auth_servers: Vec<AuthServerStatus>,
    /// Why the certificate of the admin API cannot be read anew, if it cannot: the one that was read before is shown.
    pub admin_certificate_fault: Option<String>,
    /// Certificates that are ordered and have not come, or whose orders fail, by host.
    pub certificates: Vec<CertificateStatus>,
    /// By name.
    pub services: Vec<ServiceStatus>,
}

/// A configuration that was served, watched and rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// As which revision it was served.
    pub revision: Revision,
    /// Why it is not any more.
    pub why: String,
    /// Since when.
    pub at: SystemTime,
}

/// An attempt to reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReload {
    /// When.
    pub at: SystemTime,
    /// The revision that came of it, or why nothing changed.
    pub outcome: Result<Revision, String>,
}

/// How the keys stand that an authentication fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerStatus {
    /// The authentication.
    pub auth: AuthName,
    /// What is asked, without its query.
    pub url: String,
    /// How many keys are used; `None` while there never were any: routes that need them respond with 503.
    pub keys: Option<usize>,
    /// Why they could not be fetched the last time, if they could not: those that were fetched before are used.
    pub fault: Option<String>,
}

/// How the server stands that an authentication asks about requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthServerStatus {
    /// The authentication.
    pub auth: AuthName,
    /// What is asked, without its query.
    pub url: String,
    /// That it gives nothing that can be used, if it does not: requests that need it respond with 503.
    pub fault: Option<AuthServerFault>,
}

/// That a server gives nothing that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthServerFault {
    /// Since when.
    pub since: SystemTime,
    /// Why, as it was the last time that it was told.
    pub why: String,
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
    /// Why the certificates for TLS with its instances cannot be read anew, if they cannot. Those that were read before hold on.
    pub certificate_fault: Option<String>,
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
    /// That it fails more often than its siblings, if it does.
    pub outlier: Option<OutlierStatus>,
    /// What it did lately.
    pub recent: Recent,
}

/// That an instance fails more often than its siblings, by the same routes in the same seconds. Counts are of the time from `since` to when it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierStatus {
    /// Since when, as far as that can be said.
    pub since: SystemTime,
    /// Requests that it failed.
    pub failed: u64,
    /// Of so many.
    pub requests: u64,
    /// Requests that its siblings failed.
    pub siblings_failed: u64,
    /// Of so many.
    pub siblings_requests: u64,
}

impl OutlierStatus {
    /// In words: "24 of 60 requests failed, 1 of 180 on its siblings".
    pub(crate) fn text(&self) -> String {
        let Self { failed, requests, siblings_failed, siblings_requests, .. } = self;
        format!(
            "{failed} of {requests} requests failed, {siblings_failed} of {siblings_requests} on its siblings"
        )
    }
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
