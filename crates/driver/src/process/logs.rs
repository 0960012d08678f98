//! Where the output of processes is: a directory for each service, a log for each instance (see [`crate::log`]).

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model::{InstanceName, ServiceName};

use crate::log::{Follow, Times};
use crate::logs::{Line, Logs, Output, Part, Written};

/// What a log's name ends with.
const SUFFIX: &str = ".log";

/// The logs of processes, in a directory of their own.
#[derive(Clone, Debug)]
pub struct ProcessLogs {
    directory: PathBuf,
}

impl ProcessLogs {
    /// Those in `logs` in the state directory.
    pub fn of(state_dir: &Path) -> Self {
        Self { directory: state_dir.join("logs") }
    }

    /// Where all of them are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where those of `service` are.
    pub fn of_service(&self, service: &ServiceName) -> PathBuf {
        self.directory.join(service.as_str())
    }

    /// The log of an instance.
    pub fn path(&self, service: &ServiceName, instance: &InstanceName) -> PathBuf {
        self.of_service(service).join(format!("{instance}{SUFFIX}"))
    }
}

impl Logs for ProcessLogs {
    fn instances(&self, service: &ServiceName) -> io::Result<Vec<InstanceName>> {
        let entries = match std::fs::read_dir(self.of_service(service)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // Archives, and what is being made of them, end otherwise.
        let instance = |name: &str| name.strip_suffix(SUFFIX).map(InstanceName::from);
        let entries = entries.map(|entry| Ok(entry?.file_name().to_str().and_then(instance)));
        entries.filter_map(Result::transpose).collect()
    }

    fn written(&self, service: &ServiceName, instance: &InstanceName) -> Written {
        let metadata = self.path(service, instance).metadata().ok();
        let time = |read: fn(&Metadata) -> io::Result<SystemTime>| read(metadata.as_ref()?).ok();
        Written { begun: time(Metadata::created), last: time(Metadata::modified) }
    }

    fn open(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        part: Part,
    ) -> io::Result<Box<dyn Output>> {
        Ok(Box::new(Log::open(self.path(service, instance), part)?))
    }

    fn place(&self, service: &ServiceName) -> String {
        self.of_service(service).display().to_string()
    }
}

/// A log that is read.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    follow: Follow,
    times: Times,
}

impl Log {
    fn open(path: PathBuf, part: Part) -> io::Result<Self> {
        let times = Times::of(&path)?;
        let Part { lines, since } = part;
        let follow = match since {
            None => Follow::last(&path, 0, lines)?,
            // What nothing is noted of yet is of the last second.
            Some(since) if lines == usize::MAX => Follow::since(&path, times.since(since))?,
            Some(since) => Follow::last(&path, times.since(since), lines)?,
        };
        Ok(Self { path, follow, times })
    }
}

impl Output for Log {
    fn line(&mut self) -> io::Result<Option<Line>> {
        self.follow.ready_line()
    }

    fn rest(&mut self) -> Option<Line> {
        self.follow.rest()
    }

    fn at(&mut self, line: &Line) -> Option<SystemTime> {
        if line.offset >= self.times.end() {
            self.times = Times::of(&self.path).unwrap_or_default();
        }
        match line.offset < self.times.end() {
            true => self.times.at(line.offset),
            // It is noted every second; until then the file knows.
            false => self.path.metadata().and_then(|it| it.modified()).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn what_instances_wrote_is_found_by_their_names_and_archives_are_nobodys() {
        let state = tempfile::tempdir().unwrap();
        let logs = ProcessLogs::of(state.path());
        let (service, one) = (ServiceName::from("api"), InstanceName::from("api-1"));
        assert!(logs.instances(&service).unwrap().is_empty(), "no directory, no logs");
        assert_eq!(logs.written(&service, &one), Written::default());
        let all = Part { lines: usize::MAX, since: None };
        let none = logs.open(&service, &one, all).and_then(|mut it| it.line()).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
        fs::create_dir_all(logs.of_service(&service)).unwrap();
        for name in ["api-1.log", "api-2.log", "api-1.log.times", "api-1.log.000001-0"] {
            fs::write(logs.of_service(&service).join(name), "one\ntwo\nrest").unwrap();
        }
        let found: BTreeSet<_> = logs.instances(&service).unwrap().into_iter().collect();
        assert_eq!(found, ["api-1", "api-2"].map(InstanceName::from).into());
        assert!(logs.written(&service, &one).last.is_some());
        fs::remove_file(logs.of_service(&service).join("api-1.log.000001-0")).unwrap();
        fs::remove_file(logs.of_service(&service).join("api-1.log.times")).unwrap();
        let mut output = logs.open(&service, &one, Part { lines: 2, ..all }).unwrap();
        let line = output.line().unwrap().unwrap();
        assert_eq!((line.offset, line.text.as_str()), (4, "two"));
        assert!(output.at(&line).is_some() && output.line().unwrap().is_none());
        assert_eq!(output.rest().unwrap().text, "rest");
    }
}
