//! Reads `[services.NAME]`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use model::{
    CookieSecurity, InstanceName, KeepAlive, Passive, Queue, Retry, SameSite, Service, ServiceName,
    ServiceTimeouts, Sticky, Target, UpstreamProtocol, Violations,
};

use super::beside::Beside;
use super::{Context, balance, distinct, health, narrow, optional, own, run};
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::schema::RUNS;
use crate::section::{Names, Section};
use crate::value::{address, condition, header, host, name, path, shown};

/// Reads all services, and notes their names for the routes.
pub(super) fn services(
    root: &Section<'_>,
    context: &mut Context<'_>,
) -> BTreeMap<ServiceName, Arc<Service>> {
    let node = root.node("services");
    let names = node.as_ref().and_then(Node::names);
    let mut found = BTreeMap::new();
    for entry in names.iter().flat_map(Names::iter) {
        let name = entry.parse(|text| name::parse(text).map(ServiceName::from));
        context.services.insert(ServiceName::from(entry.text));
        let Some(section) = entry.node.section() else {
            continue;
        };
        let service = service(&section, name, context);
        found.extend(service.map(|service| (service.name.clone(), Arc::new(service))));
    }
    found
}

/// Warns of services that no route leads to.
pub(super) fn warn_of_unused(root: &Section<'_>, context: &Context<'_>) {
    let node = root.node("services");
    let names = node.as_ref().and_then(Node::names_quietly);
    for entry in names.iter().flat_map(Names::iter) {
        if !context.used.contains(entry.text) {
            let name = shown(entry.text);
            entry.report(Flaw::new(
                Code::Unused,
                format!("no route leads to the service `{name}`"),
                "it gets no requests",
                format!("add a route with `to = \"{name}\"`, or remove the service"),
            ));
        }
    }
}

fn service(
    section: &Section<'_>,
    name: Option<ServiceName>,
    context: &Context<'_>,
) -> Option<Service> {
    // It was heeded before anything is read.
    section.flag("defaults");
    let targets = targets(section, context);
    let run = run::run(section);
    let sticky = optional(section, "sticky", |table| sticky(table, name.as_ref()));
    let slow_start = section.node("slow_start").and_then(|node| node.duration());
    let max_connections = section.node("max_connections").and_then(|node| node.count());
    let health = optional(section, "health", health::check);
    let passive = passive(section);
    let queue = section.section("queue", queue);
    // Where Plimsoll runs the instances, requests wait there as well while there is none.
    let is_used = section.has("max_connections") || section.has("command");
    if section.has("queue") && !is_used {
        warn_of_queue(section);
    }
    let retry = section.section("retry", retry);
    let service = Service {
        name: name?,
        targets,
        run,
        protocol: section.word("protocol", protocol),
        violations: violations(section),
        balance: balance::balance(section),
        sticky,
        slow_start,
        max_connections: max_connections.and_then(narrow::<u32>).and_then(NonZeroU32::new),
        queue: queue?,
        health,
        passive,
        retry: retry?,
        keep_alive: section.section("keep_alive", keep_alive),
        timeouts: section.section("timeouts", timeouts),
    };
    health::refuse_impossible(section, &service);
    Some(service)
}

/// Refused unless the file says otherwise, for a protocol that leaves anything to mend.
fn violations(section: &Section<'_>) -> Violations {
    const KEY: &str = "accept_unsafe_violations";
    if !section.flag(KEY) {
        return Violations::Refused;
    }
    if section.word("protocol", protocol) == UpstreamProtocol::H2 {
        let flaw = Flaw::new(
            Code::NoEffect,
            "HTTP/2 leaves nothing to mend",
            "what is accepted are ends of lines, sizes of chunks and codings of HTTP/1.1",
            "remove this, or `protocol = \"h2\"`",
        );
        section.report_at(KEY, flaw, &[]);
    }
    Violations::Accepted
}

fn targets(section: &Section<'_>, context: &Context<'_>) -> Vec<Target> {
    let runs_them = RUNS.iter().any(|key| section.has(key));
    let node = match runs_them {
        true => section.node("targets"),
        false => section.require("targets"),
    };
    let Some(node) = node else {
        return Vec::new();
    };
    let same = |target: &Target| (target.host.clone(), target.port);
    let read = |node: &Node<'_>| target(node).inspect(|target| own::warn(node, target, context));
    let targets = distinct(node.items(), "target", read, same);
    if !targets.is_empty() && targets.iter().all(|target| target.weight == 0) {
        node.report(Flaw::new(
            Code::OutOfRange,
            "every target has the weight 0",
            "none of them would get a request",
            "give at least one a weight of 1 or more",
        ));
    }
    if !targets.is_empty() && targets.iter().all(|target| target.backup) {
        node.report(Flaw::new(
            Code::NoEffect,
            "every target is a backup",
            "there is nothing that they stand in for",
            "remove `backup` where requests should go first",
        ));
    }
    targets
}

fn target(node: &Node<'_>) -> Option<Target> {
    if !node.is_table() {
        return address(node, 1, false);
    }
    let section = node.section()?;
    let (weight, backup) = (section.count("weight"), section.flag("backup"));
    address(&section.require("address")?, narrow(weight)?, backup)
}

fn address(node: &Node<'_>, weight: u32, backup: bool) -> Option<Target> {
    let (host, port) = node.parse(address::parse_target)?;
    Some(Target { name: InstanceName::from(node.text()?), host, port, weight, backup })
}

fn protocol(word: &str) -> Option<UpstreamProtocol> {
    match word {
        "h1" => Some(UpstreamProtocol::H1),
        "h2" => Some(UpstreamProtocol::H2),
        _ => None,
    }
}

/// Reads how the cookie is called, and how it travels. A service without a good name has a fault.
fn sticky(section: &Section<'_>, service: Option<&ServiceName>) -> Option<Sticky> {
    let cookie = match section.node("cookie") {
        Some(node) => node.parse(header::parse_cookie),
        None => service.map(|service| format!("plimsoll-{service}")),
    };
    let sticky = Sticky {
        ttl: section.node("ttl").and_then(|node| node.duration()),
        path: section.parse_or_default("path", path::parse_cookie_path)?,
        domain: section.parse("domain", host::parse_domain),
        same_site: section.word("same_site", same_site),
        secure: section.node("secure").map(|node| secure(&node)).unwrap_or_default(),
        ..Sticky::named(cookie?)
    };
    if sticky.same_site == SameSite::None && sticky.secure == CookieSecurity::Never {
        let flaw = Flaw::new(
            Code::Conflict,
            "browsers accept no cookie of other sites that is not secure",
            "with `same_site = \"none\"` no client would stay",
            "remove `secure`: then it is set where it is needed",
        );
        section.report_at("secure", flaw, &[]);
    }
    Some(sticky)
}

fn same_site(word: &str) -> Option<SameSite> {
    match word {
        "lax" => Some(SameSite::Lax),
        "strict" => Some(SameSite::Strict),
        "none" => Some(SameSite::None),
        _ => None,
    }
}

fn secure(node: &Node<'_>) -> CookieSecurity {
    let word = || node.word(|word| (word == "auto").then_some(CookieSecurity::Auto));
    match node.is_flag() {
        true if node.flag() == Some(true) => CookieSecurity::Always,
        true => CookieSecurity::Never,
        false => word().unwrap_or_default(),
    }
}

fn queue(section: &Section<'_>) -> Option<Queue> {
    let timeout = section.duration("timeout");
    let length = section.count("length");
    if length == 0 {
        let beside = Beside::of(section, "length", "length = 0", "this lets none wait");
        beside.refuse(section, "timeout", "no request waits");
    }
    Some(Queue { length: narrow(length)?, timeout })
}

fn warn_of_queue(section: &Section<'_>) {
    let flaw = Flaw::new(
        Code::NoEffect,
        "a queue without `max_connections` is never used",
        "instances without a limit are never full",
        "set `max_connections`, or remove `queue`",
    );
    section.report_at("queue", flaw, &[]);
}

/// On unless it is switched off.
fn passive(section: &Section<'_>) -> Option<Passive> {
    let read = |section: &Section<'_>| {
        let max_fails = narrow::<u32>(section.count("max_fails")).and_then(NonZeroU32::new);
        let (fail_timeout, max_ejected) =
            (section.duration("fail_timeout"), section.share("max_ejected"));
        Some(Passive { max_fails: max_fails?, fail_timeout, max_ejected })
    };
    match section.node("passive") {
        Some(node) if node.is_flag() && node.flag() == Some(false) => None,
        Some(node) if !node.is_flag() => read(&node.section()?),
        _ => read(&section.absent("passive")),
    }
}

fn retry(section: &Section<'_>) -> Option<Retry> {
    let read = |node: &Node<'_>| node.parse(condition::parse);
    let on = match section.node("on") {
        Some(node) => {
            distinct(node.items(), "condition", read, |condition| format!("{condition:?}"))
        }
        None => {
            let default = section.default_texts("on").iter();
            default.filter_map(|text| condition::parse(text).ok()).collect()
        }
    };
    let (attempts, budget) = (section.count("attempts"), section.share("budget"));
    if attempts == 1 {
        let beside = Beside::of(section, "attempts", "attempts = 1", "this is no retry");
        for key in ["budget", "on"] {
            beside.refuse(section, key, "it says which requests are sent again, and when");
        }
    }
    Some(Retry { attempts: narrow(attempts)?, budget, on })
}

fn keep_alive(section: &Section<'_>) -> KeepAlive {
    KeepAlive { idle: section.duration("idle"), honour_hint: section.flag("honour_hint") }
}

fn timeouts(section: &Section<'_>) -> ServiceTimeouts {
    ServiceTimeouts {
        connect: section.duration("connect"),
        first_byte: section.duration("first_byte"),
        idle: section.duration("idle"),
        tunnel_idle: section.duration("tunnel_idle"),
    }
}
