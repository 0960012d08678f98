//! The DNS names of targets: a feed of their addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use telemetry::{Event, event};

use crate::chain::chain;
use crate::feed::{Arrival, Feed, Fetch, Fetched, Outcome, Times};
use crate::instances::Addresses;
use crate::resolve::{Answer, Resolve, ResolveError};

/// Looks names up.
pub(crate) struct Lookups(pub(crate) Arc<dyn Resolve>);

/// Every name that is looked up.
pub(crate) type Names = Feed<Lookups>;

/// A lookup that has ended.
pub(crate) type Resolved = Arrival<Lookups>;

impl Fetch for Lookups {
    type Key = String;
    type Value = BTreeSet<IpAddr>;
    type Error = ResolveError;

    const TIMES: Times = Times {
        lifetime_min: Duration::from_secs(1),
        lifetime_max: Duration::from_secs(300),
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(30),
        patience: Duration::from_secs(2),
        // Longer than a resolver takes that asks two servers twice.
        deadline: Duration::from_secs(30),
        at_once: 64,
    };

    fn fetch<'a>(&'a self, name: &'a String) -> BoxFuture<'a, Outcome<Self>> {
        let lookup = async {
            let Answer { addresses, ttl } = self.0.resolve(name).await?;
            Ok(Fetched { value: addresses, lifetime: ttl })
        };
        lookup.boxed()
    }

    fn too_slow(limit: Duration) -> ResolveError {
        ResolveError::TooSlow(limit)
    }

    fn becomes_stale(name: &String, why: &ResolveError, kept: Option<&BTreeSet<IpAddr>>) -> Event {
        let (why, kept) = (chain(why), kept.map_or(0, BTreeSet::len));
        event::NameUnresolved { name: name.clone(), why, kept }.into()
    }

    fn recovers(name: &String) -> Event {
        event::NameResolved { name: name.clone() }.into()
    }
}

impl Names {
    /// The addresses of every name of which any are known, with `found` over what is known.
    pub(crate) fn addresses(&self, found: &[Resolved]) -> Addresses {
        let found = found.iter().filter_map(|it| Some((&it.key, &it.outcome.as_ref().ok()?.value)));
        self.values().chain(found).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}
