//! Reads tables whose keys name headers, query parameters or cookies.

use std::ops::Range;

use super::Seen;
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::section::{Names, Section};

/// A name with its value, and where the name stands.
pub(crate) struct Named<T> {
    pub(crate) name: String,
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// Reads the table at `key`, sorted by name. No name stands twice, in whatever case. Values of names
/// for which `is_secret` holds are kept out of drawings.
pub(crate) fn named<T>(
    section: &Section<'_>,
    key: &'static str,
    is_secret: impl Fn(&str) -> bool,
    read_name: impl Fn(&str) -> Result<String, Flaw>,
    read_value: impl Fn(&str) -> Result<T, Flaw>,
) -> Vec<Named<T>> {
    let node = section.node(key);
    let names = node.as_ref().and_then(Node::names);
    let (mut seen, mut found) = (Seen::default(), Vec::new());
    for entry in names.iter().flat_map(Names::iter) {
        if is_secret(entry.text) {
            entry.node.hide();
        }
        let name = entry.parse(&read_name);
        let value = entry.node.parse(&read_value);
        let (Some(name), Some(value)) = (name, value) else {
            continue;
        };
        let span = entry.span.clone();
        if let Some(first) = seen.insert(name.clone(), span.clone()) {
            let what = format!("`{name}` occurs twice");
            let flaw = Flaw::new(Code::Duplicate, what, "here again", "keep one of them");
            entry.report_with(flaw, &[(first, "here first")]);
        } else {
            found.push(Named { name, value, span });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}
