//! A reload that is watched: how far it is, how it ended, and what it changes.
//!
//! What its requests mean is `rollout::reload`'s to say; what follows is the writer's to do.

mod pace;
mod scope;
mod words;

use std::time::Duration;

use model::Revision;
use rollout::reload::Requests;

pub(crate) use pace::Pace;
pub(crate) use scope::scope;
pub(crate) use words::Words;

/// How a reload that is watched stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ReloadProgress {
    /// The revision that is watched.
    pub revision: Revision,
    /// For how long it is watched.
    pub length: Duration,
    /// How much of that is left.
    pub left: Duration,
    /// What became of requests by what it changes, so far.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that got a 4xx.
    pub client_errors: u64,
    /// How it ended, if it is over.
    pub ending: Option<ReloadEnding>,
}

/// How the watch of a reload ended.
#[derive(Clone, Debug, PartialEq)]
pub enum ReloadEnding {
    /// The configuration stays, compared with what was before; the text says with how much.
    Stands(String),
    /// It stays, and could not be compared; the text says why.
    NotCompared(String),
    /// What was served before is served again.
    RolledBack {
        /// As this revision.
        revision: Revision,
        /// Why.
        why: String,
    },
    /// It should have been rolled back, and what was served before cannot be put into effect.
    NotRolledBack {
        /// Why it should have been, and why it was not.
        why: String,
    },
    /// Another configuration was taken up meanwhile, as this revision.
    Superseded(Revision),
}

impl ReloadEnding {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Stands(text) | Self::NotCompared(text) => text.clone(),
            Self::RolledBack { revision, why } => {
                format!(
                    "rolled back: {why}; what was served before is served as revision {revision}"
                )
            }
            Self::NotRolledBack { why } => why.clone(),
            Self::Superseded(revision) => format!("revision {revision} was taken up meanwhile"),
        }
    }
}

impl ReloadProgress {
    pub(crate) fn see(&mut self, left: Duration, seen: Requests) {
        self.left = left;
        self.requests = seen.all;
        self.failed = seen.failed;
        self.client_errors = seen.client_errors;
    }
}
