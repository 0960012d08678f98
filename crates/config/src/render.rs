//! Draws diagnostics under the text they are about. What they say is decided elsewhere.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::place::{Lines, Place};

/// Places no further apart than this are drawn in one piece.
const GAP_LINES_MAX: usize = 30;

/// A place longer than this is drawn by its first line only.
const PLACE_LINES_MAX: usize = 6;

/// What stands before or behind a mark on its line is drawn in part where it is longer than this.
const LINE_BYTES_MAX: usize = 1_000;

/// What is drawn of it then.
const AROUND_BYTES: usize = 100;

/// Whether a drawing has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// With ANSI escapes, for terminals.
    Coloured,
    /// Plain text.
    Plain,
}

/// Draws all of `diagnostics`, each ended by an empty line.
pub(crate) fn render(diagnostics: &Diagnostics, paint: Paint) -> String {
    let renderer = match paint {
        Paint::Coloured => Renderer::styled(),
        Paint::Plain => Renderer::plain(),
    };
    let files: Vec<Lines<'_>> =
        diagnostics.texts.iter().map(|text| Lines::new(text.file.clone(), &text.text)).collect();
    let mut drawing = String::new();
    for diagnostic in diagnostics {
        let group = group(diagnostic, &files);
        drawing.push_str(&renderer.render(&[group]));
        drawing.push_str("\n\n");
    }
    if let Some(not_told) = diagnostics.not_told() {
        drawing.push_str(&format!("and more that is not shown: {not_told}\n\n"));
    }
    drawing
}

fn group<'a>(diagnostic: &'a Diagnostic, files: &'a [Lines<'a>]) -> Group<'a> {
    let level = match diagnostic.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.what).id(diagnostic.code.as_str());
    let group = title.elements(snippets(diagnostic, files));
    group.element(Level::HELP.message(&diagnostic.hint))
}

/// The pieces of the text that show where it is, and what is related to it.
fn snippets<'a>(diagnostic: &'a Diagnostic, files: &'a [Lines<'a>]) -> Vec<Element<'a>> {
    let place = &diagnostic.place;
    let primary = (AnnotationKind::Primary, place, &diagnostic.why);
    let context =
        |related: &'a crate::Related| (AnnotationKind::Context, &related.place, &related.why);
    let is_near = |other: &Place| {
        other.file == place.file && other.line.abs_diff(place.line) <= GAP_LINES_MAX
    };
    let (near, far): (Vec<_>, Vec<_>) =
        diagnostic.related.iter().map(context).partition(|(_, other, _)| is_near(other));
    let pieces = std::iter::once([vec![primary], near].concat());
    let pieces = pieces.chain(far.into_iter().map(|mark| vec![mark]));
    let lines = |place: &Place| files.iter().find(|lines| *lines.name() == place.file);
    pieces.filter_map(|marks| Some(snippet(&marks, lines(marks.first()?.1)?))).flatten().collect()
}

/// One piece of the text, no longer than its marks need: with the whole file in each, drawing
/// would take the square of the file's size.
fn snippet<'a>(
    marks: &[(AnnotationKind, &Place, &'a String)],
    lines: &'a Lines<'a>,
) -> Vec<Element<'a>> {
    let text = lines.text();
    let begins = marks.iter().map(|(_, place, _)| place.bytes.start).min().unwrap_or(0);
    let ends = marks.iter().map(|(_, place, _)| drawn(place, text).end).max().unwrap_or(0);
    let start = text[..begins].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[ends..].find('\n').map_or(text.len(), |newline| ends + newline);
    // The mark of byte order is no part of the first line.
    let start =
        if start == 0 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { start };
    let first = start;
    let (start, end) = window(text, start..end, begins..ends);
    let annotations = marks.iter().map(|(kind, place, why)| {
        let span = drawn(place, text);
        let inside = |byte: usize| byte.clamp(start, end.max(start)) - start;
        kind.span(inside(span.start)..inside(span.end)).label(why.as_str())
    });
    let source = text[start..end.max(start)].trim_end_matches('\r');
    let snippet = Snippet::source(source).line_start(lines.line(start)).annotations(annotations);
    if start == first {
        return vec![snippet.path(&**lines.name()).into()];
    }
    // The column would be that in the window.
    let origin = Origin::path(&**lines.name());
    let (_, place, _) = &marks[0];
    vec![origin.line(place.line).char_column(place.column).into(), snippet.into()]
}

/// The part of `lines` that is drawn, in bytes of `text`: all of it, unless it is long, and then what stands around the
/// marks. To draw costs time by what is drawn, for each mark.
fn window(text: &str, lines: Range<usize>, marks: Range<usize>) -> (usize, usize) {
    let start = match marks.start.saturating_sub(lines.start) > LINE_BYTES_MAX {
        true => text.ceil_char_boundary(marks.start - AROUND_BYTES),
        false => lines.start,
    };
    let end = match lines.end.saturating_sub(marks.end) > LINE_BYTES_MAX {
        true => text.floor_char_boundary(marks.end + AROUND_BYTES),
        false => lines.end,
    };
    (start, end)
}

/// The part of `place` that is drawn.
fn drawn(place: &Place, text: &str) -> Range<usize> {
    let bytes = place.bytes.clone();
    if place.end_line - place.line < PLACE_LINES_MAX {
        return bytes;
    }
    let first_line = text[bytes.clone()].find('\n').unwrap_or(bytes.len());
    bytes.start..bytes.start + first_line
}
