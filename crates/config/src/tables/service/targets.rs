//! `targets` of a service: where the instances are that Plimsoll does not run.

use model::{InstanceName, Target};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct, narrow, own};
use crate::schema::{Absent, Empty, Format, Key, Shape, Table, WEIGHT};
use crate::section::Section;
use crate::value::address;

use super::RUNS;

const ORIGIN: Format =
    Format { noun: "an address or a name with a port", pattern: Some(r":[0-9]+$") };

/// An address alone, or with more.
static EACH: Shape = Shape::Either(&[Shape::Text(&ORIGIN), Shape::Table(&TARGET)]);

pub(crate) const KEY: Key = Key::new(
    "targets",
    Shape::List { of: &EACH, empty: Empty::Refused },
    Absent::Means("Plimsoll runs the instances itself, by `command`"),
    "[\"10.0.0.11:8080\", { address = \"10.0.0.12:8080\", weight = 3 }]",
    "Where the instances are. A name stands for every address it resolves to, and is looked \
     up again when its TTL expires.",
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
    "hosts",
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

pub(crate) fn read(section: &Section<'_>, context: &Context<'_>) -> Vec<Target> {
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
        return address(node, 1, Backup::No);
    }
    let section = node.section()?;
    let backup = if section.flag("backup") { Backup::Yes } else { Backup::No };
    let weight = section.count("weight");
    address(&section.require("address")?, narrow(weight)?, backup)
}

/// Whether a target is only for when no other is left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backup {
    Yes,
    No,
}

fn address(node: &Node<'_>, weight: u32, backup: Backup) -> Option<Target> {
    let backup = backup == Backup::Yes;
    let (host, port) = node.parse(address::parse_target)?;
    Some(Target { name: InstanceName::from(node.text()?), host, port, weight, backup })
}
