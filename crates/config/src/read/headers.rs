//! Reads changes of headers.

use std::ops::Range;

use model::HeaderEdits;

use super::distinct;
use super::named::named;
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::section::Section;
use crate::value::header::{self, Side};

/// Reads what is set and what is removed, sorted by name.
pub(super) fn edits(section: &Section<'_>, side: Side) -> HeaderEdits {
    let editable = |text: &str| editable_name(text, side);
    let set = named(section, "set", header::is_secret, editable, header::parse_value);
    let read = |item: &Node<'_>| {
        let name = item.parse(editable)?;
        if let Some(set) = set.iter().find(|set| set.name == name) {
            refuse_both(item, &name, set.span.clone());
        }
        Some(name)
    };
    let mut remove = match section.node("remove") {
        Some(node) => distinct(node.items(), "header", read, String::clone),
        None => Vec::new(),
    };
    remove.sort_unstable();
    HeaderEdits { set: set.into_iter().map(|set| (set.name, set.value)).collect(), remove }
}

fn editable_name(text: &str, side: Side) -> Result<String, Flaw> {
    let name = header::parse_name(text)?;
    header::check_editable(&name, side).map(|()| name)
}

fn refuse_both(item: &Node<'_>, name: &str, set: Range<usize>) {
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`{name}` is both set and removed"),
        "removed here",
        "setting it replaces the old value; leave it out of `remove`",
    );
    item.report_with(flaw, &[(set, "set here")]);
}
