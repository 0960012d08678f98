//! What became of every request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// What became of every request, by the kind of client. Clones count together.
#[derive(Clone, Default)]
pub(super) struct Account(Arc<Mutex<BTreeMap<&'static str, Kind>>>);

#[derive(Default)]
struct Kind {
    answered: u64,
    failed: BTreeMap<String, u64>,
}

impl Account {
    /// A request had the answer that it should have, or `Err` says what instead.
    pub(super) fn count(&self, kind: &'static str, outcome: Result<(), String>) {
        let mut kinds = self.0.lock().unwrap();
        let kind = kinds.entry(kind).or_default();
        match outcome {
            Ok(()) => kind.answered += 1,
            Err(why) => *kind.failed.entry(why).or_default() += 1,
        }
    }

    pub(super) fn assert_nothing_failed(&self) {
        let kinds = self.0.lock().unwrap();
        assert!(kinds.values().all(|kind| kind.failed.is_empty()), "some requests failed");
        assert!(kinds.values().all(|kind| kind.answered > 0), "some clients did nothing");
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, kind) in self.0.lock().unwrap().iter() {
            let failed: u64 = kind.failed.values().sum();
            writeln!(f, "{name}: {} answered, {failed} failed", kind.answered)?;
            for (why, count) in &kind.failed {
                writeln!(f, "    {count}: {why}")?;
            }
        }
        Ok(())
    }
}
