//! The hosts on which instances may be, over restarts of Plimsoll: a file in the state directory, one host a line.
//!
//! A host is in it before anything is made there, and taken out when it was looked through and has none of ours. So what a
//! host still has that was lost in a deploy is found when it is back, whatever the file with the configuration says by then.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use model::RemoteHost;

/// The file, and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct KnownHosts {
    directory: PathBuf,
    /// `None` until it was read.
    hosts: Arc<Mutex<Option<BTreeSet<RemoteHost>>>>,
}

impl KnownHosts {
    /// In this directory, which may not be there yet.
    pub(crate) fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), hosts: Arc::default() }
    }

    /// All of them.
    pub(crate) fn all(&self) -> io::Result<BTreeSet<RemoteHost>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.read(&mut hosts)?.clone())
    }

    /// Writes down that instances may be on `host`.
    pub(crate) fn add(&self, host: &RemoteHost) -> io::Result<()> {
        self.change(|hosts| hosts.insert(host.clone()))
    }

    /// Writes down that none is.
    pub(crate) fn remove(&self, host: &RemoteHost) -> io::Result<()> {
        self.change(|hosts| hosts.remove(host))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<RemoteHost>) -> bool) -> io::Result<()> {
        let mut known = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hosts = self.read(&mut known)?.clone();
        if change(&mut hosts) {
            self.write(&hosts)?;
            *known = Some(hosts);
        }
        Ok(())
    }

    fn read<'a>(
        &self,
        hosts: &'a mut Option<BTreeSet<RemoteHost>>,
    ) -> io::Result<&'a BTreeSet<RemoteHost>> {
        if hosts.is_none() {
            let text = match fs::read_to_string(self.path()) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                Err(error) => return Err(error),
            };
            *hosts = Some(text.lines().filter_map(|line| line.parse().ok()).collect());
        }
        Ok(hosts.get_or_insert_default())
    }

    /// The file is there whole, as it was or as it is to be.
    fn write(&self, hosts: &BTreeSet<RemoteHost>) -> io::Result<()> {
        make(&self.directory)?;
        let draft = self.directory.join("hosts.new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        let text: String = hosts.iter().map(|host| format!("{host}\n")).collect();
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(draft, self.path())
    }

    fn path(&self) -> PathBuf {
        self.directory.join("hosts")
    }
}

/// Makes a directory that is ours alone, unless it is there.
pub(crate) fn make(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known_over_restarts_until_they_are_taken_out() {
        let room = tempfile::tempdir().unwrap();
        let directory = room.path().join("ssh");
        let known = KnownHosts::of(&directory);
        assert_eq!(known.all().unwrap(), BTreeSet::new());
        let [one, two]: [RemoteHost; 2] =
            ["deploy@10.0.0.11", "web2"].map(|it| it.parse().unwrap());
        known.add(&one).unwrap();
        known.add(&two).unwrap();
        known.add(&two).unwrap();
        let known = KnownHosts::of(&directory);
        assert_eq!(known.all().unwrap(), [one.clone(), two.clone()].into());
        known.remove(&one).unwrap();
        assert_eq!(KnownHosts::of(&directory).all().unwrap(), [two].into());
    }
}
