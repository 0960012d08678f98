//! The texts that a configuration is made of: the file itself, and those that it includes.
//!
//! All of them lie one behind the other in one text, so that a stretch of bytes alone says in which
//! file it is, and the order of places is the order of the files. Which file that is, matters only
//! here: to people, and where a relative path starts.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::place::{Lines, Place};

/// Which part of the whole text is a file's.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The file, as its user named it.
    pub(crate) name: Arc<str>,
    /// Where relative paths in it start.
    pub(crate) dir: PathBuf,
    /// Its stretch of the whole text.
    pub(crate) bytes: Range<usize>,
}

/// All texts.
pub(crate) struct Sources<'a> {
    whole: &'a str,
    /// In the order of the text; the configuration itself is the first.
    files: Vec<Source<'a>>,
}

struct Source<'a> {
    dir: PathBuf,
    base: usize,
    lines: Lines<'a>,
}

impl<'a> Sources<'a> {
    /// The parts of `whole`, of which there is one at least.
    pub(crate) fn new(whole: &'a str, parts: Vec<Part>) -> Self {
        let source = |part: Part| Source {
            dir: part.dir,
            base: part.bytes.start,
            lines: Lines::new(part.name, &whole[part.bytes]),
        };
        Self { whole, files: parts.into_iter().map(source).collect() }
    }

    /// Everything, one behind the other.
    pub(crate) fn whole(&self) -> &'a str {
        self.whole
    }

    /// The text of each file, with where it begins in the whole.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (usize, &Lines<'a>)> {
        self.files.iter().map(|file| (file.base, &file.lines))
    }

    /// Where the configuration itself ends, without blanks.
    pub(crate) fn end(&self) -> usize {
        self.files.first().map_or(0, |file| file.lines.text().trim_end().len())
    }

    /// Which of the files `byte` is in.
    pub(crate) fn index(&self, byte: usize) -> usize {
        self.files.partition_point(|file| file.base <= byte).saturating_sub(1)
    }

    /// Where relative paths at `byte` start.
    pub(crate) fn dir(&self, byte: usize) -> &Path {
        self.files.get(self.index(byte)).map_or(Path::new("/"), |file| &file.dir)
    }

    /// The place of `span`, which lies within one file.
    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        let file = &self.files[self.index(span.start)];
        file.lines.place(span.start.saturating_sub(file.base)..span.end.saturating_sub(file.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, bytes: Range<usize>) -> Part {
        Part { name: name.into(), dir: PathBuf::from("/").join(name), bytes }
    }

    #[test]
    fn a_stretch_of_the_whole_knows_its_file() {
        let parts = vec![part("one", 0..6), part("none", 7..7), part("two", 8..15)];
        let sources = Sources::new("a = 1\n\n\n\nbc = 2", parts);
        let at = |span: Range<usize>| {
            let place = sources.place(span);
            (place.file.to_string(), place.bytes, place.line, place.column)
        };
        assert_eq!(at(4..5), ("one".to_owned(), 4..5, 1, 5));
        assert_eq!(at(7..7), ("none".to_owned(), 0..0, 1, 1));
        assert_eq!(at(9..11), ("two".to_owned(), 1..3, 2, 1));
        assert_eq!(at(40..50), ("two".to_owned(), 7..7, 2, 7));
        assert_eq!(sources.dir(9), Path::new("/two"));
        assert_eq!(sources.end(), 5);
    }
}
