//! A container's output, as it comes into our own log.
//!
//! The engine keeps what a container writes, each piece with its time, to the nanosecond; it is followed from there, and
//! how far it was taken is written down beside, after the log was written to. So what a container wrote while no Plimsoll ran
//! is in the log, too, and nothing of it twice: at most what stands between the two writes is, where we were killed there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::apart::apart;
use crate::daemon::Daemon;

/// How long the engine may take to begin.
const BEGIN: Duration = Duration::from_secs(10);
/// From one attempt to follow to the next.
const AGAIN: Duration = Duration::from_millis(500);
/// What has ended was written soon, or is lost.
const REST: Duration = Duration::from_secs(5);
/// Pieces that are written at once at the most.
const BATCH: usize = 256;
/// A time as the engine writes it: `2026-11-27T17:00:00.123456789Z`.
const TIME_BYTES: usize = 30;

/// The output of one container, being followed. Dropped, it is not any more.
#[derive(Debug)]
pub(crate) struct Output {
    following: JoinHandle<()>,
    ended: watch::Sender<bool>,
}

/// Whose output it is, and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) daemon: Daemon,
    pub(crate) id: String,
    pub(crate) log: PathBuf,
    pub(crate) mark: Mark,
}

impl Output {
    /// Follows it.
    pub(crate) fn follow(way: Way) -> Self {
        let (ended, is_over) = watch::channel(false);
        let following = tokio::spawn(follow(way, is_over));
        Self { following, ended }
    }

    /// The container has ended: takes what is left, and no more.
    pub(crate) async fn finish(mut self) {
        self.ended.send_replace(true);
        let _ = tokio::time::timeout(REST, &mut self.following).await;
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn follow(way: Way, mut ended: watch::Receiver<bool>) {
    let mut told = false;
    loop {
        // Known before it is read: then what is read is the whole.
        let is_last = *ended.borrow_and_update();
        match pass(&way).await {
            Ok(()) if is_last => return,
            Ok(()) => {}
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    let (id, log) = (&way.id, way.log.display());
                    tracing::debug!(id, %log, %error, "a container's output cannot be followed now");
                }
            }
        }
        let _ = tokio::time::timeout(AGAIN, ended.wait_for(|ended| *ended)).await;
    }
}

/// Why output did not come.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Engine(#[from] crate::error::EngineError),
    #[error(transparent)]
    Stream(#[from] Error),
    #[error(transparent)]
    Written(#[from] io::Error),
}

/// Takes all that is new, until the container ends or the engine does.
async fn pass(way: &Way) -> Result<(), Fault> {
    let mark = way.mark.clone();
    let taken = apart(move || mark.read()).await??;
    let mut position = Position(taken);
    let options = LogsOptionsBuilder::default()
        .follow(true)
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        // Whole seconds are all that can be said: what was taken of the first is left out here.
        .since(position.second())
        .build();
    let pieces = way.daemon.client(BEGIN).await?.logs(&way.id, Some(options));
    let mut batches = std::pin::pin!(pieces.ready_chunks(BATCH));
    while let Some(batch) = batches.next().await {
        let mut bytes = Vec::new();
        let mut fault = None;
        for piece in batch {
            match piece {
                Ok(piece) => bytes.extend_from_slice(position.take(text(&piece))),
                Err(error) => fault = Some(error),
            }
        }
        if !bytes.is_empty() {
            let (log, mark, at) = (way.log.clone(), way.mark.clone(), position.0);
            let written = apart(move || {
                append(&log, &bytes)?;
                at.map_or(Ok(()), |at| mark.write(at))
            });
            written.await??;
        }
        if let Some(error) = fault {
            return Err(error.into());
        }
    }
    Ok(())
}

fn text(piece: &LogOutput) -> &[u8] {
    piece.as_ref()
}

fn append(log: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, _): (File, u64) = driver::log::open(log)?;
    file.write_all(bytes)
}

/// The time of the last piece that was taken, as the engine writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position(Option<[u8; TIME_BYTES]>);

impl Position {
    /// What is new of a piece, without its time.
    fn take<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let Some((time, rest)) = piece.split_first_chunk::<TIME_BYTES>() else { return piece };
        let Some(rest) = rest.strip_prefix(b" ").filter(|_| is_time(time)) else { return piece };
        match self.0 {
            // Texts of one length are in the order of their times.
            Some(taken) if *time < taken => &[],
            Some(taken) if *time == taken => &[],
            _ => {
                self.0 = Some(*time);
                rest
            }
        }
    }

    /// The second in which it is, since 1970.
    fn second(&self) -> i32 {
        self.0.as_ref().and_then(second).unwrap_or(0)
    }
}

fn is_time(text: &[u8; TIME_BYTES]) -> bool {
    text[4] == b'-' && text[10] == b'T' && text[19] == b'.' && text[29] == b'Z'
}

/// The second of a time in UTC, by the count of days of Howard Hinnant's `days_from_civil`.
fn second(time: &[u8; TIME_BYTES]) -> Option<i32> {
    let number = |from: usize, to: usize| -> Option<i64> {
        std::str::from_utf8(&time[from..to]).ok()?.parse().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
    i32::try_from(days * 86_400 + hour * 3_600 + minute * 60 + second).ok()
}

/// Where it is written down how far a container's output was taken.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    path: PathBuf,
}

impl Mark {
    /// Of the container `id`, in the state directory `state_dir`.
    pub(crate) fn of(state_dir: &Path, id: &str) -> Self {
        Self { path: state_dir.join("docker").join("output").join(id) }
    }

    fn read(&self) -> io::Result<Option<[u8; TIME_BYTES]>> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(bytes.try_into().ok().filter(is_time)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, time: [u8; TIME_BYTES]) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(&self.path)?.write_all_at(&time, 0)
    }

    /// Forgets it.
    pub(crate) fn remove(&self) {
        // One that is not there was never written.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_not_taken_again() {
        let mut position = Position::default();
        let first = b"2026-11-27T17:00:00.000000001Z one\n";
        let second = b"2026-11-27T17:00:00.000000002Z two\n";
        assert_eq!(position.take(first), b"one\n");
        assert_eq!(position.take(second), b"two\n");
        assert_eq!(position.take(first), b"");
        assert_eq!(position.take(second), b"");
        assert_eq!(position.take(b"2026-11-27T17:00:01.000000000Z half"), b"half");
        // What has no time is not what we asked for, and not lost.
        assert_eq!(position.take(b"short"), b"short");
    }

    #[test]
    fn a_time_is_the_second_that_it_is_in() {
        let at = |text: &str| second(text.as_bytes().try_into().unwrap());
        assert_eq!(at("1970-01-01T00:00:00.000000000Z"), Some(0));
        assert_eq!(at("2024-02-29T12:30:15.999999999Z"), Some(1_709_209_815));
        assert_eq!(at("2026-11-27T17:00:00.123456789Z"), Some(1_795_798_800));
        assert_eq!(at("2026-11-27Txx:00:00.123456789Z"), None);
    }

    #[test]
    fn how_far_it_was_taken_is_remembered_and_forgotten() {
        let room = tempfile::tempdir().unwrap();
        let mark = Mark::of(room.path(), "abc");
        assert_eq!(mark.read().unwrap(), None);
        let time = *b"2026-11-27T17:00:00.123456789Z";
        mark.write(time).unwrap();
        assert_eq!(Mark::of(room.path(), "abc").read().unwrap(), Some(time));
        mark.remove();
        assert_eq!(mark.read().unwrap(), None);
    }
}
