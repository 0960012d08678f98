//! Hosts that clients have to ask for at another listener: one that asks otherwise for their certificates.
//!
//! A client is let in by the handshake of its listener. With the name of another listener's host in its request it would come by
//! what that asks of clients (RFC 9110 §7.4 has 421 for it).

use std::collections::BTreeMap;

use model::{Intent, Listener, ListenerName};
use rustc_hash::FxHashSet;

use super::serving_config::ListenerTls;
use crate::routing::host_of;

/// Where the host of a request is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// At the listener that it came in by, as far as certificates of clients are concerned.
    Here,
    /// At another one, which asks otherwise for certificates of clients.
    Elsewhere,
}

/// The hosts of one listener, and of those that ask otherwise for certificates of clients.
#[derive(Debug)]
pub(crate) struct Hosts {
    own: Names,
    others: Vec<Names>,
}

impl Hosts {
    /// Those that `listener` has to know; `None` where all listeners with TLS ask the same of clients.
    pub(crate) fn of(
        listener: &Listener,
        intent: &Intent,
        tls: &BTreeMap<ListenerName, ListenerTls>,
    ) -> Option<Box<Self>> {
        let own = tls.get(&listener.name)?;
        let asks_otherwise = |it: &&Listener| it.client_auth != listener.client_auth;
        let others = intent.listeners.values().map(|it| &**it).filter(asks_otherwise);
        let others: Vec<Names> =
            others.filter_map(|it| tls.get(&it.name)).map(|it| Names::new(&it.names)).collect();
        (!others.is_empty()).then(|| Box::new(Self { own: Names::new(&own.names), others }))
    }

    /// Where a request with this authority belongs: where the certificate is that names its host most exactly. A host that no
    /// certificate names is served everywhere.
    pub(crate) fn whereabouts(&self, authority: &[u8]) -> Whereabouts {
        let host = host_of(authority);
        let own = self.own.rank(&host);
        match self.others.iter().any(|names| names.rank(&host) > own) {
            true => Whereabouts::Elsewhere,
            false => Whereabouts::Here,
        }
    }
}

/// How exactly a host is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Unnamed,
    /// By a wildcard that takes the place of its first label (RFC 9525 §6.3).
    Wildcard,
    Exact,
}

/// The names of a listener's certificates.
#[derive(Debug)]
struct Names {
    exact: FxHashSet<Box<[u8]>>,
    /// What stands behind the first dot of wildcards.
    wildcards: FxHashSet<Box<[u8]>>,
}

impl Names {
    fn new(names: &[Box<str>]) -> Self {
        let (mut exact, mut wildcards) = (FxHashSet::default(), FxHashSet::default());
        for name in names {
            match name.strip_prefix("*.") {
                Some(parent) => wildcards.insert(parent.as_bytes().into()),
                None => exact.insert(name.as_bytes().into()),
            };
        }
        Self { exact, wildcards }
    }

    fn rank(&self, host: &[u8]) -> Rank {
        let parent = || host.iter().position(|byte| *byte == b'.').map(|dot| &host[dot + 1..]);
        if self.exact.contains(host) {
            Rank::Exact
        } else if parent().is_some_and(|parent| self.wildcards.contains(parent)) {
            Rank::Wildcard
        } else {
            Rank::Unnamed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Names {
        let names: Vec<Box<str>> = names.iter().map(|name| (*name).into()).collect();
        Names::new(&names)
    }

    #[test]
    fn a_host_is_where_its_name_is_said_most_exactly() {
        let hosts = Hosts {
            own: names(&["*.example.com", "both.example.com"]),
            others: vec![names(&["api.example.com", "both.example.com", "*.internal"])],
        };
        let elsewhere = |host: &str| hosts.whereabouts(host.as_bytes()) == Whereabouts::Elsewhere;
        for host in ["api.example.com", "API.Example.com.:8443", "db.internal"] {
            assert!(elsewhere(host), "{host}");
        }
        for host in
            ["shop.example.com", "both.example.com", "a.b.internal", "unknown", "", "[::1]:443"]
        {
            assert!(!elsewhere(host), "{host}");
        }
    }
}
