//! What is wrong with files of keys and users. Nothing of what stands behind a name is said.

use model::Document;
use policy::lines::LineFault;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::section::Section;

/// So many lines are told by themselves.
const TOLD_MAX: usize = 5;

/// Lines that cannot be used.
pub(super) fn refuse(
    section: &Section<'_>,
    key: &'static str,
    file: &Document,
    faults: &[LineFault],
) {
    for LineFault { line, error } in faults.iter().take(TOLD_MAX) {
        let what = format!("line {line} of {} cannot be used", file.name);
        let hint =
            "write a name, a colon and what is known of it on each line; `#` begins a comment";
        section.report_at(key, Flaw::new(Code::Invalid, what, error.to_string(), hint), &[]);
    }
    if let Some(more) = faults.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
        let what = format!("{more} more lines of {} cannot be used", file.name);
        let hint = "mend those that are told, and check again";
        section.report_at(key, Flaw::new(Code::Invalid, what, "they are not told here", hint), &[]);
    }
}

/// A file in which nobody stands: all of them may be gone.
pub(super) fn warn_of_nobody(section: &Section<'_>, key: &'static str, file: &Document) {
    let flaw = Flaw::new(
        Code::NoEffect,
        format!("nobody stands in {}", file.name),
        "nobody is let in by it",
        "write a line for each, or take the authentication out of the routes",
    );
    section.report_at(key, flaw, &[]);
}
