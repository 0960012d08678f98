//! The keys that were fetched last, in the state directory: a start must not depend on the issuers being up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use telemetry::{Events, event};

use crate::chain::chain;
use crate::state_file;

/// The file in the state directory. Only its owner may read it: its URLs may hold secrets.
const FILE: &str = "keys.json";
/// More than this was not written here.
const BYTES_MAX: u64 = 256 << 20;
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    /// Each JWK Set as it was published, by its source.
    sets: BTreeMap<String, String>,
}

/// What was fetched before the start, and the file in which it is kept.
#[derive(Default)]
pub(crate) struct Kept {
    found: OnceLock<Found>,
    begun: AtomicU64,
    /// The number of the newest that was written: of two writers, the older must not be the last.
    written: Mutex<u64>,
}

struct Found {
    path: PathBuf,
    sets: BTreeMap<String, String>,
}

impl Kept {
    /// Reads what is kept in `state_dir`, the first time. Waits for the disk. A file that cannot be read, or that is of another version, is
    /// none: all in it can be fetched.
    pub(crate) fn open(&self, state_dir: &Path) {
        self.found.get_or_init(|| {
            let path = state_dir.join(FILE);
            let bytes = state_file::read(&path, BYTES_MAX).ok().flatten().unwrap_or_default();
            let read = serde_json::from_slice::<Document>(&bytes).ok();
            let sets = read.filter(|it| it.version == VERSION).map(|it| it.sets);
            Found { path, sets: sets.unwrap_or_default() }
        });
    }

    /// What was kept of `source`.
    pub(super) fn document(&self, source: &str) -> Option<String> {
        self.found.get()?.sets.get(source).cloned()
    }

    /// Keeps `sets` from now on and nothing else: beside the caller, which waits for no disk.
    pub(crate) fn keep(self: &Arc<Self>, sets: BTreeMap<String, String>, events: &Events) {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let (kept, events) = (self.clone(), events.clone());
        tokio::task::spawn_blocking(move || kept.write(number, sets, &events));
    }

    fn write(&self, number: u64, sets: BTreeMap<String, String>, events: &Events) {
        let Some(Found { path, .. }) = self.found.get() else { return };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if number < *written {
            return;
        }
        *written = number;
        let document = serde_json::to_vec(&Document { version: VERSION, sets });
        let document = document.expect("texts are JSON");
        if let Err(error) = state_file::replace(path, &document) {
            let (path, why) = (path.display().to_string(), chain(&error));
            events.emit(event::KeysNotSaved { path, why });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(document: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("jwks https://id/".to_owned(), document.to_owned())])
    }

    #[test]
    fn what_was_kept_last_is_found_by_the_next_and_only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::default();
        kept.open(dir.path());
        assert_eq!(kept.document("jwks https://id/"), None);
        kept.write(2, sets("second"), &Events::default());
        // It was begun before, and its turn came later.
        kept.write(1, sets("first"), &Events::default());
        let next = Kept::default();
        next.open(dir.path());
        assert_eq!(next.document("jwks https://id/").as_deref(), Some("second"));
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_as_none() {
        for text in ["", "{", "{\"version\":2,\"sets\":{\"jwks https://id/\":\"x\"}}", "[]"] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(FILE), text).unwrap();
            let kept = Kept::default();
            kept.open(dir.path());
            assert_eq!(kept.document("jwks https://id/"), None, "{text}");
        }
    }
}
