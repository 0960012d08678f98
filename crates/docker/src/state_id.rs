//! The name of a state directory, which marks the containers that were started from it: a file in it, made when the first one
//! is.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::EngineError;

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct StateId {
    path: PathBuf,
}

impl StateId {
    /// Of the state directory `state_dir`.
    pub(crate) fn of(state_dir: &Path) -> Self {
        Self { path: state_dir.join("docker").join("state-id") }
    }

    /// The name; `None` where none was given yet.
    pub(crate) fn read(&self) -> Result<Option<String>, EngineError> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.error(source)),
        }
    }

    /// The name, given now if it was not before.
    pub(crate) fn make(&self) -> Result<String, EngineError> {
        if let Some(known) = self.read()? {
            return Ok(known);
        }
        let name = driver::record::mark();
        match self.write(&name) {
            Ok(()) => Ok(name),
            // Another thread was first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.read()?.ok_or_else(|| self.error(error))
            }
            Err(source) => Err(self.error(source)),
        }
    }

    /// The file is there whole or not at all.
    fn write(&self, name: &str) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let draft = directory.join(format!("state-id.{name}"));
        let mut file: File =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let written = file.write_all(name.as_bytes()).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| std::fs::hard_link(&draft, &self.path));
        let _ = std::fs::remove_file(&draft);
        linked
    }

    fn error(&self, source: io::Error) -> EngineError {
        EngineError::StateId { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_state_directory_is_named_once_and_keeps_its_name() {
        let room = tempfile::tempdir().unwrap();
        let id = StateId::of(room.path());
        assert_eq!(id.read().unwrap(), None);
        let name = id.make().unwrap();
        assert_eq!(name.len(), 16);
        assert_eq!(StateId::of(room.path()).make().unwrap(), name);
        let files: Vec<_> = std::fs::read_dir(room.path().join("docker")).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(id.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(StateId::of(other.path()).make().unwrap(), name);
    }
}
