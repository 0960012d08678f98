//! What a configuration may depend on besides its text. Everything of the outside world comes
//! through here, so that tests need none of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Secret;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::sources::Part;

/// Where a text came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The file as the user named it, for messages.
    pub name: String,
    /// Where relative paths in the text start.
    pub dir: PathBuf,
    /// The world around.
    pub environment: Environment,
}

/// The world around a configuration.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Whether Plimsoll runs as root.
    pub root: bool,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// Whether a file is there and may be read.
    pub probe: fn(&Path) -> io::Result<()>,
    /// A variable's value, if it is set.
    pub variable: fn(&str) -> Option<OsString>,
    /// The secrets in the file of them beside a configuration; none where there is no such file.
    pub sealed: fn(&Path) -> Result<BTreeMap<String, Secret>, SealedFault>,
    /// Those, as they were found beside the configuration that is read.
    pub secrets: Arc<BTreeMap<String, Secret>>,
    /// Opens a file that is included: a regular one, and without waiting for anything.
    pub open: fn(&Path) -> io::Result<File>,
    /// The names in a directory, in any order.
    pub list: fn(&Path) -> io::Result<Vec<OsString>>,
}

/// Why the secrets beside a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the secrets beside the configuration cannot be used")]
pub struct SealedFault {
    /// What to do about it.
    pub hint: Option<String>,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The most names that are looked at in one directory: one with more was named by mistake.
const LISTED_MAX: usize = 100_000;

impl Origin {
    /// The text of `length` bytes that came from here, as the first of a configuration's.
    pub(crate) fn part(&self, length: usize) -> Part {
        Part { name: self.name.as_str().into(), dir: self.dir.clone(), bytes: 0..length }
    }

    /// Which file it is, however it is named: its device and its number there.
    pub(crate) fn identity(&self) -> Option<(u64, u64)> {
        let file = self.dir.join(Path::new(&self.name).file_name()?);
        let metadata = (self.environment.open)(&file).ok()?.metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    }
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let path = |name| std::env::var_os(name).filter(|v: &OsString| !v.is_empty());
        Self {
            root: rustix::process::geteuid().is_root(),
            home: path("HOME").map(PathBuf::from),
            state_home: path("XDG_STATE_HOME").map(PathBuf::from),
            probe: probe_file,
            variable: |name| std::env::var_os(name),
            sealed: |_| Ok(BTreeMap::new()),
            secrets: Arc::default(),
            open: open_file,
            list: list_directory,
        }
    }

    /// An environment that is the same everywhere: not root, its home is `/home/user`, every file
    /// is there, but none can be included, and no variable is set. For tests and fuzzing.
    pub fn fixed() -> Self {
        Self {
            root: false,
            home: Some(PathBuf::from("/home/user")),
            state_home: None,
            probe: |_| Ok(()),
            variable: |_| None,
            sealed: |_| Ok(BTreeMap::new()),
            secrets: Arc::default(),
            open: |_| Err(io::ErrorKind::NotFound.into()),
            list: |_| Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The secret that is called so: a variable, or, where there is none or an empty one, one beside the configuration.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        let variable = (self.variable)(name).map(OsString::into_vec);
        let variable = variable.filter(|value| !value.is_empty()).map(Secret::new);
        variable.or_else(|| self.secrets.get(name).cloned())
    }

    /// The same as text; none where it is not UTF-8.
    pub fn secret_text(&self, name: &str) -> Option<String> {
        String::from_utf8(self.secret(name)?.expose().to_vec()).ok()
    }

    /// This, with the secrets that were found beside a configuration.
    #[must_use]
    pub fn with_secrets(self, secrets: &Arc<BTreeMap<String, Secret>>) -> Self {
        Self { secrets: secrets.clone(), ..self }
    }

    /// Where state is kept unless the file says so: `/var/lib/plimsoll` for root, else where the
    /// XDG Base Directory Specification wants it, which ignores relative paths. `None` when the
    /// environment names no place.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        if self.root {
            return Some(PathBuf::from("/var/lib/plimsoll"));
        }
        let absolute = |path: &PathBuf| path.is_absolute();
        let state_home = self.state_home.clone().filter(absolute);
        let home = || Some(self.home.clone().filter(absolute)?.join(".local/state"));
        Some(state_home.or_else(home)?.join("plimsoll"))
    }
}

/// Opens a regular file and closes it again. Looks before it opens, since opening a FIFO waits.
fn probe_file(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(path).map(drop)
}

/// Opens the file that its user named, whatever it is: a shell hands over what a command writes as a pipe. A FIFO that
/// nothing writes is empty, and not waited for.
pub(crate) fn open_named(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file)
}

/// Opens a regular file. Neither a FIFO without a writer nor a device keeps it waiting.
fn open_file(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

fn list_directory(path: &Path) -> io::Result<Vec<OsString>> {
    let entries = std::fs::read_dir(path)?.take(LISTED_MAX + 1);
    let names: Vec<OsString> =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<_>>()?;
    if names.len() > LISTED_MAX {
        return Err(io::Error::other(format!("it holds more than {LISTED_MAX} files")));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(root: bool, home: Option<&str>, state_home: Option<&str>) -> Environment {
        let home = home.map(PathBuf::from);
        let state_home = state_home.map(PathBuf::from);
        Environment { root, home, state_home, ..Environment::fixed() }
    }

    #[test]
    fn state_is_kept_where_the_user_may_write() {
        for (root, home, state_home, expected) in [
            (true, Some("/root"), Some("/x"), Some("/var/lib/plimsoll")),
            (false, Some("/home/a"), Some("/x"), Some("/x/plimsoll")),
            (false, Some("/home/a"), Some("relative"), Some("/home/a/.local/state/plimsoll")),
            (false, Some("/home/a"), None, Some("/home/a/.local/state/plimsoll")),
            (false, None, None, None),
        ] {
            let found = environment(root, home, state_home).state_dir();
            assert_eq!(found.as_deref(), expected.map(Path::new));
        }
    }

    #[test]
    fn only_regular_files_that_open_pass_the_probe() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cert.pem");
        std::fs::write(&file, "").unwrap();
        assert!(probe_file(&file).is_ok());
        assert_eq!(probe_file(dir.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let missing = probe_file(&dir.path().join("none")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
