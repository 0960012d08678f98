//! Reads `[listeners.NAME]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use model::{Listener, ListenerLimits, ListenerName, ListenerTimeouts, Protocol, TlsCertificate};

use super::{Context, distinct, file, narrow, networks, optional};
use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::section::Section;
use crate::value::{address, name};

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
    let any_tls = names.iter().any(|entry| entry.node.has("tls"));
    let mut found = BTreeMap::new();
    for entry in names.iter() {
        let name = entry.parse(|text| name::parse(text).map(ListenerName::from));
        let Some(section) = entry.node.section() else {
            continue;
        };
        let listener = listener(&section, name, context);
        if listener.as_ref().is_some_and(|listener| listener.redirect_https) {
            check_redirect(&section, any_tls);
        }
        found.extend(listener.map(|listener| (listener.name.clone(), Arc::new(listener))));
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
    let protocols = protocols(section);
    let limits = section.section("limits", limits);
    let timeouts = section.section("timeouts", timeouts);
    Some(Listener {
        name: name?,
        bind,
        protocols,
        certificates: certificates.unwrap_or_default(),
        redirect_https: section.flag("redirect_https"),
        trusted_proxies: trusted_proxies.unwrap_or_default(),
        proxy_protocol: section.flag("proxy_protocol"),
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

/// A redirect to `https` needs clear text here and TLS elsewhere.
fn check_redirect(section: &Section<'_>, any_tls: bool) {
    if let Some(tls) = section.entry_span("tls") {
        let flaw = Flaw::new(
            Code::Conflict,
            "a TLS listener cannot redirect to `https`",
            "what arrives here is `https` already",
            "move `redirect_https` to a listener on port 80 without `tls`",
        );
        section.report_at("redirect_https", flaw, &[(tls, "TLS is spoken here")]);
    } else if !any_tls {
        let flaw = Flaw::new(
            Code::NoEffect,
            "clients are redirected to `https`, but no listener speaks TLS",
            "they arrive nowhere, unless another program answers on port 443",
            "add a listener with `tls`, or take `redirect_https` out",
        );
        section.report_at("redirect_https", flaw, &[]);
    }
}

fn limits(limits: &Section<'_>) -> Option<ListenerLimits> {
    Some(ListenerLimits {
        header_bytes: narrow(limits.size("header_bytes"))?,
        headers: narrow(limits.count("headers"))?,
        body: limits.body_limit("body"),
        connections: narrow(limits.count("connections"))?,
    })
}

fn timeouts(timeouts: &Section<'_>) -> ListenerTimeouts {
    ListenerTimeouts {
        header: timeouts.duration("header"),
        body_idle: timeouts.duration("body_idle"),
        idle: timeouts.duration("idle"),
        write_idle: timeouts.duration("write_idle"),
    }
}
