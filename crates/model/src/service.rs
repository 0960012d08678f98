//! What is wanted of a group of instances that do the same: `[services.NAME]`.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::health::HealthCheck;
use crate::id::{InstanceName, ServiceName};
use crate::listener::TlsCertificate;
use crate::run::Run;

/// A group of instances that do the same, and how requests are spread over them.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Where somebody else runs the instances, no name twice; empty exactly where `run` is set.
    pub targets: Vec<Target>,
    /// How Plimsoll runs them itself.
    pub run: Option<Run>,
    /// What is spoken with the instances.
    pub protocol: UpstreamProtocol,
    /// How TLS is spoken with them; `None` for clear text.
    pub tls: Option<ServiceTls>,
    /// What becomes of responses that break HTTP/1.1 as old programs do.
    pub violations: Violations,
    /// How an instance is chosen.
    pub balance: Balance,
    /// A cookie keeps a client with its instance.
    pub sticky: Option<Sticky>,
    /// How long an instance takes from its first share of the traffic to its full one.
    pub slow_start: Option<Duration>,
    /// Requests in flight on one instance at the most; what is over waits in the queue.
    pub max_connections: Option<NonZeroU32>,
    /// Where requests wait while all instances are full.
    pub queue: Queue,
    /// Active checks.
    pub health: Option<HealthCheck>,
    /// Ejection of instances that fail requests; `None` when it is switched off.
    pub passive: Option<Passive>,
    /// What is done about an instance that fails more often than its siblings.
    pub outliers: OnOutlier,
    /// Second attempts.
    pub retry: Retry,
    /// Connections to the instances between two requests.
    pub keep_alive: KeepAlive,
    /// How long an instance may take.
    pub timeouts: ServiceTimeouts,
}

/// What is done about an instance that fails more often than its siblings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOutlier {
    /// Nothing, and none is looked for.
    Off,
    /// It is said which, and since when.
    #[default]
    Tell,
    /// Another is started in its place, where Plimsoll runs it.
    Replace,
}

/// One address at which somebody else runs an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address as it was written, with its port.
    pub name: InstanceName,
    /// The host of that address.
    pub host: Host,
    /// The port of that address.
    pub port: u16,
    /// Its share relative to the others' weights; 0 gets nothing.
    pub weight: u32,
    /// Gets traffic only when no other target can.
    pub backup: bool,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// At this address.
    Address(IpAddr),
    /// At every address that this name resolves to, looked up again when its TTL is over.
    Name(String),
}

/// What becomes of an instance's response that breaks RFC 9112 in a way that can be mended: lines that end with LF
/// alone, blanks behind a chunk's size, `chunked` that is said twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Violations {
    /// It is a failure of the instance: 502.
    #[default]
    Refused,
    /// It is passed on as what is meant, and its connection is not used again.
    Accepted,
}

/// What is spoken with the instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1 with kept connections.
    #[default]
    H1,
    /// HTTP/2, as gRPC servers speak it: on clear text by prior knowledge, over TLS agreed on in the handshake.
    H2,
}

/// How TLS is spoken with the instances of a service, and which certificates of theirs are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTls {
    /// PEM: the authorities whose certificates are believed; `None` for the system's.
    pub ca: Option<PathBuf>,
    /// The host that their certificates are for, and that they are asked for. `None` for each one's own: the name of its target,
    /// or, where that is an address, that address.
    pub server_name: Option<String>,
    /// What is shown to those that ask for a certificate.
    pub client: Option<TlsCertificate>,
}

/// How an instance is chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Balance {
    /// The fewest requests in flight for its weight, ties in rotation.
    #[default]
    LeastConn,
    /// In turn, smoothly by weight.
    RoundRobin,
    /// By chance, by weight.
    Random,
    /// The less loaded of two that chance picks.
    P2c,
    /// By the client's address.
    IpHash,
    /// The lowest expected latency: an average that rises at once and decays slowly, times load.
    PeakEwma,
    /// By a part of the request.
    Hash(Hash),
}

/// Consistent hashing by a part of the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Hash {
    /// What is hashed. A request without it is hashed by the client's address.
    pub key: HashKey,
    /// Which consistent hash.
    pub algorithm: HashAlgorithm,
    /// No instance gets more than this times the average load, the next in its order gets the
    /// rest; `None` for no bound. At least 1.0.
    pub load_bound: Option<f64>,
}

/// The part of a request that is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    Ip,
    /// The path, without the query.
    Path,
    /// The first value of this header, its name in lower case.
    Header(String),
    /// This cookie.
    Cookie(String),
    /// This query parameter.
    Query(String),
}

/// Which consistent hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// Highest random weight; exact weights, time linear in the number of instances.
    #[default]
    Rendezvous,
    /// A ring of points; logarithmic time, weights by the number of points.
    Ring,
}

/// A signed cookie that keeps a client with its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// The cookie's name.
    pub cookie: String,
    /// How long the client keeps it; `None` until it ends its session.
    pub ttl: Option<Duration>,
    /// Below which path it is sent.
    pub path: String,
    /// To which domain, with all below it; `None` for the host alone that set it.
    pub domain: Option<String>,
    /// From which sites it is sent.
    pub same_site: SameSite,
    /// Whether it is sent over TLS alone.
    pub secure: CookieSecurity,
}

impl Sticky {
    /// One of this name with all that may be left out.
    pub fn named(cookie: impl Into<String>) -> Self {
        Self {
            cookie: cookie.into(),
            ttl: None,
            path: "/".to_owned(),
            domain: None,
            same_site: SameSite::default(),
            secure: CookieSecurity::default(),
        }
    }
}

/// From which sites a cookie is sent (RFC 6265bis).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// From its own, and where a person follows a link to it.
    #[default]
    Lax,
    /// From its own alone.
    Strict,
    /// From all, as for what is framed by others. Browsers want it to be secure.
    None,
}

impl fmt::Display for SameSite {
    /// As `Set-Cookie` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
            Self::None => "None",
        })
    }
}

/// Whether a cookie is sent over TLS alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieSecurity {
    /// Where the client speaks TLS, with us or with a trusted proxy, and always where browsers want it.
    #[default]
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// Where requests wait while all instances are full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many may wait; more get 503 at once.
    pub length: usize,
    /// How long one may wait before it gets 503.
    pub timeout: Duration,
}

/// When an instance that fails requests is left out for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Passive {
    /// This many failures in a row eject; so does a failure rate of half or more over the last
    /// `fail_timeout`, once at least this many have failed in it.
    pub max_fails: NonZeroU32,
    /// How long the first ejection lasts; each further one that follows soon lasts longer.
    pub fail_timeout: Duration,
    /// The share of a release's instances that may be ejected at once, from 0 to 1.
    pub max_ejected: f64,
}

/// When a request that failed on one instance is sent to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// How often a request is sent at the most, the first time included.
    pub attempts: u32,
    /// Retries as a share of the recent requests, from 0 to 1.
    pub budget: f64,
    /// After what.
    pub on: Vec<RetryCondition>,
}

/// What a retry may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCondition {
    /// No connection could be opened.
    Connect,
    /// The connection broke, or what came over it was not HTTP.
    Reset,
    /// The instance was too slow.
    Timeout,
    /// The instance answered with this status.
    Status(u16),
}

/// How long a connection to an instance over HTTP/1.1 is kept for the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// At the most.
    pub idle: Duration,
    /// Whether a `Keep-Alive: timeout=N` of the instance shortens it.
    pub honour_hint: bool,
}

/// How long an instance may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceTimeouts {
    /// To open a connection.
    pub connect: Duration,
    /// From the request's end to the answer's head. A gRPC client that waits for less is heeded.
    pub first_byte: Duration,
    /// Without progress of either body.
    pub idle: Duration,
    /// Without a byte in either direction of an upgraded connection, or of a gRPC call whose client has not
    /// ended its stream.
    pub tunnel_idle: Duration,
}
