//! A key that has nothing to say beside another key's value is refused: what the file says is used, or it is no
//! file. What a default says is another matter, and so is a key that only might be idle: that is a warning.

use std::ops::Range;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::section::Section;

/// A key with a value that leaves others nothing to say.
pub(crate) struct Beside<'a> {
    key: &'static str,
    written: &'a str,
    does: &'a str,
    at: Range<usize>,
}

impl<'a> Beside<'a> {
    /// The key of `section` as it is `written` there with its value, as in `attempts = 1`, and what it `does`, as
    /// in "this is no retry".
    pub(crate) fn of(
        section: &Section<'_>,
        key: &'static str,
        written: &'a str,
        does: &'a str,
    ) -> Self {
        let at = section.entry_span(key).unwrap_or_else(|| section.span());
        Self { key, written, does, at }
    }

    /// Refuses `key`, if it is there, because of `why`.
    pub(crate) fn refuse(&self, section: &Section<'_>, key: &'static str, why: &str) {
        self.refuse_with(section, key, why, &format!("take `{key}` out, or change `{}`", self.key));
    }

    /// Refuses `key`, if it is there, because of `why`, with a cure of its own.
    pub(crate) fn refuse_with(
        &self,
        section: &Section<'_>,
        key: &'static str,
        why: &str,
        cure: &str,
    ) {
        if !section.has(key) {
            return;
        }
        let what = format!("`{key}` has no effect beside `{}`", self.written);
        section.report_at(
            key,
            Flaw::new(Code::Conflict, what, why, cure),
            &[(self.at.clone(), self.does)],
        );
    }
}
