//! Warns of sticky cookies that do not keep a client where it is: two services that a client meets at one
//! host under one cookie's name, and services that share requests of which only some keep their clients.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Action, HostMatch, Route, Service, ServiceName, Sticky};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::section::{Name, Names, Section};

type Services = BTreeMap<ServiceName, Arc<Service>>;

/// Looks at each service beside those that stand before it.
pub(crate) fn warn(root: &Section<'_>, services: &Services, routes: &[Arc<Route>]) {
    let node = root.node("services");
    let names = node.as_ref().and_then(Node::names_quietly);
    let mut before: Vec<Keeper<'_>> = Vec::new();
    for entry in names.iter().flat_map(Names::iter) {
        let Some(service) = services.get(entry.text) else { continue };
        match &service.sticky {
            None => warn_of_share(&entry, services, routes),
            Some(sticky) => {
                let own = Keeper { service: service.name.as_str(), sticky };
                let same = before.iter().find(|other| {
                    other.sticky.cookie == sticky.cookie && meet(routes, **other, own)
                });
                if let Some(other) = same {
                    warn_of_name(&entry, other.service, sticky);
                }
                before.push(own);
            }
        }
    }
}

fn warn_of_name(entry: &Name<'_>, other: &str, sticky: &Sticky) {
    entry.report(Flaw::new(
        Code::Risky,
        format!(
            "`{other}` and `{}` keep their clients by one cookie, `{}`",
            entry.text, sticky.cookie
        ),
        "a client that meets both at one host has one of them forgotten with each request",
        "give each a `cookie` of its own; without the key it is `plimsoll-NAME`",
    ));
}

/// A service without a cookie that shares a route with one that has one: whoever once comes to the other
/// stays there, so that in the end all do.
fn warn_of_share(entry: &Name<'_>, services: &Services, routes: &[Arc<Route>]) {
    let is_sticky = |name: &ServiceName| services.get(name).is_some_and(|it| it.sticky.is_some());
    let shared = routes.iter().filter_map(|route| match &route.action {
        Action::Forward(to) => Some(&to.shares),
        _ => None,
    });
    let with = shared
        .filter(|shares| shares.iter().any(|share| share.service.as_str() == entry.text))
        .flatten()
        .find(|share| is_sticky(&share.service));
    if let Some(other) = with {
        entry.report(Flaw::new(
            Code::NoEffect,
            format!("`{}` shares requests with `{}`, which alone keeps its clients", entry.text, other.service),
            "a client of this service is drawn anew with each request, and stays once it comes to the other",
            "give both `sticky = {}`, or neither",
        ));
    }
}

/// A service and the cookie by which it keeps its clients.
#[derive(Clone, Copy)]
struct Keeper<'a> {
    service: &'a str,
    sticky: &'a Sticky,
}

/// Whether a client sends both services' cookies with one request: their routes, or the domains of their
/// cookies, have a host in common, and so have the cookies' paths.
fn meet(routes: &[Arc<Route>], one: Keeper<'_>, other: Keeper<'_>) -> bool {
    let below = |path: &str, top: &str| path.starts_with(top.trim_end_matches('/'));
    let (a, b) = (&one.sticky.path, &other.sticky.path);
    let (ones, others) = (hosts(routes, one), hosts(routes, other));
    (below(a, b) || below(b, a))
        && ones.iter().any(|host| others.iter().any(|other| overlap(host, other)))
}

/// The hosts at which a client gets, and sends, the cookie; `None` stands for any.
fn hosts(routes: &[Arc<Route>], keeper: Keeper<'_>) -> Vec<Option<HostMatch>> {
    let leads_there = |route: &&Arc<Route>| match &route.action {
        Action::Forward(to) => {
            to.shares.iter().any(|share| share.service.as_str() == keeper.service)
        }
        _ => false,
    };
    let mut hosts: Vec<Option<HostMatch>> = Vec::new();
    for route in routes.iter().filter(leads_there) {
        match route.matcher.hosts.is_empty() {
            true => hosts.push(None),
            false => hosts.extend(route.matcher.hosts.iter().cloned().map(Some)),
        }
    }
    for domain in keeper.sticky.domain.iter().cloned() {
        hosts.extend([HostMatch::Exact(domain.clone()), HostMatch::Wildcard(domain)].map(Some));
    }
    hosts
}

fn overlap(one: &Option<HostMatch>, other: &Option<HostMatch>) -> bool {
    let is_below =
        |name: &str, top: &str| name.strip_suffix(top).is_some_and(|rest| rest.ends_with('.'));
    match (one, other) {
        (None, _) | (_, None) => true,
        (Some(HostMatch::Exact(one)), Some(HostMatch::Exact(other))) => one == other,
        (Some(HostMatch::Exact(name)), Some(HostMatch::Wildcard(top)))
        | (Some(HostMatch::Wildcard(top)), Some(HostMatch::Exact(name))) => is_below(name, top),
        (Some(HostMatch::Wildcard(one)), Some(HostMatch::Wildcard(other))) => {
            one == other || is_below(one, other) || is_below(other, one)
        }
    }
}
