//! The last lines of a log.

use std::io;
use std::path::Path;

use super::stream::{Piece, Stream};

/// How much is read backwards at a time.
const STEP: u64 = 16 << 10;
/// No more than this is looked at, however long the lines are.
const BYTES_MAX: u64 = 1 << 20;

/// The last lines of `log`, at most `lines`, none that begins before the offset `from` of the
/// stream. What is not UTF-8 is replaced.
///
/// # Errors
///
/// The log cannot be read.
pub fn tail(log: &Path, from: u64, lines: usize) -> io::Result<Vec<String>> {
    let (bytes, at) = last(log, from, lines)?;
    let text = String::from_utf8_lossy(&bytes[at..]).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}

/// The offset at which the last lines begin, as of [`tail`].
pub(super) fn tail_start(log: &Path, from: u64, lines: usize) -> io::Result<u64> {
    let end = Stream::of(log).end()?;
    let (bytes, at) = last(log, from, lines)?;
    Ok(end.saturating_sub((bytes.len() - at) as u64).max(from))
}

/// The end of the stream, and where in it the last lines begin.
fn last(log: &Path, from: u64, lines: usize) -> io::Result<(Vec<u8>, usize)> {
    let stream = Stream::of(log);
    let end = stream.end()?;
    let floor = from.max(end.saturating_sub(BYTES_MAX)).min(end);
    let (mut start, mut bytes) = (end, Vec::new());
    loop {
        if let Some(at) = begin_of_last(&bytes, lines) {
            return Ok((bytes, at));
        }
        if start == floor {
            return Ok((bytes, 0));
        }
        let step_start = start.saturating_sub(STEP).max(floor);
        let mut step = range(&stream, step_start, start)?;
        step.append(&mut bytes);
        (start, bytes) = (step_start, step);
    }
}

/// Where the last `lines` lines begin, if `bytes` surely has all of the first of them.
fn begin_of_last(bytes: &[u8], lines: usize) -> Option<usize> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if lines == 0 {
        return Some(bytes.len());
    }
    let ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).nth(lines - 1)
}

/// What is kept of the stream from `start` to `end`.
fn range(stream: &Stream, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; STEP as usize];
    let mut offset = start;
    while offset < end {
        let count = (end - offset).min(STEP) as usize;
        match stream.read_at(offset, &mut buffer[..count])? {
            Piece::Bytes(count) => {
                bytes.extend_from_slice(&buffer[..count]);
                offset += count as u64;
            }
            Piece::Gap(next) if next > offset => offset = next,
            Piece::Gap(_) | Piece::End => break,
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{open, rotate};
    use super::*;
    use crate::launch::Rotation;

    #[test]
    fn the_last_lines_come_in_their_order_from_archives_too() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        for number in 0..3000 {
            writeln!(writer, "line {number}").unwrap();
        }
        write!(writer, "half").unwrap();
        let expected: Vec<_> =
            (2001..3000).map(|number| format!("line {number}")).chain(["half".into()]).collect();
        assert_eq!(tail(&log, 0, 1000).unwrap(), expected);
        rotate(&log, Rotation { bytes_max: 1000, keep: 1000 }).unwrap();
        assert_eq!(tail(&log, 0, 1000).unwrap(), expected);
        assert_eq!(tail(&log, 0, 1_000_000).unwrap().len(), 3001);
        assert_eq!(tail(&log, 0, 0).unwrap(), [""; 0]);
    }

    #[test]
    fn an_earlier_run_is_not_shown() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        writer.write_all(b"old\nold\n").unwrap();
        let (mut writer, start) = open(&log).unwrap();
        assert_eq!(tail(&log, start, 20).unwrap(), [""; 0]);
        writer.write_all(b"new\n\xff\n").unwrap();
        assert_eq!(tail(&log, start, 20).unwrap(), ["new", "\u{fffd}"]);
        assert_eq!(tail_start(&log, start, 1).unwrap(), start + 4);
    }

    #[test]
    fn one_endless_line_is_not_read_whole() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        writer.write_all(&vec![b'x'; 3 << 20]).unwrap();
        let lines = tail(&log, 0, 20).unwrap();
        assert_eq!((lines.len(), lines[0].len()), (1, 1 << 20));
    }
}
