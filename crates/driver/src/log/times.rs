//! When what stands in a log was written, beside the log: the instance writes bytes and no times.
//!
//! Every second it is noted how far the log has come and when it was last written to. So a line is known to the
//! second, however fast they come, also while nobody looked for a while: the file itself has its last write's time.
//! Of `api-3.log` it stands in `api-3.log.times`, 16 bytes a record: an offset in the stream, and the time, in
//! milliseconds since 1970, by which all before it was written.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A record's bytes.
const RECORD: usize = 16;
/// Records that are kept: of a log that is written to without end those of the last 18 hours.
const RECORDS_MAX: usize = 65_536;

/// What is known of when a log was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<(u64, Option<SystemTime>)>);

impl Times {
    /// Of `log`; a log of which nothing was noted has none.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn of(log: &Path) -> io::Result<Self> {
        match fs::read(beside(log)) {
            Ok(bytes) => Ok(Self(bytes.as_chunks().0.iter().map(record).collect())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// How far it is known.
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |(end, _)| *end)
    }

    /// When the byte at `offset` of the stream was written, if that is known.
    pub fn at(&self, offset: u64) -> Option<SystemTime> {
        let later = self.0.partition_point(|(end, _)| *end <= offset);
        self.0.get(later)?.1
    }

    /// The offset before which all was written before `time`.
    pub fn since(&self, time: SystemTime) -> u64 {
        let earlier = self.0.partition_point(|(_, at)| at.is_none_or(|at| at < time));
        earlier.checked_sub(1).map_or(0, |last| self.0[last].0)
    }
}

/// Notes how far `log` has come. Of two callers one does it.
///
/// # Errors
/// When it cannot be written; the log itself is complete all the same.
pub(crate) fn note(log: &Path) -> io::Result<()> {
    let metadata = fs::metadata(log)?;
    let (end, written) = (metadata.len(), metadata.modified()?);
    let path = beside(log);
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
    // Held until the file is closed, at the latest when we die.
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let known = last(&mut file)?;
    if known > end {
        // Someone truncated the log: nothing is known of what it has now.
        file.set_len(0)?;
    }
    if known != end {
        file.write_all(&bytes(end, written))?;
    }
    match file.metadata()?.len() as usize > RECORDS_MAX * RECORD {
        true => forget_half(&path),
        false => Ok(()),
    }
}

/// The file in which it is noted.
pub(super) fn beside(log: &Path) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(".times");
    name.into()
}

/// How far is known by the last record; a piece of one that a crash left is cut off.
fn last(file: &mut File) -> io::Result<u64> {
    let len = file.metadata()?.len();
    let whole = len - len % RECORD as u64;
    if whole != len {
        file.set_len(whole)?;
    }
    let Some(start) = whole.checked_sub(RECORD as u64) else { return Ok(0) };
    let mut bytes = [0; RECORD];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut bytes)?;
    Ok(record(&bytes).0)
}

/// Replaces the file by its later half, before which nothing is known.
fn forget_half(path: &Path) -> io::Result<()> {
    let all = fs::read(path)?;
    let half = all.len() / RECORD / 2 * RECORD;
    let (forgotten, kept) = all.split_at(half);
    let end = forgotten.as_chunks().0.last().map_or(0, |last| record(last).0);
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&[&bytes(end, UNIX_EPOCH)[..], kept].concat())?;
    fs::rename(&beside, path)
}

fn bytes(end: u64, at: SystemTime) -> [u8; RECORD] {
    let millis = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&end.to_be_bytes());
    record[8..].copy_from_slice(&millis.to_be_bytes());
    record
}

fn record(bytes: &[u8; RECORD]) -> (u64, Option<SystemTime>) {
    let number = u128::from_be_bytes(*bytes);
    let millis = number as u64;
    let at = (millis > 0).then(|| UNIX_EPOCH + Duration::from_millis(millis));
    ((number >> 64) as u64, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Writes to the log as of a time.
    fn write(log: &Path, text: &str, seconds: u64) {
        let mut file = OpenOptions::new().append(true).create(true).open(log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_modified(time(seconds)).unwrap();
    }

    #[test]
    fn a_byte_has_the_time_of_the_write_that_was_seen_next() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api-1.log");
        write(&log, "one\ntwo\n", 100);
        note(&log).unwrap();
        note(&log).unwrap();
        write(&log, "three\n", 200);
        note(&log).unwrap();
        let times = Times::of(&log).unwrap();
        assert_eq!(
            [0, 7, 8, 13, 14].map(|offset| times.at(offset)),
            [Some(time(100)), Some(time(100)), Some(time(200)), Some(time(200)), None]
        );
        assert_eq!([50, 100, 101, 200, 201].map(|at| times.since(time(at))), [0, 0, 8, 8, 14]);
        assert_eq!(times.end(), 14);
    }

    #[test]
    fn what_is_too_much_is_forgotten_and_not_taken_for_something_else() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api-1.log");
        let records: Vec<u8> =
            (1..=RECORDS_MAX as u64).flat_map(|it| bytes(it, time(it))).collect();
        fs::write(beside(&log), records).unwrap();
        write(&log, &"x".repeat(RECORDS_MAX + 1), 999_999);
        note(&log).unwrap();
        let times = Times::of(&log).unwrap();
        assert!(times.0.len() < RECORDS_MAX && times.end() == RECORDS_MAX as u64 + 1);
        assert_eq!(times.at(5), None);
        assert_eq!(times.at(RECORDS_MAX as u64 - 10), Some(time(RECORDS_MAX as u64 - 9)));
        assert_eq!(times.at(RECORDS_MAX as u64), Some(time(999_999)));
    }

    #[test]
    fn a_truncated_log_begins_anew_and_a_torn_record_is_cut_off() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api-1.log");
        write(&log, "a long line\n", 100);
        note(&log).unwrap();
        File::create(&log).unwrap();
        write(&log, "new\n", 200);
        OpenOptions::new().append(true).open(beside(&log)).unwrap().write_all(b"torn").unwrap();
        note(&log).unwrap();
        let times = Times::of(&log).unwrap();
        assert_eq!((times.at(0), times.end()), (Some(time(200)), 4));
    }
}
