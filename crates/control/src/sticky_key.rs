//! The key that signs sticky cookies: kept in a file, so that clients stay where they are when
//! Plimsoll is started anew.

use std::io;
use std::path::{Path, PathBuf};

use edge::StickyKey;

use crate::state_dir::StateDirError;
use crate::state_file;

/// The file's name in the state directory.
const FILE: &str = "sticky.key";
const KEY_BYTES: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum StickyKeyError {
    /// The key's file cannot be read, or others could have written it.
    #[error("cannot use the key of sticky cookies")]
    StateDir(#[from] StateDirError),
    /// The key's file cannot be written.
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
    #[error("cannot generate a key for sticky cookies")]
    Random(#[source] io::Error),
}

/// The key in `state_dir`, made if there is none.
///
/// # Errors
/// When the file cannot be used.
pub(crate) fn load(state_dir: &Path) -> Result<StickyKey, StickyKeyError> {
    let path = state_dir.join(FILE);
    match state_file::read(&path, KEY_BYTES as u64 + 1)? {
        None => make(path),
        Some(bytes) => match <[u8; KEY_BYTES]>::try_from(bytes) {
            Ok(key) => Ok(StickyKey::new(&key)),
            Err(_) => Err(StickyKeyError::Length { path }),
        },
    }
}

fn make(path: PathBuf) -> Result<StickyKey, StickyKeyError> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| StickyKeyError::Random(error.into()))?;
    state_file::replace(&path, &key).map_err(|source| StickyKeyError::File { path, source })?;
    Ok(StickyKey::new(&key))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().to_owned();
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
