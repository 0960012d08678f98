//! Reading a log as it grows, line by line, through every rotation.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::stream::{Piece, Stream};
use super::tail::tail_start;
use crate::logs::Line;

/// How often a quiet log is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A line longer than this is given in parts.
const LINE_MAX: usize = 64 << 10;
/// How much is read at a time.
const STEP: usize = 16 << 10;

/// The lines of a log, those to come included.
#[derive(Debug)]
pub struct Follow {
    stream: Stream,
    offset: u64,
    lines: VecDeque<Line>,
    begun: Vec<u8>,
    /// Where in the stream what has begun does.
    begun_at: u64,
}

impl Follow {
    /// The last `lines` lines of `log` from the offset `from` of its stream on, and those to come.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn last(log: &Path, from: u64, lines: usize) -> io::Result<Self> {
        let offset = tail_start(log, from, lines)?;
        Ok(Self::at(log, offset))
    }

    /// The lines of `log` that begin at the offset `from` of its stream or later, and those to come.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn since(log: &Path, from: u64) -> io::Result<Self> {
        let mut follow = Self::at(log, from.saturating_sub(1));
        // What stands before the first line's end began before.
        if from > 0 {
            let mut byte = [0; 1];
            let is_end = follow.stream.read_at(follow.offset, &mut byte)? == Piece::Bytes(1);
            follow.offset = from;
            if is_end && byte != *b"\n" {
                follow.ready_line()?;
            }
        }
        Ok(follow)
    }

    fn at(log: &Path, offset: u64) -> Self {
        let (lines, begun) = (VecDeque::new(), Vec::new());
        Self { stream: Stream::of(log), offset, lines, begun, begun_at: offset }
    }

    /// The next line. Cancelled, it loses none.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(line) = self.ready()? {
                return Ok(line);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The next line that is there already, or nothing.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn ready(&mut self) -> io::Result<Option<String>> {
        Ok(self.ready_line()?.map(|line| line.text))
    }

    /// The same, with where it stands.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn ready_line(&mut self) -> io::Result<Option<Line>> {
        let mut buffer = [0; STEP];
        while self.lines.is_empty() {
            match self.stream.read_at(self.offset, &mut buffer)? {
                Piece::Bytes(count) => self.take(&buffer[..count]),
                Piece::Gap(next) if next > self.offset => self.offset = next,
                Piece::Gap(_) => return Ok(None),
                // Someone truncated the log: it goes on from its new beginning.
                Piece::End if self.stream.end()? < self.offset => self.offset = 0,
                Piece::End => return Ok(None),
            }
        }
        Ok(self.lines.pop_front())
    }

    /// What stands behind the last line's end: of an instance that is gone, its last words.
    pub fn rest(&mut self) -> Option<Line> {
        let begun = std::mem::take(&mut self.begun);
        let text = || String::from_utf8_lossy(&begun).into_owned();
        (!begun.is_empty()).then(|| Line { offset: self.begun_at, text: text() })
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut at = self.offset;
        self.offset += bytes.len() as u64;
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.begun.is_empty() {
                self.begun_at = at;
            }
            at += part.len() as u64;
            self.begun.extend_from_slice(part);
            if self.begun.ends_with(b"\n") || self.begun.len() >= LINE_MAX {
                let line = std::mem::take(&mut self.begun);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let text = String::from_utf8_lossy(line).into_owned();
                self.lines.push_back(Line { offset: self.begun_at, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::super::{open, rotate};
    use super::*;
    use crate::launch::Rotation;

    #[test]
    fn a_reader_misses_no_line_while_the_log_is_written_and_rotated() {
        const LINES: usize = 100_000;
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        let mut follow = Follow::last(&log, 0, 0).unwrap();
        let is_written = AtomicBool::new(false);
        thread::scope(|threads| {
            threads.spawn(|| {
                for number in 0..LINES {
                    writeln!(writer, "line {number}").unwrap();
                }
                is_written.store(true, Ordering::Relaxed);
            });
            // What is just written is moved at once, under the reader's hands.
            threads.spawn(|| {
                while !is_written.load(Ordering::Relaxed) {
                    rotate(&log, Rotation { bytes_max: 20_000, keep: 1_000_000 }).unwrap();
                }
            });
            for number in 0..LINES {
                let line = loop {
                    match follow.ready().unwrap() {
                        Some(line) => break line,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(line, format!("line {number}"));
            }
        });
        assert_eq!(follow.ready().unwrap(), None);
    }

    #[test]
    fn last_words_without_a_line_end_are_told() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        writer.write_all(b"one\ntwo\nhalf").unwrap();
        let mut follow = Follow::last(&log, 0, 2).unwrap();
        assert_eq!(follow.ready().unwrap().as_deref(), Some("two"));
        assert_eq!(follow.ready().unwrap(), None);
        assert_eq!(follow.rest(), Some(Line { offset: 8, text: "half".to_owned() }));
    }

    #[test]
    fn lines_that_began_before_an_offset_are_left_out() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        writer.write_all(b"one\ntwo\nthree\n").unwrap();
        let first = |from| {
            let line = Follow::since(&log, from).unwrap().ready_line().unwrap();
            line.map(|line| (line.offset, line.text))
        };
        let line = |offset, text: &str| Some((offset, text.to_owned()));
        assert_eq!([first(0), first(4)], [line(0, "one"), line(4, "two")]);
        assert_eq!([first(5), first(8)], [line(8, "three"), line(8, "three")]);
        assert_eq!(first(14), None);
    }
}
