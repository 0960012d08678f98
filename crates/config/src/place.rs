//! Places in a text, as people count them.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as its user named it; one that is included is named from there.
    pub file: Arc<str>,
    /// The stretch in bytes, from the file's start.
    pub bytes: Range<usize>,
    /// The line it begins in; the first is 1.
    pub line: usize,
    /// The character of that line it begins at; the first is 1.
    pub column: usize,
    /// The line it ends in.
    pub end_line: usize,
    /// The character of that line behind its last one.
    pub end_column: usize,
}

/// The text of a file with the beginnings of its lines, which are looked for when they are first
/// needed: a file without a fault needs none.
pub(crate) struct Lines<'a> {
    name: Arc<str>,
    text: &'a str,
    starts: OnceCell<Vec<usize>>,
}

impl<'a> Lines<'a> {
    /// The lines of `text`, which is that of the file `name`.
    pub(crate) fn new(name: Arc<str>, text: &'a str) -> Self {
        Self { name, text, starts: OnceCell::new() }
    }

    /// The file's name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The place of `bytes`, which is brought inside the text and onto whole characters.
    pub(crate) fn place(&self, bytes: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(bytes.start);
        let end = self.text.ceil_char_boundary(bytes.end).max(start);
        let (line, column) = self.position(start);
        let (end_line, end_column) = self.position(end);
        Place { file: self.name.clone(), bytes: start..end, line, column, end_line, end_column }
    }

    /// The number of the line that `byte` is in; the first is 1.
    pub(crate) fn line(&self, byte: usize) -> usize {
        self.starts().partition_point(|start| *start <= byte)
    }

    fn position(&self, byte: usize) -> (usize, usize) {
        let line = self.line(byte);
        let before = &self.text[self.starts()[line - 1]..byte];
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        (line, before.chars().count() + 1)
    }

    fn starts(&self) -> &[usize] {
        self.starts.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, bytes: Range<usize>) -> (usize, usize, usize, usize) {
        let place = Lines::new("a.toml".into(), text).place(bytes);
        (place.line, place.column, place.end_line, place.end_column)
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(position("äö = 1", 5..6), (1, 4, 1, 5));
        assert_eq!(position("a\r\nb = 2", 3..4), (2, 1, 2, 2));
        assert_eq!(position("\u{feff}a", 3..4), (1, 1, 1, 2));
        assert_eq!(position("\ta", 1..2), (1, 2, 1, 3));
    }

    #[test]
    fn any_range_has_a_place() {
        assert_eq!(position("", 0..0), (1, 1, 1, 1));
        assert_eq!(position("", 7..9), (1, 1, 1, 1));
        assert_eq!(position("a\n", 2..2), (2, 1, 2, 1));
        assert_eq!(position("ä", 1..1), (1, 1, 1, 2));
        assert_eq!(position("a\nb", 0..3), (1, 1, 2, 2));
    }
}
