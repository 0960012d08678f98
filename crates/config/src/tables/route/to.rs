//! `to` of a route: the service, or several with their shares.

use std::collections::BTreeMap;

use model::{Destination, ServiceName, Share};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, narrow};
use crate::schema::{Absent, Format, Key, Shape, WEIGHT};
use crate::section::Names;
use crate::value::shown;

const SERVICE_NAME: Format = Format { noun: "a service's name", pattern: Some("^[A-Za-z0-9_-]+$") };

pub(crate) const KEY: Key = Key::new(
    "to",
    Shape::Either(&[Shape::Text(&SERVICE_NAME), Shape::Names { names: "SERVICE", of: &WEIGHT }]),
    Absent::Means("`redirect` or `respond` must be there"),
    "\"api\"",
    "The service, or several with their weights.",
)
.aka(&["service", "services", "backend", "upstream", "proxy_pass", "target", "forward"]);

pub(crate) fn read(node: &Node<'_>, context: &mut Context<'_>) -> Option<Destination> {
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
        if self.workers.contains(name) {
            report(Flaw::new(
                Code::Conflict,
                format!("the service `{}` gets no requests", shown(name)),
                "it is a worker: it says `http = false`",
                "take that out, or let the route lead to another service",
            ));
            return None;
        }
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
