//! A file that holds a secret: read only where nobody but its owner, or root and its owner's group, may.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// No secret is longer, in bytes.
const BYTES_MAX: u64 = 4096;
/// What lets all others read or write.
const OTHERS: u32 = 0o007;
/// What lets the group write.
const GROUP_WRITES: u32 = 0o020;

/// What the file `path` holds. A symbolic link is followed: systemd and Kubernetes make them.
///
/// # Errors
/// When it cannot be read, is not a text, or others may read it.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o777;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if mode & (OTHERS | GROUP_WRITES) != 0 {
        let why = format!("others than its owner may use it (mode {mode:04o}): `chmod 600` it");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_others_may_read_holds_no_secret() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("token");
        fs::write(&path, "s3cret\n").unwrap();
        for (mode, is_read) in [(0o600, true), (0o440, true), (0o644, false), (0o660, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), is_read, "{mode:o}");
        }
        assert_eq!(read(room.path()).unwrap_err().to_string(), "it is not a file");
        assert!(read(&room.path().join("none")).is_err());
    }
}
