//! `[listeners.NAME]`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use model::{Listener, ListenerName, Protocol};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct, networks, optional};
use crate::schema::{ADDRESS, Absent, Empty, Key, Later, NETWORK, Shape, Table};
use crate::section::Section;
use crate::value::{address, name};

use redirect_https::Https;

mod client_auth;
pub(crate) mod limits;
pub(crate) mod proxy_protocol;
pub(crate) mod redirect_https;
pub(crate) mod timeouts;
pub(crate) mod tls;

/// What a name stands for.
static EACH: Shape = Shape::Table(&LISTENER);

pub(crate) const KEY: Key = Key::new(
    "listeners",
    Shape::Names { names: "NAME", of: &EACH },
    Absent::Fault,
    "{ web = { bind = \"0.0.0.0:8080\" } }",
    "Where clients connect; at least one.",
)
.aka(&["frontend", "frontends", "entrypoints", "entryPoints", "bind", "listen"]);

pub(crate) static LISTENER: Table = Table {
    header: "[listeners.NAME]",
    noun: "a listener",
    doc: "One or several addresses that clients connect to. Names of listeners and services are \
    made \
          of letters, digits, `-` and `_`.",
    keys: &[
        Key::new(
            "bind",
            Shape::Either(&[
                Shape::Text(&ADDRESS),
                Shape::List { of: &Shape::Text(&ADDRESS), empty: Empty::Refused },
            ]),
            Absent::Fault,
            "\"0.0.0.0:8080\"",
            "Where it listens: an IP address with a port, or a list of them. Port 0 is any free \
             one.",
        )
        .aka(&["listen", "address", "addr", "port", "host"]),
        Key::new(
            "protocols",
            Shape::List { of: &Shape::Word(&["h1", "h2"], PROTOCOLS_LATER), empty: Empty::Refused },
            Absent::Texts(&["h1", "h2"]),
            "[\"h1\", \"h2\"]",
            "The versions of HTTP that it speaks. `h2` is chosen by ALPN over TLS, by prior \
             knowledge \
             on clear text.",
        )
        .aka(&["protocol", "http2", "alpn"]),
        tls::KEY,
        redirect_https::KEY,
        Key::new(
            "trusted_proxies",
            Shape::List { of: &Shape::Text(&NETWORK), empty: Empty::Allowed },
            Absent::Texts(&[]),
            "[\"10.0.0.0/8\"]",
            "The networks whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed; \
             none by default. The connection's own address counts, never one that the PROXY \
             protocol names: \
             a balancer that passes bytes on belongs in `proxy_protocol.from`, one that writes \
             these headers belongs here.",
        )
        .aka(&["set_real_ip_from", "real_ip", "trusted_ips", "forwarded_headers"]),
        proxy_protocol::KEY,
        limits::KEY,
        timeouts::KEY,
    ],
    later: &[],
};

static PROTOCOLS_LATER: &[Later] = &[Later { name: "h3", what: "HTTP/3" }];

/// Reads all listeners; those without a name or with too large a number are left out.
pub(crate) fn read(
    root: &Section<'_>,
    context: &mut Context<'_>,
) -> BTreeMap<ListenerName, Arc<Listener>> {
    let node = root.node(KEY.name);
    let Some(names) = node.as_ref().map(Node::names).unwrap_or_default() else {
        if node.is_none() && !root.is_meant("listeners") {
            refuse_none(root);
        }
        return BTreeMap::new();
    };
    if names.is_empty() {
        refuse_none(root);
    }
    let entries: Vec<_> = names.iter().collect();
    let https = match entries.iter().any(|entry| entry.node.has("tls")) {
        true => Https::Served,
        false => Https::Unknown,
    };
    let mut read = Vec::new();
    for entry in &entries {
        let name = entry.parse(|text| name::parse(text).map(ListenerName::from));
        let Some(section) = entry.node.section() else {
            continue;
        };
        let listener = listener(&section, name, context);
        read.push((section, listener));
    }
    let secure = read.iter().filter_map(|(_, listener)| listener.as_ref()).filter(|it| it.is_tls());
    let ports: BTreeSet<u16> =
        secure.flat_map(|listener| &listener.bind).map(SocketAddr::port).collect();
    let mut found = BTreeMap::new();
    for (section, listener) in read {
        let redirect_https = redirect_https::read(&section, https, &ports);
        found.extend(listener.map(|listener| {
            let listener = Listener { redirect_https, ..listener };
            (listener.name.clone(), Arc::new(listener))
        }));
    }
    found
}

fn refuse_none(root: &Section<'_>) {
    root.report(Flaw::new(
        Code::Missing,
        "there is no listener",
        "nothing would ever arrive",
        "add one: `[listeners.web]`, and below it `bind = \"0.0.0.0:8080\"`",
    ));
}

fn listener(
    section: &Section<'_>,
    name: Option<ListenerName>,
    context: &mut Context<'_>,
) -> Option<Listener> {
    let bind = bind(section, context);
    let tls = optional(section, "tls", |table| Some(tls::read(table, name.as_ref(), context)));
    let tls::Tls { certificates, ordered, client_auth } = tls.unwrap_or_default();
    let trusted_proxies = section.node("trusted_proxies").map(|node| trusted(&node));
    let proxy_protocol = proxy_protocol::read(section);
    let protocols = protocols(section);
    let limits = section.section("limits", limits::read);
    let timeouts = section.section("timeouts", timeouts::read);
    Some(Listener {
        name: name?,
        bind,
        protocols,
        certificates,
        ordered,
        // Found once the routes are known.
        nameless: None,
        client_auth,
        // Found once all others are known.
        redirect_https: None,
        trusted_proxies: trusted_proxies.unwrap_or_default(),
        proxy_protocol,
        limits: limits?,
        timeouts,
    })
}

fn bind(section: &Section<'_>, context: &mut Context<'_>) -> Vec<SocketAddr> {
    let Some(node) = section.require("bind") else {
        return Vec::new();
    };
    let mut addresses = Vec::new();
    for item in node.one_or_many() {
        if let Some(address) = item.parse(address::parse_bind) {
            context.bind(&item, address);
            addresses.push(address);
        }
    }
    addresses
}

fn protocols(section: &Section<'_>) -> Vec<Protocol> {
    let default = || section.default_texts("protocols").iter().filter_map(|word| protocol(word));
    match section.node("protocols") {
        Some(node) => {
            let read = |item: &Node<'_>| item.word(protocol);
            distinct(node.items(), "protocol", read, |protocol| *protocol == Protocol::H2)
        }
        None => default().collect(),
    }
}

fn protocol(word: &str) -> Option<Protocol> {
    match word {
        "h1" => Some(Protocol::H1),
        "h2" => Some(Protocol::H2),
        _ => None,
    }
}

fn trusted(node: &Node<'_>) -> Vec<IpNet> {
    let networks = networks(node);
    if networks.iter().any(|network| network.prefix_len() == 0) {
        node.report(Flaw::new(
            Code::Risky,
            "every client is trusted to say who it is",
            "anyone can claim any address in `X-Forwarded-For`",
            "name only the networks that your own proxies are in",
        ));
    }
    networks
}
