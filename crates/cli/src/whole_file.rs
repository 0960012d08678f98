//! Files that are written whole, or not at all.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

/// Puts `bytes` in the place of the file, with the same owner and the same rights. A link stays one.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = fs::canonicalize(file)?;
    let before = fs::metadata(&file)?;
    if before.nlink() > 1 {
        let why = "it has several names (hard links), of which only one would be replaced";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    // Of a name of its own, which is not for others before it is what it will be. Dropped, it is removed.
    let dir = file.parent().unwrap_or(Path::new("/"));
    let mut to = tempfile::Builder::new().prefix(".plimsoll-").tempfile_in(dir)?;
    let made = to.as_file().metadata()?;
    if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
        fchown(to.as_file(), Some(before.uid()), Some(before.gid()))?;
    }
    let mode = before.permissions().mode() & 0o7777;
    to.as_file().set_permissions(Permissions::from_mode(mode))?;
    to.write_all(bytes)?;
    to.as_file().sync_all()?;
    to.persist(&file).map_err(|failed| failed.error)?;
    Ok(())
}

/// Makes the file, with these rights. One that is there is left as it is.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] among others.
pub(crate) fn create(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut to = tempfile::Builder::new().prefix(".plimsoll-").tempfile_in(dir)?;
    to.as_file().set_permissions(Permissions::from_mode(mode))?;
    to.write_all(bytes)?;
    to.as_file().sync_all()?;
    to.persist_noclobber(file).map_err(|failed| failed.error)?;
    Ok(())
}
