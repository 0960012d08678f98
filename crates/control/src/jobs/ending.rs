//! The end of all jobs, with Plimsoll's own.

use std::time::SystemTime;

use telemetry::{Events, event};

use super::Jobs;
use crate::chain::chain;
use crate::journal::{JobOutcome, Journal};

/// Why a run was cut short.
pub(crate) const WHY: &str = "Plimsoll was stopped";

impl Jobs {
    /// Stops what runs, all at once, waits until nothing of it is left, and writes down that it was cut short.
    pub(crate) async fn end(mut self, journal: &Journal, events: &Events) {
        for state in self.known.values_mut() {
            state.asked.clear();
            // What waits for nothing but its time is over already.
            drop(state.current.as_mut().and_then(|current| current.held.take()));
        }
        while let Some(ended) = self.attempts.join_next().await {
            let Ok(ended) = ended else { continue };
            let state = self.known.get_mut(&ended.job);
            if let Some(current) = state.and_then(|state| state.current.as_mut()) {
                current.last = Some(ended.end);
            }
        }
        for (name, state) in self.known {
            let Some(current) = state.current else { continue };
            let is_well = current.last.as_ref().is_some_and(|last| last.fault.is_none());
            let outcome = if is_well { JobOutcome::Succeeded } else { JobOutcome::Interrupted };
            if !is_well {
                let (job, run) = (name, current.id);
                events.emit(event::JobInterrupted { job, run, why: WHY.to_owned() });
            }
            let end = current.end(outcome, Some(WHY));
            if let Err(error) = journal.end_run(current.id, &end, SystemTime::now()) {
                events.emit(event::JournalReadOnly { why: chain(&error) });
            }
        }
    }
}
