//! `request_headers` and `response_headers`: what a route sets and removes. Who writes a head asks here of each
//! field, also of those that Plimsoll itself would add, and writes what is set once.

use model::HeaderEdits;
use wire::name::reads_as;

use crate::fields::FieldSink;

/// Whether a field of this name is set or removed. One that a server may take for it is, too: else a
/// client could send what the route sets, in another spelling.
#[inline]
pub(crate) fn is_edited(edits: &HeaderEdits, text: &[u8]) -> bool {
    let same = |name: &String| reads_as(text, name.as_bytes());
    edits.remove.iter().any(same) || edits.set.iter().any(|(name, _)| same(name))
}

/// Writes what is set.
pub(crate) fn write_edits(edits: &HeaderEdits, out: &mut impl FieldSink) {
    for (name, value) in &edits.set {
        out.put(name.as_bytes(), value.as_bytes());
    }
}
