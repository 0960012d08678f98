//! `[defaults]`: what it may say, and that something takes it. It was taken before anything is read
//! (`assemble`).

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::schema::{Absent, Key, Shape, Table};
use crate::section::Section;

use super::route::ROUTE;
use super::service::SERVICE;

pub(crate) const KEY: Key = Key::new(
    "defaults",
    Shape::Table(&DEFAULTS),
    Absent::Means("none"),
    "{ services = { health = { path = \"/health\" } } }",
    "What each service and each route has unless it says otherwise.",
)
.aka(&["default"]);

pub(crate) static DEFAULTS: Table = Table {
    header: "[defaults]",
    noun: "the defaults",
    doc: "What each service and each route has unless it says otherwise, in whatever file it stands. Tables are merged \
          key by key; any other value, a list too, replaces the default as a whole. Keys of instances that Plimsoll \
          runs go to services with a `command`; `rewrite`, `request_headers` and `body` to routes with `to`. A health \
          check of another kind takes nothing from the default; where a service has a `strategy` or `steps` of its \
          own, the default's `strategy`, `steps` and `surge` are not taken.",
    keys: &[
        Key::new(
            "services",
            Shape::Defaults { of: &SERVICE, but: &["targets", "command", "defaults"] },
            Absent::Means("none"),
            "{ health = { path = \"/health\" } }",
            "The keys of `[services.NAME]` but `targets` and `command`.",
        )
        .aka(&["service"]),
        Key::new(
            "routes",
            Shape::Defaults { of: &ROUTE, but: &["to", "redirect", "respond", "defaults"] },
            Absent::Means("none"),
            "{ response_headers = { set = { \"x-frame-options\" = \"DENY\" } } }",
            "The keys of `[[routes]]` but `to`, `redirect` and `respond`.",
        )
        .aka(&["route"]),
    ],
    later: &[],
};

/// Of a service or a route.
pub(crate) const OWN_KEY: Key = Key::new(
    "defaults",
    Shape::Flag,
    Absent::Flag(true),
    "false",
    "`false` takes nothing from `[defaults]`.",
)
.aka(&["inherit_defaults", "use_defaults"]);

/// The tables that have defaults, and what one is called that takes them.
const TABLES: [(&str, &str); 2] = [("services", "service"), ("routes", "route")];

/// Refuses what cannot be a default.
pub(crate) fn check(root: &Section<'_>) {
    each(root, |table, but, noun| {
        for key in table.keys().filter(|key| but.contains(key)) {
            let flaw = Flaw::new(
                Code::Conflict,
                format!("`{key}` cannot be a default"),
                format!("each {noun} has its own"),
                format!("write it in each {noun}"),
            );
            table.report_at(key, flaw, &[]);
        }
    });
}

/// Warns of defaults that nothing takes.
pub(crate) fn warn_of_unused(root: &Section<'_>) {
    each(root, |table, but, noun| {
        let is_unused = |key: &&str| !but.contains(key) && table.takers(key) == 0;
        for key in table.keys().filter(is_unused) {
            let flaw = Flaw::new(
                Code::Unused,
                format!("no {noun} takes the default for `{key}`"),
                "each says otherwise, or it is for none of them",
                "remove it",
            );
            table.report_at(key, flaw, &[]);
        }
    });
}

/// Shows `see` each table of defaults, with the keys that it may not have and what takes them.
fn each(root: &Section<'_>, see: impl Fn(&Section<'_>, &[&str], &str)) {
    let Some(node) = root.node(KEY.name).filter(Node::is_table) else {
        root.node(KEY.name).map(|node| node.wrong_type::<()>());
        return;
    };
    let Some(defaults) = node.section() else { return };
    for (key, noun) in TABLES {
        let Some(node) = defaults.node(key) else { continue };
        let Shape::Defaults { but, .. } = node.shape() else { continue };
        if let Some(table) = node.section() {
            see(&table, but, noun);
        }
    }
}
