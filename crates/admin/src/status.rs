//! What `GET /v1/status` says: everything that is served, and what is observed of it.

use crate::certificate::Certificate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ReloadWatch;

/// Everything that is served, and what is observed of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The version of Plimsoll.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The configuration that is served, as an absolute path.
    #[serde(default)]
    pub file: String,
    /// The number of the configuration that is served; the first is 1.
    pub revision: u64,
    /// The number of the snapshot that is served; the first is 1.
    pub generation: u64,
    /// How long it runs, in seconds.
    pub uptime_s: f64,
    /// Open connections of clients, over all listeners.
    pub connections: u64,
    /// How the program's file descriptors are shared out, and how many of them connections use.
    #[serde(default)]
    pub descriptors: Descriptors,
    /// The last reload, unless there was none.
    pub last_reload: Option<LastReload>,
    /// The store that edges share; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,
    /// The reload that is watched; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<ReloadWatch>,
    /// The configuration that was rolled back; absent where none was, and once another was applied. It is the file's still unless
    /// that was changed since, and what a restart reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<RolledBack>,
    /// Each listener, by name.
    pub listeners: Vec<Listener>,
    /// Authentications whose keys are fetched; absent where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<Issuer>,
    /// Authentications that ask a server about requests; absent where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auth_servers: Vec<AuthServer>,
    /// Why this API's certificate cannot be read anew; absent where it can. The one that was read before is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_certificate_fault: Option<String>,
    /// Certificates that are ordered and have not come, or whose orders fail. `GET /v1/certificates` has all of them.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// Each service, by name.
    pub services: Vec<Service>,
}

/// How the program's file descriptors are shared out, and how many of them connections use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Descriptors {
    /// Used by clients' connections.
    pub clients: u64,
    /// Used by connections to instances.
    pub instances: u64,
    /// What both may use together. New connections of clients wait, and requests get 503, where none is
    /// left for them.
    pub allowed: u64,
    /// What is left to pipes, through which large bodies go.
    pub pipes: u64,
    /// What is left to everything else: health checks, this API, the journal, instances' output.
    pub reserve: u64,
    /// What the system allows the program; the three above together.
    pub limit: u64,
}

/// How the store that edges share stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Store {
    /// Where it is.
    pub place: String,
    /// What happens to requests that need it while it is down: `local` or `refuse`.
    pub on_failure: String,
    /// Whether it can be used.
    pub up: bool,
    /// Since when it is down, as RFC 3339 has it; absent while it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_since: Option<String>,
    /// Why it is down; absent while it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How the last reload went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastReload {
    /// When, as RFC 3339 has it.
    pub at: String,
    /// The number of the configuration that was applied; absent when none was.
    pub revision: Option<u64>,
    /// Why nothing changed; absent when the configuration was applied.
    pub refused: Option<String>,
}

/// A configuration that was applied, watched and rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolledBack {
    /// Its number.
    pub revision: u64,
    /// Why it was rolled back.
    pub why: String,
    /// When, as RFC 3339 has it.
    pub at: String,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it really listens.
    pub addresses: Vec<String>,
    /// Whether clients speak TLS here.
    pub tls: bool,
    /// Why its certificates cannot be read anew; absent where they can. Those that were read before are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_fault: Option<String>,
    /// Open connections.
    pub connections: u64,
    /// Connections that were accepted since the start.
    pub accepted: u64,
}

/// An authentication whose keys are fetched from their issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Issuer {
    /// The authentication.
    pub auth: String,
    /// What is asked for them, without its query.
    pub url: String,
    /// How many are used; absent while there never were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<usize>,
    /// Why they could not be fetched the last time; absent where they could. Those that were fetched before are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A server that an authentication asks about requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthServer {
    /// The authentication.
    pub auth: String,
    /// What is asked, without its query.
    pub url: String,
    /// Why it gives nothing that can be used; absent where it does. Requests that need it respond with 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Since when, as RFC 3339 has it; absent where it gives something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How an instance is chosen.
    pub balance: String,
    /// Which of its instances get traffic.
    pub mode: ServiceMode,
    /// Requests that wait for an instance.
    pub queued: u64,
    /// What Plimsoll runs of it; absent where Plimsoll does not run the instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Names of targets whose last lookup failed.
    pub unresolved: Vec<Unresolved>,
    /// Why the certificates for TLS with its instances cannot be read anew; absent where they can. Those that were read before hold on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_fault: Option<String>,
    /// Instances that are drained and have no address at the moment. Should they come back, they
    /// get nothing.
    pub drained_away: Vec<DrainedAway>,
    /// Each instance.
    pub instances: Vec<Instance>,
}

/// A target's name whose last lookup failed. The addresses that it had before are used on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unresolved {
    /// The name.
    pub name: String,
    /// Why.
    pub why: String,
}

/// An instance that is drained and has no address at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrainedAway {
    /// Its name.
    pub name: String,
    /// Since when, as RFC 3339 has it.
    pub drained_at: String,
}

/// Which of a service's instances get traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceMode {
    /// Those that are healthy.
    Normal,
    /// Healthy backups, as no primary is healthy.
    Backup,
    /// All that are neither drained nor starting, as none is healthy.
    Panic,
    /// None: all are drained or starting, or there are none.
    Nobody,
}

/// What Plimsoll runs of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The release that is meant to run; absent before the first.
    pub release: Option<String>,
    /// Whether they are workers, which get no requests (`http = false`); absent where they are not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub worker: bool,
    /// How many instances are wanted of it.
    #[serde(default)]
    pub replicas: u32,
    /// How many the file wants, where another number was asked for by `scale`; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled_from: Option<u32>,
    /// Each instance that may get nothing yet, or nothing any more.
    pub waiting: Vec<Waiting>,
    /// The deploy that is running.
    pub deploy: Option<RunningDeploy>,
    /// The deploy that is being checked before it begins; absent when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checking: Option<CheckedDeploy>,
    /// The number of the deploy that made the release; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<i64>,
    /// The version that the file named when the release was deployed; absent where it named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_version: Option<String>,
    /// Where the file says otherwise than what runs, which only a deploy or a change of the file mends, in words; absent
    /// where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// The command that brings the first release, where nothing runs and nothing is about to; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
    /// A first release that has failed, and is retried until it is promoted; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstRelease>,
    /// What became of the last deploy that has ended; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastDeploy>,
    /// Hosts of its instances that do not answer; absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreached: Vec<UnreachedHost>,
}

/// A host that does not answer. The instances on it are judged by their checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnreachedHost {
    /// The host, as the configuration names it.
    pub host: String,
    /// Why, as far as that is known.
    pub why: String,
    /// Since when, as RFC 3339 has it.
    pub since: String,
}

/// A first release that is retried until it is promoted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FirstRelease {
    /// Tries that have failed.
    pub tries: u32,
    /// Why the last one did.
    pub why: String,
    /// When the next begins, in seconds; absent while one is on.
    pub again_in_s: Option<f64>,
}

/// What became of a deploy that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastDeploy {
    /// Its number, over all services.
    pub id: i64,
    /// The release that was to come.
    pub release: String,
    /// `promoted`, `rolled-back`, `broken` or `interrupted`.
    pub outcome: String,
    /// Why it was not promoted; absent if it was.
    pub reason: Option<String>,
    /// When it ended, as RFC 3339 has it.
    pub ended_at: String,
}

/// An instance that may get nothing yet, or nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    /// Its name.
    pub name: String,
    /// Its release.
    pub release: String,
    /// How far it has come, in words.
    pub state: String,
    /// Why it has come no further, as far as its checks tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A deploy that is being checked before it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedDeploy {
    /// The release that is to come.
    pub release: String,
    /// The person or program that asked for it.
    pub who: String,
    /// For how long it has been checked, in seconds.
    pub took_s: f64,
}

/// A deploy that is running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunningDeploy {
    /// Its number, over all services.
    pub id: i64,
    /// The release that is to come.
    pub release: String,
    /// The person or program that asked for it.
    pub who: String,
    /// For how long it has been running, in seconds.
    pub took_s: f64,
    /// How far it has come, in words.
    pub stage: String,
    /// How long what is watched now is watched still, at least, in seconds; absent when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_s: Option<f64>,
    /// Whether it is paused.
    pub is_paused: bool,
    /// The judge's current verdict.
    pub verdict: String,
    /// What a request carries to be answered by the new release, as curl is told; absent where that is not possible now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// The conditions of the deploy; none where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<DeployCondition>,
}

/// How a condition of a running deploy stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployCondition {
    /// What it is called.
    pub name: String,
    /// What was found last in this step or bake, such as `0.31 > 0.25`; absent before.
    pub said: Option<String>,
}

/// An instance of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// Its name, unique within its service.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Its release; absent where Plimsoll does not run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// How it stands.
    pub state: InstanceState,
    /// What it gets.
    pub access: Access,
    /// Why it stands so, in words.
    pub reason: String,
    /// For how long it has stood so, in seconds.
    pub since_s: f64,
    /// Since when it has been drained by an operator, as RFC 3339 has it; absent when it is not.
    pub drained_at: Option<String>,
    /// Its share relative to the others' weights.
    pub weight: u32,
    /// Whether it gets traffic only when no other can.
    pub backup: bool,
    /// Requests in flight on it.
    pub in_flight: u64,
    /// For how long the oldest of them has been open, in seconds; absent when nothing is.
    pub oldest_s: Option<f64>,
    /// What is open on it, by kind; absent when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Open>,
    /// What came of its requests since it is known.
    pub totals: Totals,
    /// Requests that ended, in a second, over the last ten seconds.
    pub requests_per_s: f64,
    /// Those of them that got 5xx or no whole response from it, likewise.
    pub errors_per_s: f64,
    /// The share of the last minute's requests that got 5xx or no whole response from it, from
    /// 0 to 1.
    pub error_share: f64,
    /// Half of the last minute's requests had a response within this time, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 99 % of the last minute's requests had a response within this time, in milliseconds.
    pub p99_ms: Option<f64>,
    /// That it fails more often than its siblings; absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier: Option<Outlier>,
}

/// That an instance fails more often than its siblings, by the same routes in the same seconds. Counts are of the time from `since` to
/// when it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outlier {
    /// Since when, as far as that can be said, as RFC 3339 has it.
    pub since: String,
    /// Requests that it failed.
    pub failed: u64,
    /// Of so many.
    pub requests: u64,
    /// Requests that its siblings failed.
    pub siblings_failed: u64,
    /// Of so many.
    pub siblings_requests: u64,
}

/// What is open on an instance, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Open {
    /// Requests that are none of the others.
    pub requests: u32,
    /// Requests with a body of more than 64 KiB, or of no stated length.
    pub uploads: u32,
    /// Responses of server-sent events.
    pub streams: u32,
    /// Upgraded connections, as of WebSockets.
    pub tunnels: u32,
}

/// What came of an instance's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Those with a response of 1xx or 2xx.
    pub ok: u64,
    /// Those with a response of 3xx.
    #[serde(default)]
    pub redirects: u64,
    /// Those with a response of 4xx, or a gRPC status that is the client's doing.
    #[serde(default)]
    pub client_errors: u64,
    /// Those with a response of 5xx, or a gRPC status that says that the server failed.
    pub server_errors: u64,
    /// Those that failed without a whole response.
    pub failures: u64,
    /// Those whose clients gave up before there was a response. They count as nothing else.
    #[serde(default)]
    pub abandoned: u64,
}

impl Totals {
    /// Those that say something of the instance.
    pub fn all(&self) -> u64 {
        self.ok + self.redirects + self.client_errors + self.failed()
    }

    /// Those that a client must call failed.
    pub fn failed(&self) -> u64 {
        self.server_errors + self.failures
    }
}

/// How an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Its checks pass, and nothing speaks against it.
    Healthy,
    /// Neither known to be healthy nor unhealthy: no check has passed, or none is configured.
    Unchecked,
    /// Its last requests all failed. It gets more all the same: its checks pass or there are none, and it may not be
    /// ejected.
    Failing,
    /// It failed too many requests, and is out for a while.
    Ejected,
    /// Its active checks fail.
    Unhealthy,
    /// It has not passed its first check.
    Starting,
    /// A person, or a rollout, took it out.
    Drained,
}

/// What an instance gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Traffic, as its state says.
    Open,
    /// Traffic in spite of its state, since nobody is healthy.
    OpenInPanic,
    /// Nothing but what the others fail at: a healthy backup while a primary is healthy.
    Reserve,
    /// Nothing.
    Barred,
}

impl Status {
    /// The instance `instance` of `service`.
    pub fn instance(&self, service: &str, instance: &str) -> Option<&Instance> {
        let service = self.services.iter().find(|other| other.name == service)?;
        service.instances.iter().find(|other| other.name == instance)
    }
}

impl InstanceState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unchecked => "unchecked",
            Self::Failing => "failing",
            Self::Ejected => "ejected",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
            Self::Drained => "drained",
        }
    }
}
