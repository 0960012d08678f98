//! Collects what is wrong, so that reading can go on.

use std::cell::{Cell, RefCell, RefMut};
use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, Related, Severity, Text};
use crate::marks::Marks;
use crate::place::Lines;
use crate::sources::Sources;

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
    sources: &'a Sources<'a>,
    list: RefCell<Vec<Found>>,
    secrets: RefCell<Vec<Range<usize>>>,
    suggestions: Cell<usize>,
    marks: RefCell<Marks>,
}

/// A fault, and where it is in the whole text.
struct Found {
    span: Range<usize>,
    diagnostic: Diagnostic,
}

/// What is left once everything is read.
pub(crate) struct Outcome {
    /// The faults, in the order of the text.
    pub(crate) list: Vec<Diagnostic>,
    /// What there is to draw in, without secrets; nothing where nothing is drawn.
    pub(crate) texts: Vec<Text>,
}

impl<'a> Faults<'a> {
    /// None so far in `sources`.
    pub(crate) fn new(sources: &'a Sources<'a>) -> Self {
        Self {
            sources,
            list: RefCell::default(),
            secrets: RefCell::default(),
            suggestions: Cell::new(0),
            marks: RefCell::default(),
        }
    }

    /// The texts that are read.
    pub(crate) fn sources(&self) -> &'a Sources<'a> {
        self.sources
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.sources.whole()
    }

    /// What is known of values that do not stand in the text as they are read.
    pub(crate) fn marks(&self) -> RefMut<'_, Marks> {
        self.marks.borrow_mut()
    }

    /// Adds a fault; `related` are other places with what they have to do with it.
    pub(crate) fn add(&self, spot: Spot, flaw: Flaw, related: &[(Range<usize>, &str)]) {
        let Some((spot, flaw)) = self.marks.borrow_mut().judge(spot, flaw, related) else { return };
        let place = |span: &Range<usize>| self.sources.place(span.clone());
        let related = related
            .iter()
            .map(|(span, why)| Related { place: place(span), why: (*why).to_owned() })
            .collect();
        let diagnostic = Diagnostic {
            code: flaw.code,
            key: spot.key,
            place: place(&spot.span),
            what: flaw.what,
            why: flaw.why,
            hint: flaw.hint,
            related,
        };
        self.list.borrow_mut().push(Found { span: spot.span, diagnostic });
    }

    /// The place of `part` of the text that stands at `span`; of all of it where an escape, or a
    /// variable, makes the one differ from the other.
    pub(crate) fn part(
        &self,
        span: &Range<usize>,
        text: &str,
        part: &Range<usize>,
    ) -> Range<usize> {
        let inner = span.start + 1..span.end.saturating_sub(1);
        match self.text().get(inner.clone()) {
            Some(raw) if raw == text => inner.start + part.start..inner.start + part.end,
            _ => span.clone(),
        }
    }

    /// Keeps the value at `span` out of every drawing.
    pub(crate) fn hide(&self, span: Range<usize>) {
        self.secrets.borrow_mut().push(span);
    }

    /// Whether the value at `span` is kept out of every drawing.
    pub(crate) fn hides(&self, span: &Range<usize>) -> bool {
        let secrets = self.secrets.borrow();
        secrets.iter().any(|secret| secret.start <= span.start && span.end <= secret.end)
    }

    /// Whether one of the faults is an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// How many of the faults so far are errors.
    pub(crate) fn errors(&self) -> usize {
        let list = self.list.borrow();
        let is_error = |found: &&Found| found.diagnostic.code.severity() == Severity::Error;
        list.iter().filter(is_error).count()
    }

    /// Whether one more name may be compared with all others.
    pub(crate) fn may_suggest(&self) -> bool {
        let made = self.suggestions.get();
        self.suggestions.set(made.saturating_add(1));
        made < SUGGESTIONS_MAX
    }

    /// The faults that `holds` lets stand, given each with the file that it is in.
    pub(crate) fn finish(self, holds: impl Fn(usize, &Diagnostic) -> bool) -> Outcome {
        let marks = self.marks.into_inner();
        let mut list = self.list.into_inner();
        list.retain(|found| {
            holds(self.sources.index(found.span.start), &found.diagnostic)
                && marks.is_said_by_all(&found.span, &found.diagnostic)
        });
        list.sort_by_key(|found| (found.span.start, found.span.end));
        let list: Vec<Diagnostic> =
            list.into_iter().map(|found| marks.without_secrets(found.diagnostic)).collect();
        let texts = match list.is_empty() {
            true => Vec::new(),
            false => drawable(self.sources, &self.secrets.into_inner()),
        };
        Outcome { list, texts }
    }
}

/// Each text without what lies in it of `secrets`.
fn drawable(sources: &Sources<'_>, secrets: &[Range<usize>]) -> Vec<Text> {
    let text = |(base, lines): (usize, &Lines<'_>)| {
        let text = lines.text();
        let inside =
            secrets.iter().filter(|span| base <= span.start && span.start <= base + text.len());
        let inside: Vec<_> = inside.map(|span| span.start - base..span.end - base).collect();
        Text { file: lines.name().clone(), text: without(text, inside) }
    };
    sources.texts().map(text).collect()
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
