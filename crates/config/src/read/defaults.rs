//! Checks `[defaults]`, and `include`: what they say was taken before anything is read (`assemble`).

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::schema::Shape;
use crate::section::Section;

/// The tables that have defaults, and what one is called that takes them.
const TABLES: [(&str, &str); 2] = [("services", "service"), ("routes", "route")];

/// Refuses what cannot be a default.
pub(super) fn check(root: &Section<'_>) {
    if let Some(node) = root.node("include") {
        for item in node.items() {
            item.text();
        }
    }
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
pub(super) fn warn_of_unused(root: &Section<'_>) {
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
    let Some(node) = root.node("defaults").filter(Node::is_table) else {
        root.node("defaults").map(|node| node.wrong_type::<()>());
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
