//! `[services.NAME]`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use model::{Service, ServiceName, UpstreamProtocol};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, narrow, optional};
use crate::schema::{Absent, Key, Later, Shape, TIMEOUT, Table};
use crate::section::{Names, Section};
use crate::value::{name, shown};

use super::defaults;

pub(crate) mod balance;
pub(crate) mod command;
pub(crate) mod deploy;
pub(crate) mod env;
pub(crate) mod health;
pub(crate) mod hosts;
pub(crate) mod image;
pub(crate) mod keep_alive;
pub(crate) mod outliers;
pub(crate) mod passive;
pub(crate) mod queue;
pub(crate) mod resources;
pub(crate) mod restart;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod sticky;
pub(crate) mod stop;
pub(crate) mod targets;
pub(crate) mod timeouts;
pub(crate) mod tls;
pub(crate) mod user;
pub(crate) mod violations;
pub(crate) mod worker;

/// What a name stands for.
static EACH: Shape = Shape::Table(&SERVICE);

pub(crate) const KEY: Key = Key::new(
    "services",
    Shape::Names { names: "NAME", of: &EACH },
    Absent::Means("none; the routes redirect or respond themselves"),
    "{ api = { targets = [\"10.0.0.11:8080\"] } }",
    "The groups of instances that requests go to.",
)
.aka(&["backend", "backends", "upstream", "upstreams", "cluster", "clusters"]);

pub(crate) static SERVICE: Table = Table {
    header: "[services.NAME]",
    noun: "a service",
    doc: "A group of instances that do the same, and how requests are spread over them.",
    keys: &[
        targets::KEY,
        Key::new(
            "protocol",
            Shape::Word(&["h1", "h2"], &[Later { name: "h3", what: "HTTP/3" }]),
            Absent::Text("h1"),
            "\"h1\"",
            "The protocol to the instances: HTTP/1.1, or HTTP/2, as gRPC servers speak it: on clear text by prior \
             knowledge, with `tls` agreed on in the handshake (ALPN).",
        )
        .aka(&["protocols", "grpc", "http2"]),
        tls::KEY,
        violations::KEY,
        balance::KEY,
        sticky::KEY,
        Key::new(
            "slow_start",
            TIMEOUT,
            Absent::Means("off: an instance gets its full share at once"),
            "\"10s\"",
            "How long a new instance takes from its first share of the traffic to its full one.",
        )
        .aka(&["slowstart", "warmup", "ramp"]),
        Key::new(
            "max_connections",
            Shape::Count(1..=1_000_000),
            Absent::Means("no limit"),
            "200",
            "The most requests in flight on one instance; more wait in the queue.",
        )
        .aka(&["max_conns", "maxconn", "connections", "concurrency"]),
        queue::KEY,
        health::KEY,
        passive::KEY,
        outliers::KEY,
        retry::KEY,
        keep_alive::KEY,
        timeouts::KEY,
        command::KEY,
        image::KEY,
        image::PORT_KEY,
        image::VOLUMES_KEY,
        image::NETWORK_KEY,
        hosts::KEY,
        resources::KEY,
        run::VERSION_KEY,
        run::REPLICAS_KEY,
        run::DIRECTORY_KEY,
        worker::HTTP_KEY,
        worker::READY_AFTER_KEY,
        env::KEY,
        env::FILE_KEY,
        env::SECRETS_KEY,
        user::KEY,
        env::INHERIT_KEY,
        deploy::KEY,
        stop::KEY,
        restart::KEY,
        defaults::OWN_KEY,
    ],
    later: &[Later { name: "engine", what: "another engine than each machine's Docker" }],
};

/// What stands for `targets` where Plimsoll runs the instances.
pub(crate) const WE_RUN: &[&str] = &["command", "image"];

/// By which of those Plimsoll runs the instances of a service that `has` some keys; with `image` its `command` runs within.
pub(crate) fn way(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    WE_RUN.iter().rev().copied().find(|key| has(key))
}

/// Whether Plimsoll runs the instances of a service.
pub(crate) fn is_run(section: &Section<'_>) -> bool {
    way(|key| section.has(key)).is_some()
}

/// Whether a service that `has` some keys can have this one, too: what belongs to a process does not belong to a container that runs
/// another command than its image says.
pub(crate) fn goes_with(key: &Key, has: impl Fn(&str) -> bool) -> bool {
    let is_had = |needed: &&str| match WE_RUN.contains(needed) {
        true => way(&has) == Some(*needed),
        false => has(needed),
    };
    key.needs.is_empty() || key.needs.iter().any(is_had)
}

/// Reads all services, and notes their names for the routes.
pub(crate) fn read(
    root: &Section<'_>,
    context: &mut Context<'_>,
) -> BTreeMap<ServiceName, Arc<Service>> {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names);
    let mut found = BTreeMap::new();
    for entry in names.iter().flat_map(Names::iter) {
        let name = entry.parse(|text| name::parse(text).map(ServiceName::from));
        context.services.insert(ServiceName::from(entry.text));
        let Some(section) = entry.node.section() else {
            continue;
        };
        if worker::is_one(&section) {
            context.workers.insert(ServiceName::from(entry.text));
        }
        let service = service(&section, name, context);
        found.extend(service.map(|service| (service.name.clone(), Arc::new(service))));
    }
    found
}

/// Warns of services that no route leads to.
pub(crate) fn warn_of_unused(root: &Section<'_>, context: &Context<'_>) {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names_quietly);
    for entry in names.iter().flat_map(Names::iter) {
        if !context.used.contains(entry.text) && !context.workers.contains(entry.text) {
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
    let targets = targets::read(section, context);
    let run = run::read(section, context.origin);
    let sticky = optional(section, "sticky", |table| sticky::read(table, name.as_ref()));
    let slow_start = section.node("slow_start").and_then(|node| node.duration());
    let max_connections = section.node("max_connections").and_then(|node| node.count());
    let health = optional(section, "health", health::read);
    let passive = passive::read(section);
    let queue = section.section("queue", queue::read);
    queue::warn_of_unused(section);
    let retry = section.section("retry", retry::read);
    let balance = balance::read(section);
    let outliers = outliers::read(section, &balance);
    let service = Service {
        name: name?,
        targets: targets.of,
        run,
        protocol: section.word("protocol", protocol),
        tls: tls::read(section, targets.scheme, context.origin),
        violations: violations::read(section),
        balance,
        sticky,
        slow_start,
        max_connections: max_connections.and_then(narrow::<u32>).and_then(NonZeroU32::new),
        queue: queue?,
        health,
        passive,
        outliers,
        retry: retry?,
        keep_alive: section.section("keep_alive", keep_alive::read),
        timeouts: section.section("timeouts", timeouts::read),
    };
    health::refuse_impossible(section, &service);
    worker::refuse_impossible(section, &service);
    Some(service)
}

pub(crate) fn protocol(word: &str) -> Option<UpstreamProtocol> {
    match word {
        "h1" => Some(UpstreamProtocol::H1),
        "h2" => Some(UpstreamProtocol::H2),
        _ => None,
    }
}
