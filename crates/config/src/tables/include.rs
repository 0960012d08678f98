//! `include`: more files. What they say was joined before anything is read (`assemble`).

use crate::schema::{Absent, Empty, Format, Key, Shape};
use crate::section::Section;

const PATTERN: Format =
    Format { noun: "the path of a file, or a pattern of such paths", pattern: Some(".") };

pub(crate) const KEY: Key = Key::new(
    "include",
    Shape::List { of: &Shape::Text(&PATTERN), empty: Empty::Allowed },
    Absent::Texts(&[]),
    "[\"routes/*.toml\"]",
    "More files: `*` is any part of a name, `?` one character. Each may have `listeners`, `services`, `routes` and \
     `include`, whose names are one set: nothing is defined twice. The routes of a file come before those of the \
     files that it includes; files of one pattern are sorted by path, and each file is read once. Relative paths \
     start at the directory of the file in which they stand. A name without `*` and `?` must be there.",
)
.aka(&["includes", "import", "imports"]);

/// Checks the type; the files were read before.
pub(crate) fn check(root: &Section<'_>) {
    if let Some(node) = root.node(KEY.name) {
        for item in node.items() {
            item.text();
        }
    }
}
