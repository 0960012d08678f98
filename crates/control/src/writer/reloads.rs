//! The configurations that are to be read: those that ask for it wait in a queue, and one is prepared at a time.

use std::collections::VecDeque;
use std::time::SystemTime;

use tokio::task::{JoinError, JoinSet};

use crate::access_log::Access;
use crate::ended::Reply;
use crate::handle::{ReloadRequest, Reloaded};

use crate::prepare::{Known, Preparation, PrepareError, Prepared};
use crate::reload::ReloadError;
use crate::runs::{DeployError, Order, Progressing};
use crate::status::LastReload;

/// What the file is read for.
pub(super) enum Reload {
    /// To be served.
    Asked(ReloadRequest, Reply<Result<Reloaded, ReloadError>>),
    /// So that a deploy is of what it says now.
    Deploy(Order, Reply<Result<Progressing, DeployError>>),
}

/// What a preparation came to.
pub(super) type Outcome = Result<Result<Prepared, PrepareError>, JoinError>;

/// The configurations that are to be read, and what became of the last one.
pub(super) struct Reloads {
    pub(super) preparation: Preparation,
    pub(super) log: Access,
    pub(super) began_at: SystemTime,
    pub(super) last: Option<LastReload>,
    /// The file is being prepared for the first of them.
    waiting: VecDeque<Reload>,
    preparing: JoinSet<Result<Prepared, PrepareError>>,
}

impl Reloads {
    /// None yet.
    pub(super) fn new(preparation: Preparation, log: Access) -> Self {
        Self {
            preparation,
            log,
            began_at: SystemTime::now(),
            last: None,
            waiting: VecDeque::new(),
            preparing: JoinSet::new(),
        }
    }

    /// Has the file read for one more.
    pub(super) fn push(&mut self, reload: Reload) {
        self.waiting.push_back(reload);
    }

    /// Prepares the next one, if there is one and none is under way, with what is `known` then.
    pub(super) fn prepare_next(&mut self, known: impl FnOnce() -> Known) {
        if self.preparing.is_empty() && !self.waiting.is_empty() {
            self.preparing.spawn(self.preparation.clone().run(known()));
        }
    }

    /// Waits for what is being prepared; `None` where nothing is.
    pub(super) async fn prepared(&mut self) -> Option<Outcome> {
        self.preparing.join_next().await
    }

    /// Takes the one for which the file was prepared.
    pub(super) fn pop(&mut self) -> Option<Reload> {
        self.waiting.pop_front()
    }
}
