//! That what Plimsoll keeps is its own: a directory and files that belong to its user, that nobody
//! else may write, and that nobody else can read.
//!
//! The journal says which programs are started: a user who can write it, or put another in its place,
//! runs what they like. So what belongs to somebody else, or could have been written by others, is
//! refused with a cure, and never mended: nobody knows what is in it by then. What others may only
//! read is shut to them. No file of it is ever opened through a symbolic link; the directory itself
//! may be one, as systemd makes it with `DynamicUser=`.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// Mode of the state directory.
const DIRECTORY_MODE: u32 = 0o700;
/// Mode of each file in it.
const FILE_MODE: u32 = 0o600;
/// What lets the group or all others write.
const OTHERS_WRITE: u32 = 0o022;
/// What lets the group or all others do anything.
const OTHERS: u32 = 0o077;
/// A directory that has one of these, or nothing, is used for nothing but the state.
const MARKS: [&str; 3] = ["plimsoll.lock", "journal.db", "admin.sock"];

/// Why the state cannot be kept where it is to be.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// The directory is not there and cannot be made.
    #[error("cannot make the state directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// The directory, or a file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It belongs to another user, who could have put anything there.
    #[error("{} belongs to the user {owner}, and Plimsoll runs as {us}", path.display())]
    NotOurs {
        /// The directory, or a file in it.
        path: PathBuf,
        /// The uid of its owner.
        owner: u32,
        /// Our effective uid.
        us: u32,
    },
    /// Others may write it, and could have put anything there.
    #[error("{} can be written by others than its owner (mode {mode:04o})", path.display())]
    Writable {
        /// The directory, or a file in it.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Others may look into a directory that is not there for the state alone, so that its mode is
    /// not ours to change.
    #[error(
        "{} holds other things than Plimsoll's state, and others may look into it (mode {mode:04o})",
        path.display()
    )]
    Shared {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not a file: a symbolic link, or something else.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What should be a file.
        path: PathBuf,
    },
}

impl StateDirError {
    /// What to do about it.
    pub fn cure(&self) -> String {
        match self {
            Self::Directory { .. } => "set `server.state_dir` to a directory that you may write; \
                 under systemd `StateDirectory=plimsoll` makes /var/lib/plimsoll"
                .to_owned(),
            Self::File { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                "mount it for writing, or name another directory by `server.state_dir`".to_owned()
            }
            Self::File { .. } => {
                format!("let the user {} read and write it", geteuid().as_raw())
            }
            Self::NotOurs { path, us, .. } => format!(
                "run as its owner, or, if you know what is in it, `chown -R {us} {}`; another \
                 directory can be named by `server.state_dir`",
                path.display()
            ),
            Self::Writable { path, .. } => format!(
                "what is in it says which programs run: if you know that nobody has tampered with \
                 it, `chmod go-rwx {}`",
                path.display()
            ),
            Self::Shared { path, .. } => format!(
                "name a directory for the state alone by `server.state_dir`, or `chmod 700 {}`",
                path.display()
            ),
            Self::NotAFile { path } => format!("take {} away", path.display()),
        }
    }
}

/// Makes the directory `path` where it is missing, with all above it, and sees to it that it is ours
/// alone.
///
/// # Errors
/// When it cannot be made, belongs to somebody else, or could have been written by others.
pub fn open_directory(path: &Path) -> Result<(), StateDirError> {
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path);
    made.map_err(|source| StateDirError::Directory { path: path.to_owned(), source })?;
    let fault = |source| StateDirError::File { path: path.to_owned(), source };
    let flags = (OFlags::DIRECTORY | OFlags::CLOEXEC).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags as i32).open(path);
    let directory = opened.map_err(|source| closed(path, source, fs::metadata(path)))?;
    let metadata = directory.metadata().map_err(fault)?;
    check(path, &metadata)?;
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    if !is_for_the_state_alone(path).map_err(fault)? {
        return Err(StateDirError::Shared { path: path.to_owned(), mode });
    }
    tracing::info!(path = %path.display(), "state directory closed to other users");
    directory.set_permissions(Permissions::from_mode(DIRECTORY_MODE)).map_err(fault)
}

/// Opens the file `path` to read and write it, made where it is missing, and sees to it that it is
/// ours alone.
///
/// # Errors
/// When it cannot be opened, is not a file, belongs to somebody else, or could have been written by
/// others.
pub fn open_file(path: &Path) -> Result<File, StateDirError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    own(path, &mut options)
}

/// Opens the file `path` to read it, likewise; `None` where there is none.
///
/// # Errors
/// The same.
pub(crate) fn read_file(path: &Path) -> Result<Option<File>, StateDirError> {
    match own(path, OpenOptions::new().read(true)) {
        Err(StateDirError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

fn own(path: &Path, options: &mut OpenOptions) -> Result<File, StateDirError> {
    let fault = |source| StateDirError::File { path: path.to_owned(), source };
    let not_a_file = || StateDirError::NotAFile { path: path.to_owned() };
    // A pipe that somebody put there would hold us for ever.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened = options.custom_flags(flags as i32).open(path);
    let file = opened.map_err(|source| match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => not_a_file(),
        metadata => closed(path, source, metadata),
    })?;
    let metadata = file.metadata().map_err(fault)?;
    if !metadata.is_file() {
        return Err(not_a_file());
    }
    check(path, &metadata)?;
    if metadata.mode() & OTHERS != 0 {
        file.set_permissions(Permissions::from_mode(FILE_MODE)).map_err(fault)?;
    }
    Ok(file)
}

/// Why what `metadata` is of could not be opened. Where another user keeps it from us, that is what is told.
fn closed(path: &Path, source: io::Error, metadata: io::Result<Metadata>) -> StateDirError {
    let path = path.to_owned();
    let us = geteuid().as_raw();
    match metadata {
        Ok(found) if source.kind() == io::ErrorKind::PermissionDenied && found.uid() != us => {
            StateDirError::NotOurs { path, owner: found.uid(), us }
        }
        _ => StateDirError::File { path, source },
    }
}

/// Whether nobody but us can have written what `metadata` is of.
fn check(path: &Path, metadata: &Metadata) -> Result<(), StateDirError> {
    let (owner, us) = (metadata.uid(), geteuid().as_raw());
    if owner != us {
        return Err(StateDirError::NotOurs { path: path.to_owned(), owner, us });
    }
    let mode = metadata.mode() & 0o7777;
    match mode & OTHERS_WRITE {
        0 => Ok(()),
        _ => Err(StateDirError::Writable { path: path.to_owned(), mode }),
    }
}

fn is_for_the_state_alone(path: &Path) -> io::Result<bool> {
    let is_ours = MARKS.iter().any(|mark| path.join(mark).exists());
    Ok(is_ours || fs::read_dir(path)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn room_of(mode: u32) -> tempfile::TempDir {
        let room = tempfile::tempdir().unwrap();
        fs::set_permissions(room.path(), Permissions::from_mode(mode)).unwrap();
        room
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_is_made_is_ours_alone() {
        let room = tempfile::tempdir().unwrap();
        let state = room.path().join("a/b");
        open_directory(&state).unwrap();
        let file = state.join("journal.db");
        open_file(&file).unwrap();
        assert_eq!((mode(&state), mode(&file)), (0o700, 0o600));
    }

    #[test]
    fn what_others_may_only_read_is_shut_to_them() {
        let room = room_of(0o755);
        open_directory(room.path()).unwrap();
        let file = room.path().join("journal.db");
        fs::write(&file, "kept").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(room.path(), Permissions::from_mode(0o750)).unwrap();
        open_directory(room.path()).unwrap();
        open_file(&file).unwrap();
        assert_eq!((mode(room.path()), mode(&file)), (0o700, 0o600));
        assert_eq!(fs::read(&file).unwrap(), b"kept");
    }

    #[test]
    fn what_others_may_write_is_refused_and_left_as_it_is() {
        for wrong in [0o777, 0o1777, 0o720, 0o702] {
            let room = room_of(wrong);
            let error = open_directory(room.path()).unwrap_err();
            assert!(matches!(error, StateDirError::Writable { mode, .. } if mode == wrong));
            assert!(error.cure().contains("chmod go-rwx"), "{}", error.cure());
            assert_eq!(mode(room.path()), wrong);
        }
        for wrong in [0o666, 0o660, 0o602] {
            let room = room_of(0o700);
            let file = room.path().join("journal.db");
            fs::write(&file, "theirs").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(wrong)).unwrap();
            let error = open_file(&file).unwrap_err();
            assert!(matches!(error, StateDirError::Writable { .. }), "{error}");
            assert!(matches!(read_file(&file), Err(StateDirError::Writable { .. })));
            assert_eq!(mode(&file), wrong);
        }
    }

    #[test]
    fn a_directory_that_holds_other_things_keeps_its_mode_and_is_refused() {
        let room = room_of(0o755);
        fs::write(room.path().join("index.html"), "").unwrap();
        let error = open_directory(room.path()).unwrap_err();
        assert!(matches!(error, StateDirError::Shared { .. }), "{error}");
        assert_eq!(mode(room.path()), 0o755);
        fs::set_permissions(room.path(), Permissions::from_mode(0o700)).unwrap();
        open_directory(room.path()).unwrap();
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        // Root can give a directory away; for anybody else the system's own are somebody else's.
        let room = room_of(0o700);
        let foreign = match std::os::unix::fs::chown(room.path(), Some(5678), None) {
            Ok(()) => room.path(),
            Err(_) => Path::new("/"),
        };
        let error = open_directory(foreign).unwrap_err();
        assert!(matches!(error, StateDirError::NotOurs { .. }), "{error}");
        assert!(error.cure().contains("chown"), "{}", error.cure());
        if geteuid().is_root() {
            let room = room_of(0o700);
            let file = room.path().join("journal.db");
            fs::write(&file, "theirs").unwrap();
            std::os::unix::fs::chown(&file, Some(5678), None).unwrap();
            assert!(matches!(open_file(&file), Err(StateDirError::NotOurs { .. })));
        }
    }

    #[test]
    fn what_is_closed_to_us_is_told_by_its_owner() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let room = room_of(0o700);
        let ours = closed(room.path(), denied(), fs::metadata(room.path()));
        assert!(matches!(ours, StateDirError::File { .. }), "{ours}");
        let foreign = match std::os::unix::fs::chown(room.path(), Some(5678), None) {
            Ok(()) => room.path(),
            Err(_) => Path::new("/"),
        };
        let error = closed(foreign, denied(), fs::metadata(foreign));
        assert!(matches!(error, StateDirError::NotOurs { .. }), "{error}");
        let other = closed(foreign, io::ErrorKind::NotFound.into(), fs::metadata(foreign));
        assert!(matches!(other, StateDirError::File { .. }), "{other}");
    }

    #[test]
    fn a_link_and_a_pipe_are_no_files_and_a_directory_may_be_a_link() {
        let room = room_of(0o700);
        let (target, link) = (room.path().join("target"), room.path().join("link"));
        fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        assert!(matches!(open_file(&link), Err(StateDirError::NotAFile { .. })));
        symlink(room.path().join("nowhere"), room.path().join("dangling")).unwrap();
        let dangling = open_file(&room.path().join("dangling"));
        assert!(matches!(dangling, Err(StateDirError::NotAFile { .. })), "{dangling:?}");
        let pipe = room.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(matches!(open_file(&pipe), Err(StateDirError::NotAFile { .. })));
        let (state, private) = (room.path().join("state"), room.path().join("private"));
        fs::create_dir(&private).unwrap();
        fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
        symlink(&private, &state).unwrap();
        open_directory(&state).unwrap();
    }
}
