//! How often a key may ask, how many bytes it may move, and how many requests it may have open: `[limits.NAME]`, and the
//! `limit` of a route.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use crate::id::LimitName;

/// A limit. Routes that name the same one share its buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name.
    pub name: LimitName,
    /// What is limited.
    pub bound: Bound,
    /// What requests share a bucket by; never empty, and none twice.
    pub key: Vec<KeyPart>,
    /// Whether it refuses.
    pub mode: LimitMode,
    /// Whether responses carry the older `X-RateLimit-*`, too.
    pub legacy_headers: bool,
    /// Keys that are kept apart for certain while so many are active at once.
    pub keys: NonZeroU32,
}

/// What is limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Requests in a time.
    Requests {
        /// How fast they come back.
        rate: Rate,
        /// How many at once.
        burst: NonZeroU64,
        /// The header of a response by which an instance tells what its request has cost, in lower case.
        cost_header: Option<String>,
    },
    /// Bytes in a time, of requests and responses together, heads included.
    Bytes {
        /// How fast they come back.
        rate: Rate,
        /// How many at once.
        burst: NonZeroU64,
    },
    /// Requests that are open at the same time.
    Concurrent(NonZeroU32),
}

/// So many in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub units: NonZeroU64,
    /// In how long.
    pub per: Per,
}

/// The time of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Per {
    /// How long it is.
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        })
    }
}

/// A part of what requests share a bucket by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// Who the client has proved to be.
    Subject,
    /// The client's address; of IPv6 its first 64 bits.
    Ip,
    /// The claim at this path.
    Claim(Vec<String>),
    /// The header of this name, in lower case.
    Header(String),
    /// The cookie of this name.
    Cookie(String),
    /// The query parameter of this name.
    Query(String),
    /// The path, in the form in which paths are compared.
    Path,
}

impl KeyPart {
    /// Whether it is known only once the client has proved who it is.
    pub fn needs_authentication(&self) -> bool {
        matches!(self, Self::Subject | Self::Claim(_))
    }
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("subject"),
            Self::Ip => f.write_str("ip"),
            Self::Claim(path) => write!(f, "claim:{}", path.join(".")),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Path => f.write_str("path"),
        }
    }
}

impl Limit {
    /// Whether its key is known only once the client has proved who it is.
    pub fn needs_authentication(&self) -> bool {
        self.key.iter().any(KeyPart::needs_authentication)
    }
}

/// Whether a limit refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitMode {
    /// What is over it is refused.
    #[default]
    Enforce,
    /// What is over it is counted and logged, and passes.
    Observe,
}

/// A limit as a route uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitUse {
    /// The limit.
    pub limit: Arc<Limit>,
    /// What one of the route's requests takes of it; 1 for limits that do not count requests in a time.
    pub cost: NonZeroU32,
}
