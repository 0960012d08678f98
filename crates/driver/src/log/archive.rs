//! The archives beside a log: their names, and which there are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// One archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Archive {
    /// Its file.
    pub(super) path: PathBuf,
    /// Its number, from 1; `None` while it is being made.
    pub(super) number: Option<u64>,
    /// The offset of its first byte in the stream.
    pub(super) start: u64,
    /// Its bytes.
    pub(super) len: u64,
}

impl Archive {
    /// The file in which an archive from `start` is made.
    pub(super) fn partial(log: &Path, start: u64) -> PathBuf {
        beside(log, &format!("partial-{start}"))
    }

    /// The file of the finished archive `number` from `start`.
    pub(super) fn finished(log: &Path, number: u64, start: u64) -> PathBuf {
        beside(log, &format!("{number:06}-{start}"))
    }

    /// Whether the stream's byte at `offset` is in it.
    pub(super) fn has(&self, offset: u64) -> bool {
        (self.start..self.start + self.len).contains(&offset)
    }

    /// All archives of `log`, finished ones in their order, then what is being made.
    pub(super) fn all(log: &Path) -> io::Result<Vec<Self>> {
        let directory = log.parent().unwrap_or(Path::new("."));
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let Some((number, start)) = parse(log, &entry.file_name()) else { continue };
            // It may be gone by now: renamed, or one too many.
            let Ok(metadata) = entry.metadata() else { continue };
            found.push(Self { path: entry.path(), number, start, len: metadata.len() });
        }
        found.sort_by_key(|archive| archive.number.unwrap_or(u64::MAX));
        Ok(found)
    }
}

fn beside(log: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(".");
    name.push(suffix);
    name.into()
}

fn parse(log: &Path, name: &OsString) -> Option<(Option<u64>, u64)> {
    let suffix = name.to_str()?.strip_prefix(log.file_name()?.to_str()?)?.strip_prefix('.')?;
    let (number, start) = suffix.split_once('-')?;
    let number = match number {
        "partial" => None,
        number => Some(number.parse().ok()?),
    };
    Some((number, start.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_found_in_their_order_and_nothing_else_is() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("api-3.log");
        for name in [
            "api-3.log",
            "api-3.log.1",
            "api-3.log.gz-x",
            "api-33.log.000001-0",
            "api-3.log.partial-30",
            "api-3.log.1000000-20",
            "api-3.log.000002-10",
        ] {
            fs::write(room.path().join(name), "0123456789").unwrap();
        }
        let starts: Vec<_> = Archive::all(&log)
            .unwrap()
            .into_iter()
            .map(|archive| (archive.number, archive.start, archive.len))
            .collect();
        assert_eq!(starts, [(Some(2), 10, 10), (Some(1_000_000), 20, 10), (None, 30, 10)]);
    }
}
