//! `targets` of a service: where the instances are that Plimsoll does not run.

use std::cell::RefCell;
use std::ops::Range;

use model::{InstanceName, Scheme, Target};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct, narrow, own};
use crate::schema::{Absent, Empty, Format, Key, Shape, Table, WEIGHT};
use crate::section::Section;
use crate::value::address;

use super::WE_RUN;

const ORIGIN: Format =
    Format { noun: "an address or a name with a port", pattern: Some(r":[0-9]+$|^https://.") };

/// An address alone, or with more.
static EACH: Shape = Shape::Either(&[Shape::Text(&ORIGIN), Shape::Table(&TARGET)]);

pub(crate) const KEY: Key = Key::new(
    "targets",
    Shape::List { of: &EACH, empty: Empty::Refused },
    Absent::Means("Plimsoll runs the instances itself, by `command` or `image`"),
    "[\"10.0.0.11:8080\", { address = \"10.0.0.12:8080\", weight = 3 }]",
    "Where the instances are. A name stands for every address it resolves to, and is looked \
     up again when its TTL expires. `https://` before all of them is short for `tls = true`, and for port 443 where none is named.",
)
.aka(&[
    "target",
    "servers",
    "server",
    "upstreams",
    "backends",
    "addresses",
    "endpoints",
    "instances",
]);

pub(crate) static TARGET: Table = Table {
    header: "[[services.NAME.targets]]",
    noun: "a target",
    doc: "One instance, or all that a name resolves to. A text is short for a table with only its \
          `address`.",
    keys: &[
        Key::new(
            "address",
            Shape::Text(&ORIGIN),
            Absent::Fault,
            "\"10.0.0.11:8080\"",
            "Where it is.",
        )
        .aka(&["addr", "host", "url", "target", "server", "port"]),
        Key::new(
            "weight",
            WEIGHT,
            Absent::Count(1),
            "3",
            "Its share relative to the other targets; 0 gets nothing.",
        ),
        Key::new(
            "backup",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Gets traffic only when no other target can.",
        ),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>, context: &Context<'_>) -> Targets {
    let runs_them = WE_RUN.iter().any(|key| section.has(key));
    let node = match runs_them {
        true => section.node("targets"),
        false => section.require("targets"),
    };
    let Some(node) = node else {
        return Targets { of: Vec::new(), scheme: Scheme::Http };
    };
    let same = |target: &Target| (target.host.clone(), target.port);
    let firsts = RefCell::<Firsts>::default();
    let read =
        |node: &Node<'_>| target(node, &firsts).inspect(|target| own::warn(node, target, context));
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
    Targets { of: targets, scheme: firsts.into_inner().scheme(&node) }
}

/// Where the instances are that Plimsoll does not run.
pub(crate) struct Targets {
    pub(crate) of: Vec<Target>,
    /// `Https` where that stands before each of them.
    pub(crate) scheme: Scheme,
}

const HTTPS: &str = "https://";

/// Where the first target stands of those with `https://` before them, and of those without.
#[derive(Default)]
struct Firsts {
    secured: Option<Range<usize>>,
    clear: Option<Range<usize>>,
}

impl Firsts {
    fn note(&mut self, node: &Node<'_>, text: &str) {
        let first = if text.starts_with(HTTPS) { &mut self.secured } else { &mut self.clear };
        first.get_or_insert(node.span());
    }

    /// What all targets of `node` are: the same.
    fn scheme(self, node: &Node<'_>) -> Scheme {
        match self {
            Self { secured: Some(secured), clear: Some(clear) } => {
                let flaw = Flaw::new(
                    Code::Conflict,
                    "some targets are `https://`, and others are not",
                    "the instances of a service are all spoken to in the same way",
                    "write `https://` before all of them, or make two services of them",
                );
                node.report_with(flaw, &[(secured, "over TLS"), (clear, "in the clear")]);
                Scheme::Https
            }
            Self { secured: Some(_), clear: None } => Scheme::Https,
            Self { secured: None, .. } => Scheme::Http,
        }
    }
}

fn target(node: &Node<'_>, firsts: &RefCell<Firsts>) -> Option<Target> {
    let of_address = |node: &Node<'_>, weight, backup| {
        let (name, host, port) = node.parse(|text| {
            firsts.borrow_mut().note(node, text);
            let name = plain(text);
            let (host, port) = address::parse_target(&name)?;
            Ok((name, host, port))
        })?;
        Some(Target { name: InstanceName::from(name), host, port, weight, backup })
    };
    if !node.is_table() {
        return of_address(node, 1, false);
    }
    let section = node.section()?;
    let backup = section.flag("backup");
    let weight = section.count("weight");
    of_address(&section.require("address")?, narrow(weight)?, backup)
}

/// The address with its port in `text`, which may be a URL of HTTPS without a path.
fn plain(text: &str) -> String {
    let Some(authority) = text.strip_prefix(HTTPS) else { return text.to_owned() };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    match has_port || authority.is_empty() || authority.contains('/') {
        true => authority.to_owned(),
        false => format!("{authority}:{}", Scheme::Https.usual_port()),
    }
}
