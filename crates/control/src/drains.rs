//! Who is drained by an operator, and since when: kept in a file, so that neither a restart nor an
//! address that goes and returns gives traffic to what somebody has taken out.
//!
//! A drain holds as long as the file has the target that the instance stands for. What is written
//! is a line for each: seconds since 1970, the service, the instance.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{InstanceName, Intent, ServiceName};
use telemetry::{Events, event};

use crate::chain::chain;
use crate::state_file;

/// The file's name in the state directory.
const FILE: &str = "drains";
/// What the file begins and ends with. One that does not is not whole.
const FIRST: &str = "plimsoll drains 1";
const LAST: &str = "end";
/// No list is longer.
const BYTES_MAX: u64 = 16 << 20;

/// What stands between a target and the address of one of its instances. No part of a host.
pub(crate) const SEPARATOR: char = '/';

/// Who is drained, and since when.
#[derive(Debug)]
pub(crate) struct DrainList {
    path: PathBuf,
    events: Events,
    since: BTreeMap<ServiceName, BTreeMap<InstanceName, SystemTime>>,
}

impl DrainList {
    /// Those that are written down in `state_dir`; none where nothing is, or nothing that can be
    /// read.
    pub(crate) fn load(state_dir: &Path, events: Events) -> Self {
        let path = state_dir.join(FILE);
        let shown = path.display();
        let mut drains = Self { path: path.clone(), events, since: BTreeMap::new() };
        match state_file::read(&path, BYTES_MAX) {
            Ok(Some(bytes)) => match std::str::from_utf8(&bytes).ok().and_then(parse) {
                Some(since) => drains.since = since,
                None => drains.events.emit(event::DrainsDamaged { path: shown.to_string() }),
            },
            Ok(None) => tracing::debug!(path = %shown, "no list of drained instances yet"),
            Err(error) => drains.events.emit(event::DrainsUnreadable { why: chain(&error) }),
        }
        drains
    }

    /// Whether nobody is drained.
    pub(crate) fn is_empty(&self) -> bool {
        self.since.values().all(BTreeMap::is_empty)
    }

    /// Since when the instance is drained, if it is.
    pub(crate) fn since(&self, service: &str, instance: &str) -> Option<SystemTime> {
        self.since.get(service)?.get(instance).copied()
    }

    /// All that are drained of `service`.
    pub(crate) fn of(
        &self,
        service: &ServiceName,
    ) -> impl Iterator<Item = (&InstanceName, SystemTime)> {
        let all = self.since.get(service).into_iter().flatten();
        all.map(|(instance, since)| (instance, *since))
    }

    /// Notes a drain, unless it is noted.
    pub(crate) fn put(&mut self, service: &ServiceName, instance: &InstanceName, now: SystemTime) {
        let of_service = self.since.entry(service.clone()).or_default();
        if !of_service.contains_key(instance) {
            of_service.insert(instance.clone(), now);
            self.write();
        }
    }

    /// Takes a drain back.
    pub(crate) fn remove(&mut self, service: &str, instance: &str) {
        let of_service = self.since.get_mut(service);
        if of_service.and_then(|of_service| of_service.remove(instance)).is_some() {
            self.write();
        }
    }

    /// Forgets those whose target `intent` does not have.
    pub(crate) fn keep_wanted(&mut self, intent: &Intent) {
        let count = |drains: &Self| drains.since.values().map(BTreeMap::len).sum::<usize>();
        let before = count(self);
        self.since.retain(|service, instances| {
            let wanted = intent.services.get(service);
            if wanted.is_some_and(|it| it.run.is_some()) {
                return true;
            }
            let targets = wanted.map_or(&[][..], |it| &it.targets);
            instances.retain(|instance, _| {
                targets.iter().any(|target| target.name.as_str() == target_of(instance))
            });
            !instances.is_empty()
        });
        if count(self) != before {
            self.write();
        }
    }

    /// Writes all down. A drain that cannot be written down holds all the same, until the end.
    fn write(&self) {
        if let Err(error) = state_file::replace(&self.path, self.text().as_bytes()) {
            let (path, why) = (self.path.display().to_string(), chain(&error));
            self.events.emit(event::DrainsNotSaved { path, why });
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{FIRST}\n");
        for (service, instances) in &self.since {
            for (instance, since) in instances {
                let seconds = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                writeln!(text, "{seconds} {service} {instance}")
                    .expect("writing to a string cannot fail");
            }
        }
        text + LAST + "\n"
    }
}

/// The target that the instance `name` came from, as it was written.
pub(crate) fn target_of(name: &InstanceName) -> &str {
    name.as_str().split(SEPARATOR).next().unwrap_or_default()
}

fn parse(text: &str) -> Option<BTreeMap<ServiceName, BTreeMap<InstanceName, SystemTime>>> {
    let lines = text.strip_prefix(FIRST)?.strip_prefix('\n')?;
    let lines = lines.strip_suffix('\n')?.strip_suffix(LAST)?;
    let mut all = BTreeMap::<ServiceName, BTreeMap<_, _>>::new();
    for line in lines.lines() {
        let mut words = line.split(' ');
        let (seconds, service, instance) = (words.next()?, words.next()?, words.next()?);
        let since = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
        let is_whole = words.next().is_none() && !service.is_empty() && !instance.is_empty();
        is_whole.then_some(())?;
        all.entry(service.into()).or_default().insert(instance.into(), since);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut drains = DrainList::load(dir.path(), Events::default());
        drains.put(&"api".into(), &"app.internal:80/fd00::1".into(), at(7));
        drains.put(&"api".into(), &"10.0.0.1:80".into(), at(8));
        drains.put(&"api".into(), &"10.0.0.1:80".into(), at(9));
        drains.put(&"chat".into(), &"10.0.0.1:80".into(), at(9));
        drains.remove("chat", "10.0.0.1:80");
        let again = DrainList::load(dir.path(), Events::default());
        assert_eq!(again.since("api", "app.internal:80/fd00::1"), Some(at(7)));
        assert_eq!(again.since("api", "10.0.0.1:80"), Some(at(8)), "the first time counts");
        assert_eq!(again.since("chat", "10.0.0.1:80"), None);
    }

    #[test]
    fn a_damaged_file_is_no_drain_and_no_fault() {
        let dir = tempfile::tempdir().unwrap();
        let mut drains = DrainList::load(dir.path(), Events::default());
        drains.put(&"api".into(), &"10.0.0.1:80".into(), at(8));
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(
                DrainList::load(dir.path(), Events::default()).since("api", "10.0.0.1:80"),
                None,
                "{length}"
            );
        }
        for text in
            ["\u{0}", "plimsoll drains 1\nx api a:1\nend\n", "plimsoll drains 1\n1 api\nend\n"]
        {
            fs::write(&path, text).unwrap();
            assert!(DrainList::load(dir.path(), Events::default()).since.is_empty(), "{text}");
        }
    }
}
