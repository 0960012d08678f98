//! Which configuration a state directory belongs to.
//!
//! The default directory is the same for every file that a user runs. Without this the second project
//! with a service `api` would start the first one's release, for that is what the journal says of
//! `api`. A file is the same if it has the same path, whether that is taken literally or with all links
//! followed, or if it is the same file under another name. Where the directory has nothing that could
//! be mixed up, it belongs to whoever comes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use telemetry::{Events, event};

use crate::chain::chain;
use crate::state_dir::StateDirError;
use crate::state_file;

/// The file's name in the state directory.
const FILE: &str = "belongs-to";
/// No note is longer.
const BYTES_MAX: u64 = 64 << 10;

/// Whether a directory may be taken over from another configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adoption {
    /// It is refused.
    #[default]
    Refused,
    /// All that it knows is this configuration's from now on.
    Wanted,
}

/// Why a state directory cannot be used for a configuration.
#[derive(Debug, thiserror::Error)]
pub enum BelongingError {
    /// It belongs to another.
    #[error("the state directory {} belongs to {}", state_dir.display(), owner.display())]
    Another {
        /// The directory.
        state_dir: PathBuf,
        /// The configuration that it belongs to.
        owner: PathBuf,
    },
    /// The note of that cannot be read, or others could have written it.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
}

/// What a configuration is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// Its path as it was named, made absolute.
    named: PathBuf,
    /// The same with all links followed.
    real: PathBuf,
    device: u64,
    inode: u64,
    /// When the file was made, in nanoseconds since 1970: a number that was freed is given again. Not
    /// known on every file system.
    made: Option<u128>,
}

impl Note {
    fn of(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        let made = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Some(Self {
            named: std::path::absolute(file).ok()?,
            real: file.canonicalize().ok()?,
            device: metadata.dev(),
            inode: metadata.ino(),
            made: made.map(|since| since.as_nanos()),
        })
    }

    /// Whether both are of the same configuration.
    fn is_of_the_same(&self, other: &Self) -> bool {
        let file = |note: &Self| (note.device, note.inode, note.made);
        let is_same_file = self.made.is_some() && file(self) == file(other);
        self.named == other.named || self.real == other.real || is_same_file
    }
}

/// A configuration's right to a state directory, which is not written down yet: one that cannot be served, as where
/// its addresses are taken, leaves the directory to whom it belongs.
#[derive(Debug)]
#[must_use = "what is not recorded belongs to another at the next start"]
pub(crate) struct Claim {
    path: PathBuf,
    /// What is to be written; nothing where that stands there, or the file is gone since it was read.
    note: Option<Note>,
    /// From which configuration it is taken over.
    adopted: Option<PathBuf>,
}

/// The right of the configuration in `file` to `state_dir`, which has this `content`.
///
/// # Errors
/// When it belongs to another, and adoption is not wanted.
pub(crate) fn claim(
    state_dir: &Path,
    file: &Path,
    content: Content,
    adoption: Adoption,
) -> Result<Claim, BelongingError> {
    let path = state_dir.join(FILE);
    let Some(ours) = Note::of(file) else { return Ok(Claim { path, note: None, adopted: None }) };
    let known = state_file::read(&path, BYTES_MAX)?;
    let known = known.and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
    let other = known.as_ref().filter(|owner| !owner.is_of_the_same(&ours));
    let owner = other.filter(|_| content == Content::Something).map(|it| it.named.clone());
    if let Some(owner) = owner.clone().filter(|_| adoption == Adoption::Refused) {
        return Err(BelongingError::Another { state_dir: state_dir.to_owned(), owner });
    }
    let note = (known.as_ref() != Some(&ours)).then_some(ours);
    Ok(Claim { path, note, adopted: owner })
}

impl Claim {
    /// Writes it down: before anything is kept in the directory that another could take for its own.
    pub(crate) fn record(self, events: &Events) {
        let Self { path, note, adopted } = self;
        if let Some(owner) = adopted {
            events.emit(event::StateAdopted { path: owner.display().to_string() });
        }
        let Some(note) = note else { return };
        // A path that is no text is told by its file alone.
        let text = serde_json::to_vec(&note).unwrap_or_default();
        if let Err(error) = state_file::replace(&path, &text) {
            // As on a full disk: what runs is more than a note.
            let (why, path) = (chain(&error), path.display().to_string());
            events.emit(event::StateOwnerNotRecorded { why, path });
        }
    }
}

/// Whether a configuration was ever served with this state directory: what runs is then known from it, and no longer
/// from the file.
pub fn has_served(state_dir: &Path) -> bool {
    state_dir.join(FILE).exists()
}

/// Whether a state directory has what another configuration could take for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Something,
    Nothing,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Room(tempfile::TempDir);

    impl Room {
        fn new() -> Self {
            let room = tempfile::tempdir().unwrap();
            for project in ["one", "two", "state"] {
                fs::create_dir(room.path().join(project)).unwrap();
                fs::write(room.path().join(project).join("plimsoll.toml"), project).unwrap();
            }
            Self(room)
        }

        fn path(&self, of: &str) -> PathBuf {
            self.0.path().join(of)
        }

        /// The owner if the file is refused.
        fn claim(&self, file: &str, content: Content, adoption: Adoption) -> Option<PathBuf> {
            match claim(&self.path("state"), &self.path(file), content, adoption) {
                Ok(claim) => {
                    claim.record(&Events::default());
                    None
                }
                Err(BelongingError::Another { owner, .. }) => Some(owner),
                Err(error) => panic!("{error}"),
            }
        }

        fn refused(&self, file: &str) -> Option<PathBuf> {
            self.claim(file, Content::Something, Adoption::Refused)
        }
    }

    #[test]
    fn another_file_is_refused_until_it_is_adopted() {
        let room = Room::new();
        assert_eq!(room.refused("one/plimsoll.toml"), None);
        assert_eq!(room.refused("one/plimsoll.toml"), None);
        let owner = Some(room.path("one/plimsoll.toml"));
        assert_eq!(room.refused("two/plimsoll.toml"), owner);
        assert_eq!(room.refused("two/plimsoll.toml"), owner, "asking changes nothing");
        assert_eq!(room.claim("two/plimsoll.toml", Content::Something, Adoption::Wanted), None);
        assert_eq!(room.refused("two/plimsoll.toml"), None);
        assert_eq!(room.refused("one/plimsoll.toml"), Some(room.path("two/plimsoll.toml")));
    }

    #[test]
    fn a_directory_that_holds_nothing_belongs_to_whoever_comes() {
        let room = Room::new();
        assert_eq!(room.refused("one/plimsoll.toml"), None);
        let nothing = Content::Nothing;
        assert_eq!(room.claim("two/plimsoll.toml", nothing, Adoption::Refused), None);
        assert_eq!(room.refused("one/plimsoll.toml"), Some(room.path("two/plimsoll.toml")));
    }

    #[test]
    fn what_was_never_served_owns_nothing() {
        let room = Room::new();
        let (state, one) = (room.path("state"), room.path("one/plimsoll.toml"));
        drop(claim(&state, &one, Content::Something, Adoption::Refused).unwrap());
        assert!(!has_served(&state));
        assert_eq!(room.refused("two/plimsoll.toml"), None);
        drop(claim(&state, &one, Content::Something, Adoption::Wanted).unwrap());
        assert!(has_served(&state));
        assert_eq!(room.refused("two/plimsoll.toml"), None, "it was not adopted in the end");
    }

    #[test]
    fn the_same_file_by_another_way_is_the_same() {
        let room = Room::new();
        assert_eq!(room.refused("one/plimsoll.toml"), None);
        // By a link to it, and to its directory.
        symlink(room.path("one/plimsoll.toml"), room.path("link.toml")).unwrap();
        symlink(room.path("one"), room.path("current")).unwrap();
        assert_eq!(room.refused("link.toml"), None);
        assert_eq!(room.refused("current/plimsoll.toml"), None);
        // Saved by an editor that puts a new file in its place.
        fs::write(room.path("one/new"), "changed").unwrap();
        fs::rename(room.path("one/new"), room.path("one/plimsoll.toml")).unwrap();
        assert_eq!(room.refused("one/plimsoll.toml"), None);
        // The directory of the next version behind the same link.
        assert_eq!(room.refused("current/plimsoll.toml"), None);
        fs::remove_file(room.path("current")).unwrap();
        symlink(room.path("two"), room.path("current")).unwrap();
        assert_eq!(room.refused("current/plimsoll.toml"), None);
    }

    #[test]
    fn a_file_that_moved_takes_its_state_along() {
        let room = Room::new();
        if Note::of(&room.path("one/plimsoll.toml")).unwrap().made.is_none() {
            // This file system does not tell two files of one number apart.
            return;
        }
        assert_eq!(room.refused("one/plimsoll.toml"), None);
        fs::rename(room.path("one"), room.path("elsewhere")).unwrap();
        assert_eq!(room.refused("elsewhere/plimsoll.toml"), None);
    }

    #[test]
    fn a_damaged_note_is_written_anew() {
        let room = Room::new();
        fs::write(room.path("state").join(FILE), "{").unwrap();
        assert_eq!(room.refused("one/plimsoll.toml"), None);
        assert!(room.refused("two/plimsoll.toml").is_some());
    }
}
