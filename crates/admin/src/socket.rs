//! The socket `state_dir/admin.sock`, and that only one Plimsoll has it.
//!
//! A lock on `state_dir/plimsoll.lock` says whose the directory is; the kernel gives it back
//! however its owner ends. The socket's file says nothing: it stays behind after a kill, and is
//! replaced then. It is made under another name and put in place when its mode is right, so that
//! at no moment another user may connect.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use control::StateDirError;
use control::state_dir::{open_directory, open_file};
use rustix::fs::Mode;
use rustix::process::umask;

/// The longest path that a socket can have, in bytes: what `sun_path` holds, without its end.
const PATH_BYTES_MAX: usize = 107;

/// The lock's file in the state directory.
const LOCK: &str = "plimsoll.lock";
/// What the system calls the program.
const PROGRAM: &str = "plimsoll";

/// The only right to listen on a state directory's socket. Dropping it takes the socket away.
#[derive(Debug)]
pub struct SocketClaim {
    path: PathBuf,
    listener: UnixListener,
    /// What the socket's file is known by.
    file: Option<FileIdentity>,
    /// Held, not used: closing it gives the lock back.
    _lock: File,
}

/// Why the socket of a state directory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another Plimsoll has it.
    #[error("plimsoll is already running for {}{}", state_dir.display(), of_pid(*pid))]
    Running {
        /// The directory.
        state_dir: PathBuf,
        /// Its process, where it is known.
        pid: Option<u32>,
    },
    /// The directory, or what is in it, is not ours alone.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The path is longer than a socket's may be.
    #[error(
        "the admin socket's path {} is {} bytes long, but the system takes {PATH_BYTES_MAX}",
        path.display(), path.as_os_str().len()
    )]
    PathTooLong {
        /// The socket's path.
        path: PathBuf,
    },
    /// A file could not be used.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where the socket of `state_dir` is.
pub fn socket_in(state_dir: &Path) -> PathBuf {
    state_dir.join("admin.sock")
}

impl SocketClaim {
    /// Takes the socket of `state_dir`, which is made where it is missing.
    ///
    /// # Errors
    /// When another Plimsoll has it, or the system does not let us.
    pub fn new(state_dir: &Path) -> Result<Self, ClaimError> {
        let path = socket_in(state_dir);
        if path.as_os_str().len() > PATH_BYTES_MAX {
            return Err(ClaimError::PathTooLong { path });
        }
        open_directory(state_dir)?;
        let lock = lock(state_dir)?;
        if UnixStream::connect(&path).is_ok() {
            // Somebody took the lock's file away, but not the socket.
            return Err(ClaimError::Running { state_dir: state_dir.to_owned(), pid: None });
        }
        let listener =
            listen(&path).map_err(|source| ClaimError::File { path: path.clone(), source })?;
        let file = FileIdentity::of(&path);
        Ok(Self { path, listener, file, _lock: lock })
    }

    /// Whether the socket's file is the one that was made.
    pub(crate) fn is_in_place(&self) -> bool {
        self.file.is_some_and(|file| FileIdentity::of(&self.path) == Some(file))
    }

    /// Makes the socket anew.
    pub(crate) fn listen_again(&mut self) -> io::Result<()> {
        self.listener = listen(&self.path)?;
        self.file = FileIdentity::of(&self.path);
        Ok(())
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(listener)
    }
}

impl Drop for SocketClaim {
    fn drop(&mut self) {
        // What stays behind is replaced by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// What a file is known by: its device and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity(u64, u64);

impl FileIdentity {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }
}

/// The number of the Plimsoll that runs for `state_dir`, as far as its lock says: for a client that cannot
/// reach it by its socket.
pub(crate) fn running_for(state_dir: &Path) -> Option<u32> {
    let mut file = File::open(state_dir.join(LOCK)).ok()?;
    let pid = pid_in(&mut file)?;
    // What is left of one that has ended may name another program by now.
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim_end() == PROGRAM).then_some(pid)
}

/// Locks `state_dir` and notes our process in the lock's file.
fn lock(state_dir: &Path) -> Result<File, ClaimError> {
    let path = state_dir.join(LOCK);
    let fault = |source| ClaimError::File { path: path.clone(), source };
    // A user who can open it can lock it, and so keep us from starting.
    let mut file = open_file(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = pid_in(&mut file);
            return Err(ClaimError::Running { state_dir: state_dir.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(fault(source)),
    }
    // It is for whoever is refused: where it cannot be written, as on a full disk, they are told less.
    if note(&mut file).is_err() {
        let _ = file.set_len(0);
    }
    Ok(file)
}

/// Notes our process over the one before, in the room that it took.
fn note(file: &mut File) -> io::Result<()> {
    let text = format!("{}\n", std::process::id());
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    // One letter, so that it is no longer than the path that was checked.
    let unready = path.with_file_name("a");
    match fs::remove_file(&unready) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = bind(&unready)?;
    fs::set_permissions(&unready, Permissions::from_mode(0o600))?;
    fs::rename(&unready, path)?;
    Ok(listener)
}

/// Binds a socket that nobody else may connect to from its first moment on: the system makes its file
/// by the umask, and takes no mode.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let before = umask(Mode::RWXG | Mode::RWXO);
    let bound = UnixListener::bind(path);
    umask(before);
    bound
}

fn of_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_is_refused_and_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = SocketClaim::new(dir.path()).unwrap();
        let second = SocketClaim::new(dir.path()).unwrap_err();
        let expected = format!(
            "plimsoll is already running for {} (pid {})",
            dir.path().display(),
            std::process::id()
        );
        assert_eq!(second.to_string(), expected);
        drop(first);
        SocketClaim::new(dir.path()).unwrap();
    }

    #[test]
    fn a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(socket_in(dir.path())).unwrap());
        let claim = SocketClaim::new(dir.path()).unwrap();
        UnixStream::connect(claim.path()).unwrap();
    }

    #[test]
    fn a_socket_that_answers_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let _other = UnixListener::bind(socket_in(dir.path())).unwrap();
        let error = SocketClaim::new(dir.path()).unwrap_err();
        assert!(matches!(error, ClaimError::Running { pid: None, .. }), "{error}");
        UnixStream::connect(socket_in(dir.path())).unwrap();
    }

    #[test]
    fn the_socket_is_its_owners_and_goes_with_the_claim() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("deep/state");
        let claim = SocketClaim::new(&state_dir).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(claim.path()), mode(&state_dir)), (0o600, 0o700));
        assert_eq!(mode(&state_dir.join("plimsoll.lock")), 0o600);
        let path = claim.path().to_owned();
        drop(claim);
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_that_others_could_hold_is_shut_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("plimsoll.lock");
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, Permissions::from_mode(0o644)).unwrap();
        let _claim = SocketClaim::new(dir.path()).unwrap();
        assert_eq!(fs::metadata(&lock).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_directory_that_others_may_write_is_not_claimed() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let error = SocketClaim::new(dir.path()).unwrap_err();
        assert!(matches!(error, ClaimError::StateDir(StateDirError::Writable { .. })), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made in it");
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let error = SocketClaim::new(&dir.path().join("x".repeat(120))).unwrap_err();
        assert!(matches!(error, ClaimError::PathTooLong { .. }), "{error}");
    }
}
