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
    ///
    /// The file is read first and asked afterwards whether the bytes were still in it: a rotation
    /// finishes the copy before it makes the hole, so what is found gone is in an archive.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Piece> {
        let mut next = offset;
        for _ in 0..LOOKS {
            let live = File::open(&self.log)?;
            if data_start(&live)? <= offset {
                let count = live.read_at(buffer, offset)?;
                if data_start(&live)? <= offset {
                    return Ok(if count == 0 { Piece::End } else { Piece::Bytes(count) });
                }
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

/// The first byte that `log` itself still has: behind the hole that rotations left. The system
/// knows holes by blocks; the rest of a block is told by its zeros, which no log begins with.
pub(super) fn data_start(log: &File) -> io::Result<u64> {
    let mut offset = match seek(log, SeekFrom::Data(0)) {
        Ok(offset) => offset,
        Err(Errno::NXIO) => return Ok(log.metadata()?.len()),
        Err(error) => return Err(error.into()),
    };
    let mut buffer = [0; 4096];
    loop {
        let count = log.read_at(&mut buffer, offset)?;
        match buffer[..count].iter().position(|byte| *byte != 0) {
            Some(zeros) => return Ok(offset + zeros as u64),
            None if count == 0 => return Ok(offset),
            None => offset += count as u64,
        }
    }
}
