//! What became of every request, by the kind of client.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// What became of every request. Clones count together.
#[derive(Clone, Default)]
pub(super) struct Account(Arc<Mutex<BTreeMap<&'static str, Kind>>>);

/// What became of the requests of one kind of client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) answered: u64,
    /// Streams and tunnels that were closed as they should be, because their instance went.
    pub(super) moved: u64,
    pub(super) failed: BTreeMap<String, u64>,
}

impl Kind {
    pub(super) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

impl Account {
    fn kinds(&self) -> MutexGuard<'_, BTreeMap<&'static str, Kind>> {
        self.0.lock().unwrap()
    }

    pub(super) fn count(&self, kind: &'static str, outcome: Result<(), String>) {
        let mut kinds = self.kinds();
        let kind = kinds.entry(kind).or_default();
        match outcome {
            Ok(()) => kind.answered += 1,
            Err(why) => *kind.failed.entry(why).or_default() += 1,
        }
    }

    pub(super) fn moved(&self, kind: &'static str) {
        self.kinds().entry(kind).or_default().moved += 1;
    }

    pub(super) fn so_far(&self) -> BTreeMap<&'static str, Kind> {
        self.kinds().clone()
    }
}

/// The ids of `journal` that instances have begun to work on more than once.
pub(super) fn run_twice(journal: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let mut seen = BTreeSet::new();
    text.lines().filter(|id| !seen.insert(*id)).map(str::to_owned).collect()
}
