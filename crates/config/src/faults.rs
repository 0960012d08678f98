//! Collects what is wrong, so that reading can go on.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, Related, Severity};
use crate::place::{Lines, Place};

/// How many names are compared with all others in one text. Each costs time linear in the number
/// of candidates, and who has made so many faults needs no more advice on spelling.
const SUGGESTIONS_MAX: usize = 100;

/// What is wrong with a value, before it is said where the value stands.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) code: Code,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) hint: String,
    /// The part of a text value that is meant, in bytes of the value.
    pub(crate) part: Option<Range<usize>>,
}

impl Flaw {
    pub(crate) fn new(
        code: Code,
        what: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { code, what: what.into(), why: why.into(), hint: hint.into(), part: None }
    }

    /// A value of the right type that cannot be read.
    pub(crate) fn invalid(
        what: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(Code::Invalid, what, why, hint)
    }

    /// The flaw, which lies in this part of a text value.
    pub(crate) fn at(self, part: Range<usize>) -> Self {
        Self { part: Some(part), ..self }
    }
}

/// Where a fault is and which names lead there.
pub(crate) struct Spot {
    pub(crate) key: String,
    /// In bytes.
    pub(crate) span: Range<usize>,
}

/// Everything that was found wrong so far.
pub(crate) struct Faults<'a> {
    lines: Lines<'a>,
    list: RefCell<Vec<Diagnostic>>,
    secrets: RefCell<Vec<Range<usize>>>,
    suggestions: Cell<usize>,
}

impl<'a> Faults<'a> {
    /// None so far in `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            lines: Lines::new(text),
            list: RefCell::default(),
            secrets: RefCell::default(),
            suggestions: Cell::new(0),
        }
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.lines.text()
    }

    /// The place of `span`.
    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        self.lines.place(span)
    }

    /// Adds a fault; `related` are other places with what they have to do with it.
    pub(crate) fn add(&self, spot: Spot, flaw: Flaw, related: &[(Range<usize>, &str)]) {
        let related = related
            .iter()
            .map(|(span, why)| Related { place: self.place(span.clone()), why: (*why).to_owned() })
            .collect();
        self.list.borrow_mut().push(Diagnostic {
            code: flaw.code,
            key: spot.key,
            place: self.place(spot.span),
            what: flaw.what,
            why: flaw.why,
            hint: flaw.hint,
            related,
        });
    }

    /// Keeps the value at `span` out of every drawing.
    pub(crate) fn hide(&self, span: Range<usize>) {
        self.secrets.borrow_mut().push(span);
    }

    /// Whether one of the faults is an error.
    pub(crate) fn has_errors(&self) -> bool {
        let list = self.list.borrow();
        list.iter().any(|fault| fault.code.severity() == Severity::Error)
    }

    /// How many of the faults so far are errors.
    pub(crate) fn errors(&self) -> usize {
        let list = self.list.borrow();
        list.iter().filter(|fault| fault.code.severity() == Severity::Error).count()
    }

    /// Whether one more name may be compared with all others.
    pub(crate) fn may_suggest(&self) -> bool {
        let made = self.suggestions.get();
        self.suggestions.set(made.saturating_add(1));
        made < SUGGESTIONS_MAX
    }

    /// The faults, the lines they are counted by, and the text without its secrets, which is empty
    /// where there is nothing to draw in it.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Lines<'a>, String) {
        let text = match self.list.borrow().is_empty() {
            true => String::new(),
            false => without(self.lines.text(), self.secrets.into_inner()),
        };
        (self.list.into_inner(), self.lines, text)
    }
}

/// `text` with a star for each byte of each of `secrets` but quotes and white space, so that every
/// place stays where it is.
fn without(text: &str, secrets: Vec<Range<usize>>) -> String {
    if secrets.is_empty() {
        return text.to_owned();
    }
    let mut bytes = text.as_bytes().to_vec();
    for byte in secrets.iter().flat_map(|span| bytes_of(text, span)) {
        if !matches!(bytes[byte], b'"' | b'\'' | b'\n' | b'\r' | b' ' | b'\t') {
            bytes[byte] = b'*';
        }
    }
    // Spans hold whole characters, so what is left is UTF-8 still.
    String::from_utf8_lossy(&bytes).into_owned()
}

fn bytes_of(text: &str, span: &Range<usize>) -> Range<usize> {
    text.floor_char_boundary(span.start)..text.ceil_char_boundary(span.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_stars_and_nothing_moves() {
        let text = "a = \"gehéim\" # b";
        assert_eq!(without(text, vec![4..13; 1]), "a = \"*******\" # b");
        assert_eq!(without(text, vec![4..13; 1]).len(), text.len());
        assert_eq!(without("x", vec![7..9; 1]), "x");
    }
}
