//! `[defaults]` and `[policies]`: what they may say, and that something takes it. It was taken before anything is read
//! (`assemble`).

use std::collections::BTreeMap;

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
          runs go to services with a `command` or an `image`; `rewrite`, `request_headers` and `body` to routes with `to`. A health \
          check of another kind takes nothing from the default; where a service has a `strategy` or `steps` of its \
          own, the default's `strategy`, `steps` and `surge` are not taken.",
    keys: &[
        Key::new(
            "services",
            Shape::Defaults { of: &SERVICE, but: &["targets", "command", "image", "defaults"] },
            Absent::Means("none"),
            "{ health = { path = \"/health\" } }",
            "The keys of `[services.NAME]` but `targets`, `command` and `image`.",
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

/// The keys of a route that are no policies: which requests it gets, and what it does with them.
const NO_POLICIES: &[&str] = &[
    "host", "path", "methods", "headers", "query", "cookies", "from", "to", "redirect", "respond",
    "defaults",
];

pub(crate) const POLICIES_KEY: Key = Key::new(
    "policies",
    Shape::Defaults { of: &ROUTE, but: NO_POLICIES },
    Absent::Means("none"),
    "{ response_headers = { set = { \"x-frame-options\" = \"DENY\" } } }",
    "The policies that each route has unless it says otherwise, in whatever file it stands: as `[defaults.routes]`, with which it shares no \
     key. `auth = \"none\"` in a route lifts `require`, too.",
)
.aka(&["policy", "middleware", "middlewares", "plugins"]);

/// Of a service or a route.
pub(crate) const OWN_KEY: Key = Key::new(
    "defaults",
    Shape::Flag,
    Absent::Flag(true),
    "false",
    "`false` takes nothing from `[defaults]`.",
)
.aka(&["inherit_defaults", "use_defaults"]);

/// Refuses what cannot be a default, and what two tables say.
pub(crate) fn check(root: &Section<'_>) {
    let mut said = BTreeMap::new();
    each(root, |table, Takers { but, noun }| {
        for key in table.keys() {
            if but.contains(&key) {
                refuse(table, key, noun);
            } else if let Some(span) = table.entry_span(key)
                && let Some(before) = said.insert((noun.to_owned(), key), span)
            {
                let flaw = Flaw::new(
                    Code::Conflict,
                    format!("`{key}` is said twice for each {noun}"),
                    "`[policies]` and `[defaults.routes]` both say it",
                    "take it out of one of them",
                );
                table.report_at(key, flaw, &[(before, "here, too")]);
            }
        }
    });
}

fn refuse(table: &Section<'_>, key: &'static str, noun: &str) {
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`{key}` cannot be a default"),
        format!("each {noun} has its own"),
        format!("write it in each {noun}"),
    );
    table.report_at(key, flaw, &[]);
}

/// Warns of defaults that nothing takes.
pub(crate) fn warn_of_unused(root: &Section<'_>) {
    each(root, |table, Takers { but, noun }| {
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

/// What takes the defaults of a table.
#[derive(Clone, Copy)]
struct Takers {
    /// The keys that are no defaults.
    but: &'static [&'static str],
    /// What one is called that takes them.
    noun: &'static str,
}

/// Shows `see` each table of defaults.
fn each(root: &Section<'_>, mut see: impl FnMut(&Section<'_>, Takers)) {
    let mut show = |node: Node<'_>| {
        let Shape::Defaults { of, but } = node.shape() else { return };
        let noun = of.noun.strip_prefix("a ").unwrap_or(of.noun);
        if let Some(table) = node.section() {
            see(&table, Takers { but, noun });
        }
    };
    if let Some(node) = root.node(KEY.name) {
        match node.is_table() {
            true => {
                let defaults = node.section();
                let below = |name| defaults.as_ref().and_then(|it| it.node(name));
                ["services", "routes"].into_iter().filter_map(below).for_each(&mut show);
            }
            false => drop(node.wrong_type::<()>()),
        }
    }
    if let Some(node) = root.node(POLICIES_KEY.name) {
        match node.is_table() {
            true => show(node),
            false => drop(node.wrong_type::<()>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_no_policies_are_keys_of_routes() {
        let keys: Vec<&str> = ROUTE.keys.iter().map(|key| key.name).collect();
        assert!(NO_POLICIES.iter().all(|key| keys.contains(key)), "{keys:?}");
    }
}
