//! The key that signs sticky cookies: kept in a file, so that clients stay where they are when
//! Plimsoll is started anew.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use edge::StickyKey;

use crate::state_file;

/// The file's name in the state directory.
const FILE: &str = "sticky.key";
const KEY_BYTES: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum StickyKeyError {
    /// The state directory cannot be made.
    #[error("cannot make the state directory {}", path.display())]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The key's file cannot be read or written.
    #[error("cannot use the key of sticky cookies in {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} does not hold a key of {KEY_BYTES} bytes: remove it, and a new one is made", path.display())]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    #[error("cannot draw a key for sticky cookies")]
    Random(#[source] io::Error),
}

/// The key in `state_dir`, made if there is none. The directory is made as well.
///
/// # Errors
/// When the directory or the file cannot be used.
pub(crate) fn load(state_dir: &Path) -> Result<StickyKey, StickyKeyError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(|source| StickyKeyError::StateDir { path: state_dir.to_owned(), source })?;
    let path = state_dir.join(FILE);
    match read(&path) {
        Ok(Some(key)) => Ok(StickyKey::new(&key)),
        Ok(None) => Err(StickyKeyError::Length { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(source) => Err(StickyKeyError::File { path, source }),
    }
}

fn read(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok())
}

fn make(path: PathBuf) -> Result<StickyKey, StickyKeyError> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| StickyKeyError::Random(error.into()))?;
    state_file::replace(&path, &key).map_err(|source| StickyKeyError::File { path, source })?;
    Ok(StickyKey::new(&key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/b");
        load(&state).unwrap();
        let path = state.join(FILE);
        let made = fs::read(&path).unwrap();
        assert_eq!(made.len(), KEY_BYTES);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        load(&state).unwrap();
        assert_eq!(fs::read(&path).unwrap(), made);
    }

    #[test]
    fn a_file_of_another_length_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "too short", &"long".repeat(9)] {
            fs::write(dir.path().join(FILE), text).unwrap();
            assert!(matches!(load(dir.path()), Err(StickyKeyError::Length { .. })));
        }
    }
}
