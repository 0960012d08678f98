//! Where a `plimsoll proxy` keeps its file and its state, so that other commands find it: a directory that only its user
//! may look into, below `$XDG_RUNTIME_DIR` or that for temporary files. It goes with the proxy; what a killed one left
//! is removed by the next.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use tempfile::TempDir;

use crate::failure::Failure;

/// How the directories' names begin.
const PREFIX: &str = "plimsoll-proxy-";
/// The name of the file.
const FILE: &str = "plimsoll.toml";

/// The directory of a proxy.
pub(super) struct Room {
    dir: TempDir,
}

impl Room {
    /// A new one, with the file that says `text`.
    pub(super) fn open(text: &str) -> Result<Self, Failure> {
        places().iter().for_each(|place| sweep(place));
        let make = |place: &PathBuf| {
            let mut made = tempfile::Builder::new();
            let failed = |source| Failure::Temporary { place: place.clone(), source };
            made.prefix(PREFIX).tempdir_in(place).map_err(failed)
        };
        let mut made = Err(Failure::NoFile);
        for place in &places() {
            made = made.or_else(|_| make(place));
        }
        let room = Self { dir: made? };
        // The same as the document says, and where the state is.
        let text = text.replacen("[server]\n", "[server]\nstate_dir = \"state\"\n", 1);
        let file = room.file();
        fs::write(&file, text).map_err(|source| Failure::Write { path: file.clone(), source })?;
        Ok(room)
    }

    /// Its file.
    pub(super) fn file(&self) -> PathBuf {
        self.dir.path().join(FILE)
    }

    /// Removes it.
    pub(super) fn close(self) {
        // It lies where everything is temporary.
        let _ = self.dir.close();
    }
}

/// The files of the proxies of this user that run.
pub(crate) fn running() -> Vec<PathBuf> {
    let rooms = places().into_iter().flat_map(|place| rooms(&place));
    let running = rooms.filter(|room| life(&socket(room)) == Life::Running);
    running.map(|room| room.join(FILE)).collect()
}

/// Where directories may be, the best first.
fn places() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|place| place.is_absolute() && place.is_dir());
    let mut places: Vec<_> = runtime.into_iter().chain([std::env::temp_dir()]).collect();
    places.dedup();
    places
}

/// The directories of proxies in `place` that belong to this user: in a place for all, another's could be a trap.
fn rooms(place: &Path) -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let named = entries.filter(|it| it.file_name().to_string_lossy().starts_with(PREFIX));
    let is_ours =
        |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|it| it.is_dir() && it.uid() == user);
    named.map(|entry| entry.path()).filter(is_ours).collect()
}

/// Removes what proxies left that were killed. One that has only just begun has no socket yet.
fn sweep(place: &Path) {
    for room in rooms(place) {
        if life(&socket(&room)) == Life::Over {
            // Whatever stays of it harms nobody.
            let _ = fs::remove_dir_all(room);
        }
    }
}

/// Whether something listens on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// It takes connections, or would if it took those that wait.
    Running,
    /// Nothing listens any more.
    Over,
    /// There is no socket.
    Absent,
    /// It is not ours to ask.
    Unknown,
}

/// Asks without waiting: one that is stopped takes no connection, and neither ends.
fn life(socket: &Path) -> Life {
    let connect = || {
        let address = SocketAddrUnix::new(socket)?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let from = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&from, &address)
    };
    match connect() {
        // unix(7): its queue of connections is full.
        Ok(()) | Err(Errno::AGAIN) => Life::Running,
        Err(Errno::CONNREFUSED) => Life::Over,
        Err(Errno::NOENT) => Life::Absent,
        Err(_) => Life::Unknown,
    }
}

/// Whether no Plimsoll serves with its state in this directory, as far as that can be seen.
pub(crate) fn is_idle(state_dir: &Path) -> bool {
    matches!(life(&socket_in(state_dir)), Life::Over | Life::Absent)
}

fn socket(room: &Path) -> PathBuf {
    socket_in(&room.join("state"))
}

fn socket_in(state_dir: &Path) -> PathBuf {
    state_dir.join("admin.sock")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn what_a_killed_one_left_goes_and_what_lives_or_begins_stays() {
        let place = tempfile::tempdir().unwrap();
        let room = |name: &str| {
            let room = place.path().join(name);
            fs::create_dir_all(room.join("state")).unwrap();
            room
        };
        let (lives, begins) = (room("plimsoll-proxy-lives"), room("plimsoll-proxy-begins"));
        let (dead, other) = (room("plimsoll-proxy-dead"), room("other"));
        let _open = UnixListener::bind(socket(&lives)).unwrap();
        drop(UnixListener::bind(socket(&dead)).unwrap());
        drop(UnixListener::bind(socket(&other)).unwrap());
        sweep(place.path());
        let left = [&lives, &begins, &dead, &other].map(|room| room.exists());
        assert_eq!(left, [true, true, false, true]);
        let idle = [&lives, &begins, &other].map(|room| is_idle(&room.join("state")));
        assert_eq!(idle, [false, true, true]);
    }

    #[test]
    fn one_that_takes_no_connections_keeps_nobody_waiting_and_stays() {
        let place = tempfile::tempdir().unwrap();
        let room = place.path().join("plimsoll-proxy-stopped");
        fs::create_dir_all(room.join("state")).unwrap();
        let _stopped = UnixListener::bind(socket(&room)).unwrap();
        // Until its queue is full.
        let mut waiting = Vec::new();
        while waiting.len() < 10_000 {
            let from =
                socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None)
                    .unwrap();
            let to = SocketAddrUnix::new(socket(&room)).unwrap();
            match rustix::net::connect(&from, &to) {
                Ok(()) => waiting.push(UnixStream::from(from)),
                Err(error) => {
                    assert_eq!(error, Errno::AGAIN);
                    break;
                }
            }
        }
        sweep(place.path());
        assert!(room.exists());
        assert_eq!(life(&socket(&room)), Life::Running);
    }
}
