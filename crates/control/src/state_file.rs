//! Small files in the state directory, replaced whole: a crash leaves the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::state_dir::{StateDirError, read_file};

/// Writes `bytes` beside and renames. Only the owner can read the file. Waits for the disk.
///
/// # Errors
/// When the system refuses; then the file is as it was.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    // What a crash, or somebody else, has left there is not written to, be it a link.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // The rename itself is safe only when the directory is.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// What the file `path` holds, up to `bytes_max` bytes; `None` where there is none.
///
/// # Errors
/// When it cannot be read, or others than its owner could have written it.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, StateDirError> {
    let Some(file) = read_file(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = file.take(bytes_max).read_to_end(&mut bytes);
    read.map_err(|source| StateDirError::File { path: path.to_owned(), source })?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_that_waits_beside_is_not_written_through() {
        let room = tempfile::tempdir().unwrap();
        let (path, victim) = (room.path().join("drains"), room.path().join("victim"));
        fs::write(&victim, "whole").unwrap();
        symlink(&victim, room.path().join("drains.new")).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"whole");
        assert_eq!(read(&path, 99).unwrap().unwrap(), b"new");
        assert!(read(&room.path().join("none"), 99).unwrap().is_none());
    }
}
