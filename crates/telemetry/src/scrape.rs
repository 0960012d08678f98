//! Everything that is counted, at one time, as plain data: whoever owns the counters fills it in,
//! and [`Scrape::encode`] writes it down.

use std::time::{Duration, SystemTime};

use model::{
    AbuseName, AuthName, Generation, InstanceName, LimitName, ListenerName, Revision, ServiceName,
};

use crate::abuse::AbuseOutcome;
use crate::ending::Ending;
use crate::ending_counters::EndingTotals;
use crate::grpc_counters::GrpcTotals;
use crate::inquiry::InquiryOutcome;
use crate::limit::LimitOutcome;
use crate::process::Process;
use crate::snapshot::HistogramSnapshot;

/// Everything that is counted, at one time.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// The version of Plimsoll.
    pub version: &'static str,
    /// How exchanges ended, over all workers.
    pub exchanges: EndingTotals,
    /// Requests that were refused before they could be routed.
    pub refused: u64,
    /// What is held of memory for clients, in bytes.
    pub memory_held: u64,
    /// What routes' policies refused.
    pub refusals: Vec<RefusalSample>,
    /// What limits decided.
    pub limit_uses: Vec<LimitUseSample>,
    /// Each limit that a route goes by.
    pub limits: Vec<LimitSample>,
    /// Each rule of abuse that counts any refusals.
    pub abuse: Vec<AbuseSample>,
    /// Each authentication for which it takes a while to find out who a request is from.
    pub inquiries: Vec<InquirySample>,
    /// Each listener.
    pub listeners: Vec<ListenerSample>,
    /// Each service.
    pub services: Vec<ServiceSample>,
    /// The access log.
    pub access_log: AccessLogSample,
    /// The configuration.
    pub config: ConfigSample,
    /// What is fetched from outside.
    pub feeds: Vec<FeedSample>,
    /// Each host that has a certificate, or is to get one.
    pub certificates: Vec<CertificateSample>,
    /// How many bans hold.
    pub bans: u64,
    /// The store that edges share, where there is one.
    pub store: Option<StoreSample>,
    /// The process, where the system tells of it.
    pub process: Option<Process>,
}

/// Requests that a route's policies refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalSample {
    /// The route as people know it. Each has one sample for each ending.
    pub route: String,
    /// What the log says of them.
    pub ending: Ending,
    /// How many.
    pub count: u64,
}

/// What a limit decided on requests of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitUseSample {
    /// The limit.
    pub limit: LimitName,
    /// The route as people know it. Each has one sample for each limit.
    pub route: String,
    /// How many, in the order of [`LimitOutcome::ALL`].
    pub outcomes: [u64; LimitOutcome::ALL.len()],
}

/// What is known of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSample {
    /// Its name.
    pub name: LimitName,
    /// Memory that its keys take, in bytes.
    pub bytes: u64,
}

/// What is known of a rule of abuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbuseSample {
    /// Its name.
    pub name: AbuseName,
    /// How many refusals it has counted, in the order of [`AbuseOutcome::ALL`].
    pub outcomes: [u64; AbuseOutcome::ALL.len()],
    /// Memory that its keys take, in bytes.
    pub bytes: u64,
}

/// What became of finding out by one authentication who requests are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InquirySample {
    /// The authentication.
    pub auth: AuthName,
    /// How many, in the order of [`InquiryOutcome::ALL`].
    pub outcomes: [u64; InquiryOutcome::ALL.len()],
}

/// What is counted of a listener.
#[derive(Clone, Debug)]
pub struct ListenerSample {
    /// Its name.
    pub name: ListenerName,
    /// Open connections.
    pub open: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// How often accepting had to wait, because descriptors or the limit of connections were
    /// used up.
    pub waits: u64,
    /// Connections that were closed at once, because their client had reached its limit.
    pub refused: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
}

/// What is counted of a service, over all workers.
#[derive(Clone, Debug)]
pub struct ServiceSample {
    /// Its name.
    pub name: ServiceName,
    /// Requests by the first digit of the status that the client saw; those without one under 0.
    pub by_class: [u64; 6],
    /// gRPC calls by their status.
    pub grpc: GrpcTotals,
    /// From a request's head to the end of its answer.
    pub duration: HistogramSnapshot,
    /// Bytes received from clients.
    pub bytes_in: u64,
    /// Bytes sent to clients.
    pub bytes_out: u64,
    /// Second and further attempts.
    pub retries: u64,
    /// Retries that the budget did not allow.
    pub budget_exhausted: u64,
    /// Requests that wait for an instance.
    pub queued: u64,
    /// Requests that found the queue full.
    pub queue_full: u64,
    /// Requests that waited too long in the queue.
    pub queue_timeouts: u64,
    /// Each instance.
    pub instances: Vec<InstanceSample>,
}

/// What is counted of an instance, over all workers.
#[derive(Clone, Debug)]
pub struct InstanceSample {
    /// Its name.
    pub name: InstanceName,
    /// Whether nothing bars it from traffic, and its last requests did not all fail.
    pub is_up: bool,
    /// How it stands.
    pub state: InstanceState,
    /// Its share relative to the others' weights.
    pub weight: u32,
    /// Requests in flight on it.
    pub in_flight: u64,
    /// Attempts by what became of them, in the order of [`OUTCOMES`].
    pub outcomes: [u64; OUTCOMES.len()],
    /// From an attempt's start to the response's head.
    pub first_byte: HistogramSnapshot,
    /// Connections that were opened to it.
    pub connects: u64,
    /// Bytes sent to it.
    pub bytes_to: u64,
    /// Bytes received from it.
    pub bytes_from: u64,
    /// How often it was left out for failing requests.
    pub ejections: u64,
    /// Whether it fails more often than its siblings.
    pub is_outlier: bool,
}

/// How an instance stands, for people: its eligibility, and whether anything speaks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// Its checks pass, and nothing speaks against it.
    Healthy,
    /// Neither known to be healthy nor unhealthy: no check has passed, or none is configured.
    Unchecked,
    /// Its last requests all failed. It gets more all the same: its checks pass or there are none, and it may not
    /// be ejected.
    Failing,
    /// It failed too many requests, and is out for a while.
    Ejected,
    /// Its active checks fail.
    Unhealthy,
    /// It was started and has not passed its first check.
    Starting,
    /// A person, or a rollout, took it out.
    Drained,
}

impl InstanceState {
    /// Every state.
    pub const ALL: &[Self] = &[
        Self::Healthy,
        Self::Unchecked,
        Self::Failing,
        Self::Ejected,
        Self::Unhealthy,
        Self::Starting,
        Self::Drained,
    ];

    /// The value of the label.
    pub const fn as_str(self) -> &'static str {
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

/// What is counted of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessLogSample {
    /// Lines that were dropped.
    pub dropped_lines: u64,
    /// How often writing failed.
    pub write_errors: u64,
}

/// What is known of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigSample {
    /// What is served.
    pub revision: Revision,
    /// The snapshot that is served.
    pub generation: Generation,
    /// When the file was last read: at the last reload, or at the start if there was none.
    pub read_at: SystemTime,
    /// Whether what was read then was taken up.
    pub is_taken_up: bool,
}

/// What is fetched from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedKind {
    /// The DNS names of targets.
    Names,
    /// The certificates of listeners, each listener's together.
    Certificates,
    /// The keys of issuers of tokens.
    Keys,
}

impl FeedKind {
    /// Every kind.
    pub const ALL: &[Self] = &[Self::Names, Self::Certificates, Self::Keys];

    /// The value of the label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Certificates => "certificates",
            Self::Keys => "keys",
        }
    }
}

/// How one kind of input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedSample {
    /// Which kind.
    pub feed: FeedKind,
    /// How many inputs could not be fetched when that was tried last.
    pub stale: u64,
}

/// How a host's certificate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSample {
    /// The host.
    pub host: String,
    /// How long it is good still; nothing where there is none, or it has expired.
    pub left: Duration,
}

/// What is counted of the store that edges share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSample {
    /// Whether it can be written to.
    pub is_up: bool,
    /// Calls that failed, those not counted that were not made because it was down.
    pub errors: u64,
    /// Buckets of limits that were settled with other edges, each time counted.
    pub settled: u64,
    /// What limits took and other edges were not told of, as there was no room for it.
    pub lost: u64,
}

/// The values of the label for an attempt's outcome.
pub const OUTCOMES: [&str; 6] =
    ["ok", "redirect", "client_error", "server_error", "failure", "abandoned"];
/// The values of the label for a status' class, by its first digit.
pub(crate) const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
