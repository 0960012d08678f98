//! Moving the older part of a log to archives while its instance goes on writing.
//!
//! For each archive: copy, sync, make the hole, rename. A crash between any two leaves what the
//! next call tells apart by one look: a partial archive whose bytes are still in the log is thrown
//! away, one whose bytes are not is finished.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;

use super::archive::Archive;
use super::stream::data_start;
use crate::launch::Rotation;

/// Of `st_blocks`, whatever the file system's own blocks are (stat(2)).
const BLOCK_UNIT: u64 = 512;
/// What a file system may set aside for a file that grows, before it is looked at.
const RESERVE_MAX: u64 = 1 << 20;

/// Why a log is not rotated. It is complete all the same; it only grows.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The file system cannot give back a part of a file.
    #[error("the file system of {} cannot make holes in files, so the log only grows", log.display())]
    Unsupported {
        /// The log.
        log: PathBuf,
    },
    /// A file could not be read, written or renamed.
    #[error("cannot rotate {}", log.display())]
    Io {
        /// The log.
        log: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Moves what is over `rotation.bytes_max` to archives, whole lines where a line is no longer than
/// that, and deletes archives over `rotation.keep`. Returns how many archives were made.
///
/// Of two callers one does it: when an instance is started anew, what is left of its last run may
/// still be on its way out with the same log.
///
/// # Errors
///
/// The log is complete and untouched as far as it was not moved.
pub fn rotate(log: &Path, rotation: Rotation) -> Result<usize, RotateError> {
    move_over(log, rotation).map_err(|source| match Errno::from_io_error(&source) {
        Some(Errno::OPNOTSUPP | Errno::NOSYS) => RotateError::Unsupported { log: log.into() },
        _ => RotateError::Io { log: log.into(), source },
    })
}

fn move_over(log: &Path, rotation: Rotation) -> io::Result<usize> {
    let live = OpenOptions::new().read(true).write(true).open(log)?;
    // Held until the file is closed, at the latest when we die.
    match flock(&live, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(0),
        Err(error) => return Err(error.into()),
    }
    recover(log, &live)?;
    let keep = rotation.keep.max(1);
    let bytes_max = rotation.bytes_max.max(1);
    let mut made = 0;
    skip(&live, Rotation { bytes_max, keep })?;
    give_back(&live)?;
    loop {
        let start = data_start(&live)?;
        if live.metadata()?.len().saturating_sub(start) <= bytes_max {
            break;
        }
        let end = cut(&live, start, bytes_max)?;
        // Before: a disk that is nearly full has room for the next.
        prune(log, keep - 1)?;
        move_part(log, &live, start, end)?;
        made += 1;
    }
    prune(log, keep)?;
    Ok(made)
}

/// Forgets what would be in no archive that is kept, without a copy of it. So what an instance makes
/// of its log, be it four terabytes long, costs one call no more than its archives may hold.
fn skip(live: &File, Rotation { bytes_max, keep }: Rotation) -> io::Result<()> {
    let archives = u64::try_from(keep).unwrap_or(u64::MAX);
    let kept = bytes_max.saturating_mul(archives.saturating_add(1));
    let (start, len) = (data_start(live)?, live.metadata()?.len());
    match len.saturating_sub(start) > kept.saturating_add(bytes_max) {
        true => forget(live, cut(live, len - kept - bytes_max, bytes_max)?),
        false => Ok(()),
    }
}

/// Gives back blocks that an instance has reserved (fallocate(2)) before the first byte there is.
/// Those behind the last one are left: what is written there meanwhile would be lost.
fn give_back(live: &File) -> io::Result<()> {
    let (start, metadata) = (data_start(live)?, live.metadata()?);
    let blocks = metadata.blocks().saturating_mul(BLOCK_UNIT);
    let is_too_much = blocks > metadata.len().saturating_sub(start).saturating_add(RESERVE_MAX);
    if start > 0 && is_too_much { forget(live, start) } else { Ok(()) }
}

/// Gives back the disk space of all before `end`: from the file's beginning, so that a block that was
/// cut before is given back whole now.
fn forget(live: &File, end: u64) -> io::Result<()> {
    Ok(fallocate(live, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, end)?)
}

/// Finishes or throws away what a crash left.
fn recover(log: &Path, live: &File) -> io::Result<()> {
    let start = data_start(live)?;
    let partial = |archive: &Archive| archive.number.is_none();
    for archive in Archive::all(log)?.into_iter().filter(partial) {
        match archive.start < start {
            true => finish(log, &archive.path, archive.start)?,
            false => fs::remove_file(&archive.path)?,
        }
    }
    Ok(())
}

fn move_part(log: &Path, live: &File, start: u64, end: u64) -> io::Result<()> {
    let partial = Archive::partial(log, start);
    let copied = copy(live, start, end, &partial).and_then(|()| forget(live, end));
    if let Err(error) = copied {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    finish(log, &partial, start)
}

fn copy(live: &File, start: u64, end: u64, partial: &Path) -> io::Result<()> {
    let mut archive =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial)?;
    let mut part = live;
    part.seek(io::SeekFrom::Start(start))?;
    if io::copy(&mut part.take(end - start), &mut archive)? != end - start {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    archive.sync_data()
}

fn finish(log: &Path, partial: &Path, start: u64) -> io::Result<()> {
    let last = Archive::all(log)?.iter().filter_map(|archive| archive.number).max().unwrap_or(0);
    fs::rename(partial, Archive::finished(log, last + 1, start))
}

fn prune(log: &Path, keep: usize) -> io::Result<()> {
    let mut finished = Archive::all(log)?;
    finished.retain(|archive| archive.number.is_some());
    let over = finished.len().saturating_sub(keep);
    finished.iter().take(over).try_for_each(|archive| fs::remove_file(&archive.path))
}

/// Where the part from `start` ends: behind the last line that ends within `bytes_max`, or there
/// where no line ends.
fn cut(live: &File, start: u64, bytes_max: u64) -> io::Result<u64> {
    let mut buffer = [0; 16 << 10];
    let mut end = start + bytes_max;
    while end > start {
        let count = (buffer.len() as u64).min(end - start);
        let chunk = &mut buffer[..count as usize];
        live.read_exact_at(chunk, end - count)?;
        match chunk.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => return Ok(end - count + at as u64 + 1),
            None => end -= count,
        }
    }
    Ok(start + bytes_max)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::open;
    use super::super::stream::{Piece, Stream};
    use super::*;

    const ROTATION: Rotation = Rotation { bytes_max: 10_000, keep: 1000 };

    /// All that is kept of the stream, and the sizes of the archives.
    fn whole(log: &Path) -> (Vec<u8>, Vec<u64>) {
        let stream = Stream::of(log);
        let (mut offset, mut bytes, mut buffer) = (0, Vec::new(), [0; 777]);
        loop {
            match stream.read_at(offset, &mut buffer).unwrap() {
                Piece::Bytes(count) => {
                    bytes.extend(&buffer[..count]);
                    offset += count as u64;
                }
                Piece::Gap(next) => offset = next,
                Piece::End => break,
            }
        }
        (bytes, Archive::all(log).unwrap().iter().map(|archive| archive.len).collect())
    }

    fn lines(from: usize, count: usize) -> String {
        (from..from + count).map(|number| format!("line {number}\n")).collect()
    }

    #[test]
    fn archives_and_log_together_are_the_stream() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        let mut written = String::new();
        for round in 0..20 {
            let part = lines(round * 1000, 700);
            writer.write_all(part.as_bytes()).unwrap();
            written += &part;
            rotate(&log, ROTATION).unwrap();
        }
        let (read, sizes) = whole(&log);
        assert!(read == written.as_bytes(), "{} of {} bytes", read.len(), written.len());
        assert!(sizes.len() > 10 && sizes.iter().all(|size| *size <= 10_000), "{sizes:?}");
        let metadata = fs::metadata(&log).unwrap();
        assert_eq!(metadata.len(), written.len() as u64);
        assert!(metadata.blocks() * 512 <= 10_000 + 2 * 4096, "the space is given back");
        let first = fs::read_to_string(&Archive::all(&log).unwrap()[0].path).unwrap();
        assert!(first.starts_with("line 0\n") && first.ends_with('\n'), "lines are whole");
    }

    #[test]
    fn only_so_many_archives_are_kept() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        let written = lines(0, 20_000);
        writer.write_all(written.as_bytes()).unwrap();
        rotate(&log, Rotation { keep: 3, ..ROTATION }).unwrap();
        let (read, sizes) = whole(&log);
        assert_eq!(sizes.len(), 3);
        assert!(written.as_bytes().ends_with(&read) && read.len() > 25_000, "the newest are kept");
    }

    #[test]
    fn a_log_that_its_instance_made_terabytes_long_is_cut_down_without_a_copy() {
        const END: u64 = 4 << 40;
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        // Far apart, so that a hole alone is not all there is.
        for at in [0, END / 2, END] {
            writer.set_len(at).unwrap();
            writer.write_all(b"\0or\nnot\n").unwrap();
        }
        let made = rotate(&log, Rotation { bytes_max: 10_000, keep: 3 }).unwrap();
        assert!(made <= 4, "{made}");
        let (read, sizes) = whole(&log);
        assert!(sizes.len() <= 3 && read.len() < 50_000, "{} in {sizes:?}", read.len());
        assert!(read.ends_with(b"or\nnot\n"));
        assert!(fs::metadata(&log).unwrap().blocks() * 512 <= 10_000 + 2 * 4096);
    }

    #[test]
    fn blocks_that_an_instance_reserved_are_given_back() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        let reserved = 8 << 20;
        fallocate(&writer, FallocateFlags::empty(), 0, reserved).unwrap();
        writer.write_all(b"line\n").unwrap();
        assert!(fs::metadata(&log).unwrap().blocks() * 512 >= reserved);
        rotate(&log, ROTATION).unwrap();
        assert!(fs::metadata(&log).unwrap().blocks() * 512 <= 3 * 64 * 1024);
        assert!(whole(&log).0.ends_with(b"line\n"));
    }

    #[test]
    fn a_line_longer_than_an_archive_is_cut() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        let written = "x".repeat(35_000);
        writer.write_all(written.as_bytes()).unwrap();
        assert_eq!(rotate(&log, ROTATION).unwrap(), 3);
        assert_eq!(whole(&log).0, written.as_bytes());
    }

    #[test]
    fn a_crash_between_any_two_steps_loses_and_doubles_nothing() {
        let written = lines(0, 2000);
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        for steps in 0..3 {
            let room = tempfile::tempdir().unwrap();
            let log = room.path().join("api.log");
            let (mut writer, _) = open(&log).unwrap();
            writer.write_all(written.as_bytes()).unwrap();
            let live = OpenOptions::new().read(true).write(true).open(&log).unwrap();
            let end = cut(&live, 0, 10_000).unwrap();
            let partial = Archive::partial(&log, 0);
            match steps {
                0 => fs::write(&partial, "line 0\nli").unwrap(),
                1 => copy(&live, 0, end, &partial).unwrap(),
                _ => {
                    copy(&live, 0, end, &partial).unwrap();
                    fallocate(&live, hole, 0, end).unwrap();
                }
            }
            assert!(whole(&log).0 == written.as_bytes(), "read before it is mended, step {steps}");
            rotate(&log, ROTATION).unwrap();
            assert!(whole(&log).0 == written.as_bytes(), "mended, step {steps}");
            assert!(!partial.exists());
            let archives = Archive::all(&log).unwrap();
            let archived: u64 = archives.iter().map(|archive| archive.len).sum();
            assert_eq!(
                archived,
                data_start(&live).unwrap(),
                "nothing is there twice, step {steps}"
            );
        }
    }

    #[test]
    fn of_two_who_rotate_one_does() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        writer.write_all(lines(0, 3000).as_bytes()).unwrap();
        let other = File::open(&log).unwrap();
        flock(&other, FlockOperation::LockExclusive).unwrap();
        assert_eq!(rotate(&log, ROTATION).unwrap(), 0);
        drop(other);
        assert!(rotate(&log, ROTATION).unwrap() > 0);
    }

    #[test]
    fn a_log_that_someone_truncated_goes_on() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api.log");
        let (mut writer, _) = open(&log).unwrap();
        writer.write_all(lines(0, 3000).as_bytes()).unwrap();
        rotate(&log, ROTATION).unwrap();
        File::create(&log).unwrap();
        let after = lines(9000, 3000);
        writer.write_all(after.as_bytes()).unwrap();
        rotate(&log, ROTATION).unwrap();
        assert!(whole(&log).0 == after.as_bytes());
    }
}
