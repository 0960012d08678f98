//! Whom refusals have banned for a while: `[abuse.NAME]`, and the `abuse` of a route.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use ipnet::IpNet;

use crate::id::AbuseName;
use crate::limit::Rate;

/// A rule of whom refusals have banned. Routes that name the same one count together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abuse {
    /// Its name.
    pub name: AbuseName,
    /// The statuses that count, from 400 to 499: never empty, and none twice.
    pub statuses: Vec<u16>,
    /// How fast refusals are forgotten.
    pub rate: Rate,
    /// How many at once lead to nothing: the next one is one too many.
    pub burst: NonZeroU64,
    /// Whose refusals are counted together, and who is banned.
    pub key: AbuseKey,
    /// For how long.
    pub ban: Duration,
    /// Whether anybody is banned.
    pub mode: AbuseMode,
    /// Refusals of clients from these networks do not count, and nobody there is banned.
    pub exempt: Vec<IpNet>,
    /// Whether requests count that no route takes.
    pub unrouted: Unrouted,
    /// Keys that are kept apart for certain while so many are active at once.
    pub keys: NonZeroU32,
}

/// Whose refusals are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AbuseKey {
    /// Those of the client's address; of IPv6 of its first 64 bits.
    #[default]
    Ip,
    /// Those of who the client has proved to be.
    Subject,
}

impl AbuseKey {
    /// The word of the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Subject => "subject",
        }
    }
}

impl fmt::Display for AbuseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether anybody is banned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbuseMode {
    /// A key with too many refusals is.
    #[default]
    Enforce,
    /// Nobody is: it is counted and told.
    Observe,
}

/// Whether requests count that no route takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unrouted {
    /// They do not.
    #[default]
    Ignored,
    /// They do.
    Counted,
}
