//! Logs of instances that are gone, of which only the last are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use model::ServiceName;

use super::archive::Archive;
use super::times;

/// What a log's name ends with.
const SUFFIX: &str = ".log";

/// Which logs are to be removed.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The service.
    pub service: ServiceName,
    /// The instances whose logs stay: all that there were at the time `then`.
    pub living: BTreeSet<String>,
    /// What has been written since stays.
    pub then: SystemTime,
    /// Of so many of the others of each kind (of instances, of a hook, of a job) the logs are kept: those that were made last, by the
    /// numbers that their names end with.
    pub keep: usize,
}

/// Removes logs in `directory`, with their archives. A directory that is not there has none.
///
/// # Errors
/// The first fault; the others are removed all the same.
pub fn sweep(directory: &Path, sweep: &Sweep) -> io::Result<()> {
    let Sweep { living, then, keep, .. } = sweep;
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut gone: BTreeMap<String, Vec<(u64, PathBuf)>> = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(SUFFIX));
        let Some(name) = name.filter(|name| !living.contains(*name)) else { continue };
        // What stands before the number says what kind it is of.
        let (kind, number) = name.rsplit_once('-').unwrap_or((name, ""));
        let (kind, number) = (kind.to_owned(), number.parse().unwrap_or_default());
        // It may have been swept by somebody else; or it is of one that was started since.
        let Ok(written) = path.metadata().and_then(|it| it.modified()) else { continue };
        if written <= *then {
            gone.entry(kind).or_default().push((number, path));
        }
    }
    gone.values_mut().for_each(|of_kind| of_kind.sort_by(|one, other| other.cmp(one)));
    let too_old = gone.values().flat_map(|of_kind| of_kind.iter().skip(*keep));
    let faults: Vec<_> = too_old.filter_map(|(_, log)| remove(log).err()).collect();
    faults.into_iter().next().map_or(Ok(()), Err)
}

/// The log goes last: as long as something of it is there, it is found again.
fn remove(log: &Path) -> io::Result<()> {
    let archives = Archive::all(log)?.into_iter().map(|archive| archive.path);
    archives.chain([times::beside(log), log.to_owned()]).try_for_each(|path| match fs::remove_file(
        path,
    ) {
        // Two may sweep at once.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_of_those_that_are_gone_are_kept_and_all_that_live() {
        let room = tempfile::tempdir().unwrap();
        let write = |name: &str, age: u64| {
            let file = fs::File::create(room.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        for (name, age) in
            [("api-1.log", 90), ("api-2.log", 10), ("api-3.log", 30), ("api-10.log", 60)]
        {
            write(name, age);
        }
        write("api-2.log.000001-0", 70);
        write("api-2.log.partial-10", 60);
        write("api-3.log.000001-0", 70);
        write("notes.txt", 500);
        // A job's runs take no place of instances.
        for number in [7, 8, 90] {
            write(&format!("api-job-crawl-{number}.log"), 20);
        }
        let living = ["api-1".to_owned()].into();
        let new = fs::File::create(room.path().join("api-0.log")).unwrap();
        let then = SystemTime::now();
        new.set_modified(then + Duration::from_secs(1)).unwrap();
        let all = Sweep { service: "api".into(), living, then, keep: 2 };
        sweep(room.path(), &all).unwrap();
        let entries = fs::read_dir(room.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let expected = [
            "api-0.log",
            "api-1.log",
            "api-10.log",
            "api-3.log",
            "api-3.log.000001-0",
            "api-job-crawl-8.log",
            "api-job-crawl-90.log",
            "notes.txt",
        ];
        assert_eq!(names.collect::<BTreeSet<_>>(), expected.map(str::to_owned).into());
        sweep(&room.path().join("none"), &all).unwrap();
    }
}
