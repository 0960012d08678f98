//! Reads what happens to a route's requests.

use std::collections::BTreeMap;

use model::{Action, Destination, Redirect, Respond, ServiceName, Share};

use super::{Context, narrow};
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::section::{Names, Section};
use crate::value::{header, location, shown};

/// The keys that say what happens.
const ACTIONS: [&str; 3] = ["to", "redirect", "respond"];

/// Reads what happens to the requests of a route: exactly one thing.
pub(super) fn action(section: &Section<'_>, context: &mut Context<'_>) -> Option<Action> {
    check_number(section);
    let to = section.node("to").map(|node| destination(&node, context));
    let redirect = section.node("redirect").map(|node| redirect(&node, section));
    let respond = section.node("respond").map(|node| respond(&node));
    match (to, redirect, respond) {
        (Some(to), ..) => to.map(Action::Forward),
        (_, Some(redirect), _) => redirect.map(Action::Redirect),
        (.., respond) => respond.flatten().map(Action::Respond),
    }
}

fn check_number(section: &Section<'_>) {
    let mut there = ACTIONS.into_iter().filter(|key| section.has(key));
    let Some(first) = there.next() else {
        let is_meant = ACTIONS.iter().any(|key| section.is_meant(key));
        if !section.has_later() && !is_meant {
            section.report(Flaw::new(
                Code::Missing,
                "the route does not say what happens",
                "none of `to`, `redirect` and `respond` is there",
                "add `to = \"SERVICE\"`",
            ));
        }
        return;
    };
    let span = section.entry_span(first).unwrap_or_else(|| section.span());
    for second in there {
        let flaw = Flaw::new(
            Code::Conflict,
            format!("`{first}` and `{second}` exclude each other"),
            "only one thing can happen to a request",
            "remove one of them, or make two routes",
        );
        section.report_at(second, flaw, &[(span.clone(), "this happens already")]);
    }
}

fn destination(node: &Node<'_>, context: &mut Context<'_>) -> Option<Destination> {
    if !node.is_table() {
        let service = context.service(node.text()?, |flaw| node.report(flaw))?;
        return Some(Destination { shares: vec![Share { service, weight: 1 }] });
    }
    let names = node.names()?;
    if names.is_empty() {
        node.report(Flaw::invalid(
            "`to` names no service",
            "the table is empty",
            "write `to = \"api\"`, or shares such as `to = { api = 90, api-next = 10 }`",
        ));
        return None;
    }
    let mut shares = BTreeMap::new();
    for entry in names.iter() {
        let weight = entry.node.count().and_then(narrow::<u32>);
        let service = context.service(entry.text, |flaw| entry.report(flaw));
        shares.extend(service.zip(weight));
    }
    check_weights(node, &names, &shares);
    let shares = shares.into_iter().map(|(service, weight)| Share { service, weight });
    Some(Destination { shares: shares.collect() })
}

fn check_weights(node: &Node<'_>, names: &Names<'_>, shares: &BTreeMap<ServiceName, u32>) {
    if shares.len() == names.iter().count() && shares.values().all(|weight| *weight == 0) {
        node.report(Flaw::new(
            Code::OutOfRange,
            "every share is 0",
            "no service would get a request",
            "give at least one a share of 1 or more",
        ));
    }
}

impl Context<'_> {
    /// The service `name`, to which a route leads. Where there is none, `report` gets the fault.
    fn service(&mut self, name: &str, report: impl FnOnce(Flaw)) -> Option<ServiceName> {
        if let Some(service) = self.services.get(name) {
            if !self.used.contains(name) {
                self.used.insert(service.clone());
            }
            return Some(service.clone());
        }
        let names = || self.services.iter().map(ServiceName::as_str);
        let hint = if self.services.is_empty() || !self.faults.may_suggest() {
            "define it: `[services.NAME]`, and below it `targets = [...]`".to_owned()
        } else if let Some(meant) = suggest::nearest(name, names()) {
            format!("did you mean `{meant}`?")
        } else {
            format!("there are {}", suggest::listed(names()))
        };
        let what = format!("there is no service `{}`", shown(name));
        report(Flaw::new(Code::UndefinedService, what, "not defined", hint));
        None
    }
}

/// Reads a redirect, for which `route` has the default status.
fn redirect(node: &Node<'_>, route: &Section<'_>) -> Option<Redirect> {
    if !node.is_table() {
        let status = narrow(route.absent("redirect").count("status"))?;
        return Some(Redirect { to: node.parse(location::parse)?, status });
    }
    let section = node.section()?;
    let status = narrow(section.count("status"))?;
    check_redirect_status(&section, status);
    let to = section.require("to").and_then(|node| node.parse(location::parse));
    Some(Redirect { to: to?, status })
}

fn check_redirect_status(section: &Section<'_>, status: u16) {
    if ![301, 302, 303, 307, 308].contains(&status) {
        let flaw = Flaw::new(
            Code::OutOfRange,
            format!("{status} does not redirect"),
            "the statuses that do are 301, 302, 303, 307 and 308",
            "308 is permanent and 307 temporary, and both keep the method; 301 and 302 are their \
             old forms; 303 changes to GET",
        );
        section.report_at("status", flaw, &[]);
    }
}

fn respond(node: &Node<'_>) -> Option<Respond> {
    let section = node.section()?;
    let status = narrow(section.count("status"))?;
    let body = section.parse_or_default("body", |text| Ok(text.to_owned()));
    let content_type = section.parse_or_default("content_type", header::parse_media_type);
    if matches!(status, 204 | 205 | 304) && body.as_ref().is_some_and(|body| !body.is_empty()) {
        let flaw = Flaw::new(
            Code::Conflict,
            format!("a response with status {status} has no body"),
            "it could not be sent",
            "remove `body`, or use another status",
        );
        section.report_at("body", flaw, &[]);
    }
    Some(Respond { status, body: body?, content_type: content_type? })
}
