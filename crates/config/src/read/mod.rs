//! What the readers of several tables need: what one part of the file leaves for others to know, lists
//! without anything twice, paths of files, warnings of what is hardly meant.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use model::{Abuse, AbuseName, AuthName, Limit, LimitName, ListenerName, ServiceName};

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::{Faults, Flaw};
use crate::node::Node;
use crate::section::Section;
use crate::tables::acme::Wishes;

pub(crate) mod asked;
pub(crate) mod beside;
pub(crate) mod file;
pub(crate) mod named;
pub(crate) mod own;
pub(crate) mod placeholder;
pub(crate) mod port;
pub(crate) mod secret;
pub(crate) mod seen;
pub(crate) mod shell;
pub(crate) mod sticky;

use seen::Seen;

/// What one part of the file leaves for the others to know.
pub(crate) struct Context<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) faults: &'a Faults<'a>,
    /// Where each address is listened on.
    bound: Seen<SocketAddr>,
    /// Where every address of a family is listened on, or a first one of it, by port.
    ports: BTreeMap<(u16, Family), Port>,
    /// What listeners want to have ordered.
    pub(crate) acme: Wishes,
    /// The services that are defined, well or not.
    pub(crate) services: BTreeSet<ServiceName>,
    /// Those of them that a route leads to.
    pub(crate) used: BTreeSet<ServiceName>,
    /// Those of them that get no requests.
    pub(crate) workers: BTreeSet<ServiceName>,
    /// The authentications that are defined, well or not.
    pub(crate) auths: BTreeSet<AuthName>,
    /// Those of them that a route asks for.
    pub(crate) asked_auths: BTreeSet<AuthName>,
    /// The limits that are defined; `None` where something is wrong with one.
    pub(crate) limits: BTreeMap<LimitName, Option<Arc<Limit>>>,
    /// Those of them that a route goes by.
    pub(crate) used_limits: BTreeSet<LimitName>,
    /// The rules of abuse that are defined; `None` where something is wrong with one.
    pub(crate) abuse: BTreeMap<AbuseName, Option<Arc<Abuse>>>,
    /// Those of them that a route goes by.
    pub(crate) used_abuse: BTreeSet<AbuseName>,
    /// The only claims that authentications know, where it is not the credential that says which.
    pub(crate) known_claims: BTreeMap<AuthName, &'static [&'static str]>,
    /// Authentications by clients' certificates.
    pub(crate) certificate_auths: BTreeSet<AuthName>,
    /// The listeners that ask clients for certificates, well or not.
    pub(crate) asking_listeners: BTreeSet<ListenerName>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(origin: &'a Origin, faults: &'a Faults<'a>) -> Self {
        let (services, used) = (BTreeSet::new(), BTreeSet::new());
        let (bound, ports) = (Seen::default(), BTreeMap::new());
        let (auths, asked_auths) = (BTreeSet::new(), BTreeSet::new());
        let (limits, used_limits) = (BTreeMap::new(), BTreeSet::new());
        Self {
            origin,
            faults,
            bound,
            ports,
            acme: Wishes::default(),
            services,
            used,
            workers: BTreeSet::new(),
            auths,
            asked_auths,
            limits,
            used_limits,
            abuse: BTreeMap::new(),
            used_abuse: BTreeSet::new(),
            known_claims: BTreeMap::new(),
            certificate_auths: BTreeSet::new(),
            asking_listeners: BTreeSet::new(),
        }
    }

    /// Notes that `node` listens on `address`, which must be free. Port 0 is any free one.
    pub(crate) fn bind(&mut self, node: &Node<'_>, address: SocketAddr) {
        if address.port() == 0 {
            return;
        }
        if let Some(first) = self.bound.insert(address, node.span()) {
            let flaw = Flaw::new(
                Code::Duplicate,
                format!("{address} is listened on twice"),
                "here",
                "give one of them another address or port, or make them one listener",
            );
            node.report_with(flaw, &[(first, "and here")]);
            return;
        }
        self.overlap(node, address);
    }

    /// Refuses `address` where every address of its family is listened on, and the other way round. The
    /// two families are apart: a socket for `[::]` takes no IPv4.
    fn overlap(&mut self, node: &Node<'_>, address: SocketAddr) {
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        let port = self.ports.entry((address.port(), family)).or_default();
        let (own, other) = match address.ip().is_unspecified() {
            true => (&mut port.every, &port.one),
            false => (&mut port.one, &port.every),
        };
        if let Some((first, span)) = other {
            let (every, one) =
                if address.ip().is_unspecified() { (address, *first) } else { (*first, address) };
            let flaw = Flaw::new(
                Code::Conflict,
                format!("{one} is listened on twice: {every} includes it"),
                "here",
                "give one of them another port, or remove the narrower one",
            );
            node.report_with(flaw, &[(span.clone(), "and here")]);
        }
        own.get_or_insert((address, node.span()));
    }
}

/// The two families of addresses, which share no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
}

/// Who listens on a port: on every address, and on the first that stands alone.
#[derive(Default)]
struct Port {
    every: Option<(SocketAddr, Range<usize>)>,
    one: Option<(SocketAddr, Range<usize>)>,
}

/// Reads each of `nodes` and refuses what was there before: `identity` tells when two are the
/// same, `noun` what they are.
pub(crate) fn distinct<'a, T, K: Eq + Hash>(
    nodes: impl Iterator<Item = Node<'a>>,
    noun: &str,
    read: impl Fn(&Node<'a>) -> Option<T>,
    identity: impl Fn(&T) -> K,
) -> Vec<T> {
    let mut seen = Seen::default();
    let mut items = Vec::new();
    for node in nodes {
        let Some(item) = read(&node) else {
            continue;
        };
        match seen.insert(identity(&item), node.span()) {
            Some(first) => {
                let what = format!("the same {noun} twice");
                let flaw = Flaw::new(Code::Duplicate, what, "here again", "keep one of them");
                node.report_with(flaw, &[(first, "here first")]);
            }
            None => items.push(item),
        }
    }
    items
}

/// Reads a list of networks. Bits behind the prefix mean nothing and are taken away, with a
/// warning.
pub(crate) fn networks(node: &Node<'_>) -> Vec<ipnet::IpNet> {
    let read = |item: &Node<'_>| {
        let network = item.parse(crate::value::network::parse)?;
        if network != network.trunc() {
            item.report(Flaw::new(
                Code::NoEffect,
                format!("{network} has bits behind its prefix"),
                format!("it is the same as {}", network.trunc()),
                format!(
                    "write \"{}\", or \"{}\" for this address alone",
                    network.trunc(),
                    network.addr()
                ),
            ));
        }
        Some(network.trunc())
    };
    distinct(node.items(), "network", read, |network| *network)
}

/// The number as the model wants it; the description of its key has bounded it.
pub(crate) fn narrow<T: TryFrom<u64>>(count: u64) -> Option<T> {
    T::try_from(count).ok()
}

/// The table at `key`, if it is there and a table.
pub(crate) fn optional<T>(
    section: &Section<'_>,
    key: &'static str,
    read: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Option<T> {
    let node = section.node(key)?;
    let inner = node.section()?;
    read(&inner)
}
