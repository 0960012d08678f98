//! Reads `[listeners.NAME]`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use ipnet::IpNet;
use model::{
    Listener, ListenerLimits, ListenerName, ListenerTimeouts, Protocol, ProxyProtocol,
    TlsCertificate,
};

use super::{Context, distinct, file, narrow, networks, optional};
use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::section::Section;
use crate::value::{address, name};

/// The port of `https` where no other is named.
const HTTPS: NonZeroU16 = NonZeroU16::new(443).expect("it is not zero");

/// Reads all listeners; those without a name or with too large a number are left out.
pub(super) fn listeners(
    root: &Section<'_>,
    context: &mut Context<'_>,
) -> BTreeMap<ListenerName, Arc<Listener>> {
    let node = root.node("listeners");
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
        let redirect_https = redirect(&section, https, &ports);
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
    let origin = context.origin;
    let certificates = optional(section, "tls", |tls| Some(certificates(tls, origin)));
    let trusted_proxies = section.node("trusted_proxies").map(|node| trusted(&node));
    let proxy_protocol = proxy_protocol(section);
    let protocols = protocols(section);
    let limits = section.section("limits", limits);
    let timeouts = section.section("timeouts", timeouts);
    Some(Listener {
        name: name?,
        bind,
        protocols,
        certificates: certificates.unwrap_or_default(),
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

fn certificates(tls: &Section<'_>, origin: &Origin) -> Vec<TlsCertificate> {
    let node = match tls.has_later() {
        true => tls.node("certificates"),
        false => tls.require("certificates"),
    };
    let Some(node) = node else {
        return Vec::new();
    };
    node.items().filter_map(|item| certificate(&item.section()?, origin)).collect()
}

fn certificate(section: &Section<'_>, origin: &Origin) -> Option<TlsCertificate> {
    let cert = section.require("cert");
    let cert = cert.and_then(|node| file::existing(&node, "the certificate", origin));
    let key = section.require("key");
    let key = key.and_then(|node| file::existing(&node, "the private key", origin));
    Some(TlsCertificate { cert: cert?, key: key? })
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

/// Whether clients that are redirected to `https` find it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Https {
    /// A listener speaks it, or the file says the port.
    Served,
    Unknown,
}

/// Where requests are redirected to `https`. `ports` are those of the file's TLS listeners.
fn redirect(section: &Section<'_>, https: Https, ports: &BTreeSet<u16>) -> Option<NonZeroU16> {
    let node = section.node("redirect_https")?;
    if !node.is_flag() {
        let port = node.count().and_then(|port| NonZeroU16::new(u16::try_from(port).ok()?));
        if port.is_some() {
            check_redirect(section, Https::Served);
        }
        return port;
    }
    if !node.flag()? {
        return None;
    }
    check_redirect(section, https);
    let mut known = ports.iter().copied().filter_map(NonZeroU16::new);
    match (known.next(), known.next()) {
        (Some(port), None) => Some(port),
        (Some(_), Some(_)) if !ports.contains(&HTTPS.get()) => {
            section.report_at(
                "redirect_https",
                Flaw::new(
                    Code::Conflict,
                    "the port of `https` is not clear",
                    "TLS is spoken at several ports, and none of them is 443",
                    "write the port, such as `redirect_https = 8443`",
                ),
                &[],
            );
            None
        }
        _ => Some(HTTPS),
    }
}

fn proxy_protocol(section: &Section<'_>) -> ProxyProtocol {
    let Some(node) = section.node("proxy_protocol") else {
        return ProxyProtocol::Off;
    };
    if node.is_table() {
        let from = node.section().and_then(|table| Some(networks(&table.require("from")?)));
        return from.map(ProxyProtocol::From).unwrap_or_default();
    }
    if node.flag() != Some(true) {
        return ProxyProtocol::Off;
    }
    node.report(Flaw::new(
        Code::Risky,
        "everybody is believed when it says by the PROXY protocol who its client is",
        "any client can name an address that passes every `from`",
        "name the balancers that send it: `proxy_protocol = { from = [\"10.0.0.0/8\"] }`",
    ));
    ProxyProtocol::FromAnyone
}

/// A redirect to `https` needs clear text here and TLS elsewhere.
fn check_redirect(section: &Section<'_>, https: Https) {
    if let Some(tls) = section.entry_span("tls") {
        let flaw = Flaw::new(
            Code::Conflict,
            "a TLS listener cannot redirect to `https`",
            "what arrives here is `https` already",
            "move `redirect_https` to a listener on port 80 without `tls`",
        );
        section.report_at("redirect_https", flaw, &[(tls, "TLS is spoken here")]);
    } else if https == Https::Unknown {
        let flaw = Flaw::new(
            Code::NoEffect,
            "clients are redirected to `https`, but no listener speaks TLS",
            "nothing listens there, unless another program does",
            "add a listener with `tls`, or write the other program's port: `redirect_https = 443`",
        );
        section.report_at("redirect_https", flaw, &[]);
    }
}

/// Of a listener's connections one client may have this part, unless the file says how many.
const SHARE_OF_ONE: usize = 4;

fn limits(limits: &Section<'_>) -> Option<ListenerLimits> {
    let connections: usize = narrow(limits.count("connections"))?;
    let per_client = limits.node("connections_per_client").and_then(|node| node.count());
    let per_client = per_client.and_then(narrow::<usize>);
    Some(ListenerLimits {
        header_bytes: narrow(limits.size("header_bytes"))?,
        headers: narrow(limits.count("headers"))?,
        body: limits.body_limit("body"),
        connections,
        connections_per_client: per_client.unwrap_or(connections.div_ceil(SHARE_OF_ONE)),
    })
}

fn timeouts(timeouts: &Section<'_>) -> ListenerTimeouts {
    ListenerTimeouts {
        header: timeouts.duration("header"),
        body_idle: timeouts.duration("body_idle"),
        body_progress: timeouts.size("body_progress"),
        idle: timeouts.duration("idle"),
        write_idle: timeouts.duration("write_idle"),
    }
}
