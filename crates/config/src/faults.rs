//! Collects what is wrong, so that reading can go on.

use std::cell::{Cell, RefCell, RefMut};
use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, LeftOut, Related, Severity, Text};
use crate::marks::Marks;
use crate::place::Lines;
use crate::sources::Sources;

/// How many names are compared with all others in one text. Each costs time linear in the number
/// of candidates, and who has made so many faults needs no more advice on spelling.
const SUGGESTIONS_MAX: usize = 100;

/// How many faults are told; of more, only how many they are. Nobody reads on before these are mended.
const TOLD_MAX: usize = 200;

/// How many faults are kept until it is certain which of them stand, and as many that are of syntax: a large file may
/// have millions.
const KEPT_MAX: usize = 5_000;

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
    left_out: Cell<LeftOut>,
    syntax: Cell<usize>,
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
    /// Those that are not in it.
    pub(crate) left_out: LeftOut,
    /// What there is to draw in, without secrets; nothing where nothing is drawn.
    pub(crate) texts: Vec<Text>,
}

impl<'a> Faults<'a> {
    /// None so far in `sources`.
    pub(crate) fn new(sources: &'a Sources<'a>) -> Self {
        Self {
            sources,
            list: RefCell::default(),
            left_out: Cell::default(),
            syntax: Cell::default(),
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
        if !self.keeps(flaw.code) {
            let mut left_out = self.left_out.get();
            left_out.add(flaw.code.severity());
            self.left_out.set(left_out);
            return;
        }
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

    /// Whether one more fault of this kind is kept.
    fn keeps(&self, code: Code) -> bool {
        let syntax = self.syntax.get();
        match code {
            Code::Syntax => {
                self.syntax.set(syntax.saturating_add(1));
                syntax < KEPT_MAX
            }
            _ => self.list.borrow().len().saturating_sub(syntax) < KEPT_MAX,
        }
    }

    /// The place of `part` of the text that stands at `span`; of all of it where an escape, or a
    /// variable, makes the one differ from the other.
    pub(crate) fn part(
        &self,
        span: &Range<usize>,
        text: &str,
        part: &Range<usize>,
    ) -> Range<usize> {
        match self.inner(span, text) {
            Some(begin) => begin + part.start..begin + part.end,
            None => span.clone(),
        }
    }

    /// Where the first byte of the text at `span` stands, if all of them stand there as they are.
    pub(crate) fn inner(&self, span: &Range<usize>, text: &str) -> Option<usize> {
        let inner = span.start + 1..span.end.saturating_sub(1);
        (self.text().get(inner.clone())? == text).then_some(inner.start)
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
        list.iter().filter(is_error).count() + self.left_out.get().errors
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
        let mut left_out = self.left_out.get();
        leave_out(&mut list, &mut left_out);
        let list: Vec<Diagnostic> =
            list.into_iter().map(|found| marks.without_secrets(found.diagnostic)).collect();
        let texts = match list.is_empty() {
            true => Vec::new(),
            false => drawable(self.sources, &self.secrets.into_inner()),
        };
        Outcome { list, left_out, texts }
    }
}

/// Leaves out what is more than is told, warnings first and the last first.
fn leave_out(list: &mut Vec<Found>, left_out: &mut LeftOut) {
    let severity = |found: &Found| found.diagnostic.code.severity();
    let errors = list.iter().filter(|found| severity(found) == Severity::Error).count();
    let (mut errors, mut warnings) = (TOLD_MAX, TOLD_MAX.saturating_sub(errors));
    list.retain(|found| {
        let left = if severity(found) == Severity::Error { &mut errors } else { &mut warnings };
        let is_told = *left > 0;
        *left = left.saturating_sub(1);
        if !is_told {
            left_out.add(severity(found));
        }
        is_told
    });
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

    #[test]
    fn warnings_are_left_out_before_errors_and_syntax_is_always_told() {
        let part = crate::sources::Part { name: "a".into(), dir: "/".into(), bytes: 0..10_000 };
        let text = " ".repeat(10_000);
        let sources = Sources::new(&text, vec![part]);
        let faults = Faults::new(&sources);
        let spot = |at: usize| Spot { key: String::new(), span: at..at + 1 };
        for at in 0..KEPT_MAX + 10 {
            faults.add(spot(at), Flaw::new(Code::Risky, "x", "x", "x"), &[]);
        }
        faults.add(spot(9_000), Flaw::new(Code::Missing, "x", "x", "x"), &[]);
        assert!(faults.has_errors(), "also of what is not kept");
        faults.add(spot(9_999), Flaw::new(Code::Syntax, "x", "x", "x"), &[]);
        let Outcome { list, left_out, .. } = faults.finish(|_, _| true);
        assert_eq!((list.len(), list[TOLD_MAX - 1].code), (TOLD_MAX, Code::Syntax));
        let warnings = KEPT_MAX + 10 - (TOLD_MAX - 1);
        assert_eq!(left_out, LeftOut { errors: 1, warnings });
    }
}
