//! Reading the stream by offset while the instance writes and the log is rotated.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::archive::Archive;

/// How often a byte that was just moved is looked for again before it counts as gone.
const LOOKS: usize = 4;
/// No file system has larger blocks: a hole's end is no more than this before what follows it.
const BLOCK_MAX: u64 = 64 << 10;

/// A log with its archives.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    log: PathBuf,
}

/// What lies at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// This many bytes, at least one.
    Bytes(usize),
    /// Nothing any more: the next byte that is still kept has this offset.
    Gap(u64),
    /// Nothing yet.
    End,
}

impl Stream {
    /// The stream of `log`.
    pub(super) fn of(log: &Path) -> Self {
        Self { log: log.to_owned() }
    }

    /// Where the stream ends now.
    pub(super) fn end(&self) -> io::Result<u64> {
        Ok(File::open(&self.log)?.metadata()?.len())
    }

    /// Reads from `offset` on.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Piece> {
        let mut next = offset;
        for _ in 0..LOOKS {
            let live = File::open(&self.log)?;
            if let Some(piece) = if_kept(&live, offset, || read_data(&live, offset, buffer))? {
                return Ok(piece);
            }
            let start = data_start(&live)?;
            match self.in_archive(offset, start, buffer)? {
                Piece::Bytes(count) => return Ok(Piece::Bytes(count)),
                Piece::Gap(kept) => next = kept,
                Piece::End => {}
            }
        }
        Ok(Piece::Gap(next))
    }

    /// Reads what was moved; `live_start` is the first byte that was not.
    fn in_archive(&self, offset: u64, live_start: u64, buffer: &mut [u8]) -> io::Result<Piece> {
        let mut archives = Archive::all(&self.log)?;
        archives.retain(|archive| archive.number.is_some() || archive.start < live_start);
        let Some(archive) = archives.iter().rev().find(|archive| archive.has(offset)) else {
            let starts = archives.iter().map(|archive| archive.start).chain([live_start]);
            return Ok(Piece::Gap(starts.filter(|start| *start > offset).min().unwrap_or(offset)));
        };
        let read =
            File::open(&archive.path).and_then(|file| file.read_at(buffer, offset - archive.start));
        match read {
            Ok(0) => Ok(Piece::End),
            Ok(count) => Ok(Piece::Bytes(count)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Piece::End),
            Err(error) => Err(error),
        }
    }
}

/// What `read` reads, if `log` still had the byte at `offset` when it was done: asked before, a
/// rotation could make the hole in between. It finishes the copy first, so what is found gone is in
/// an archive.
fn if_kept<T>(
    log: &File,
    offset: u64,
    read: impl FnOnce() -> io::Result<T>,
) -> io::Result<Option<T>> {
    let read = read()?;
    Ok((data_start(log)? <= offset).then_some(read))
}

/// What the file itself has at `offset`. A hole is stepped over, however long it is: an instance can
/// make its log terabytes long at no cost, and nobody is to read those.
fn read_data(log: &File, offset: u64, buffer: &mut [u8]) -> io::Result<Piece> {
    let count = log.read_at(buffer, offset)?;
    Ok(match buffer[..count].first() {
        None => Piece::End,
        Some(0) => match stored_from(log, offset)? {
            next if next > offset => Piece::Gap(next),
            _ => Piece::Bytes(count),
        },
        Some(_) => Piece::Bytes(count),
    })
}

/// The first byte at `offset` or behind it that takes room on the disk; the end where none does.
fn stored_from(log: &File, offset: u64) -> io::Result<u64> {
    // Asked before: what is appended in between is behind this end, and not in a hole.
    let end = log.metadata()?.len();
    match seek(log, SeekFrom::Data(offset)) {
        Ok(data) => Ok(data),
        Err(Errno::NXIO) => Ok(end),
        Err(error) => Err(error.into()),
    }
}

/// The first byte that `log` itself still has: behind the hole that rotations left. The system
/// knows holes by blocks; the rest of a block is told by its zeros, which no log begins with. Of zeros
/// that an instance wrote no more than a block's are taken for such.
pub(super) fn data_start(log: &File) -> io::Result<u64> {
    let offset = stored_from(log, 0)?;
    let mut buffer = [0; 4096];
    let mut zeros = 0;
    while zeros < BLOCK_MAX {
        let count = log.read_at(&mut buffer, offset + zeros)?;
        match buffer[..count].iter().position(|byte| *byte != 0) {
            Some(more) => return Ok(offset + zeros + more as u64),
            None if count == 0 => break,
            None => zeros += count as u64,
        }
    }
    Ok(offset + zeros)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use rustix::fs::{FallocateFlags, fallocate};

    use super::*;

    #[test]
    fn what_is_moved_while_it_is_read_does_not_count_as_read() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("api.log");
        std::fs::write(&path, "0123456789").unwrap();
        let log = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut buffer = [0; 4];
        let read = if_kept(&log, 5, || log.read_at(&mut buffer, 5)).unwrap();
        assert_eq!((read, &buffer), (Some(4), b"5678"));
        let moved = || {
            fallocate(&log, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 7)?;
            log.read_at(&mut buffer, 5)
        };
        assert_eq!(if_kept(&log, 5, moved).unwrap(), None);
        assert_eq!(data_start(&log).unwrap(), 7, "exact within a block");
        assert!(if_kept(&log, 7, || Ok(())).unwrap().is_some());
    }

    #[test]
    fn terabytes_of_hole_are_stepped_over() {
        const END: u64 = 4 << 40;
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("api.log");
        for begin in [&[0; 4096][..], b"one\n", b""] {
            let mut log =
                OpenOptions::new().append(true).create(true).read(true).open(&path).unwrap();
            log.set_len(0).unwrap();
            log.write_all(begin).unwrap();
            log.set_len(END).unwrap();
            log.write_all(b"two\n").unwrap();
            let start = data_start(&log).unwrap();
            assert!(start <= BLOCK_MAX || start == END, "{start}");
            let stream = Stream::of(&path);
            let (mut offset, mut read, mut looks, mut buffer) = (0, Vec::new(), 0, [0; 64]);
            loop {
                match stream.read_at(offset, &mut buffer).unwrap() {
                    Piece::Bytes(count) => {
                        read.extend_from_slice(&buffer[..count]);
                        offset += count as u64;
                    }
                    Piece::Gap(next) => offset = next,
                    Piece::End => break,
                }
                looks += 1;
                assert!(looks < 10_000, "at {offset}");
            }
            assert_eq!(offset, END + 4);
            assert!(read.starts_with(begin.strip_prefix(&[0]).map_or(begin, |_| &[])));
            assert!(read.ends_with(b"two\n"));
        }
    }
}
