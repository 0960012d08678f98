//! One instance, from its start to its end.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use driver::Instance;
use driver::restart::Restarts;
use edge::Live;
use edge::live::Shard;
use model::InstanceName;
use rollout::Tally;

use super::Release;
use crate::task::Task;

/// How far an instance has come, as far as its process goes.
#[derive(Debug)]
pub(crate) enum State {
    /// Its process is being made.
    Launching,
    /// Its program runs, and is asked until it answers.
    Probing {
        process: Arc<dyn Instance>,
        /// What came of its last check, once one has failed.
        said: Option<String>,
        /// Ends with the state.
        _asking: Task,
    },
    /// It has passed a check.
    Up(Arc<dyn Instance>),
    /// It ended, and is started again when the task says so.
    Pausing {
        /// Ends with the state.
        _waiting: Task,
        /// Why it ended, and when it is started again.
        why: String,
    },
    /// It was asked to stop.
    Stopping,
}

impl State {
    /// How far it has come, in words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Launching => "launching".to_owned(),
            Self::Probing { .. } => "starting".to_owned(),
            Self::Up(_) => "up".to_owned(),
            Self::Pausing { why, .. } => why.clone(),
            Self::Stopping => "stopping".to_owned(),
        }
    }

    /// Why it has come no further, as far as its checks tell.
    pub(crate) fn why(&self) -> Option<String> {
        match self {
            Self::Probing { said, .. } => said.clone(),
            _ => None,
        }
    }
}

/// One instance.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) release: Arc<Release>,
    /// Of which start.
    pub(crate) start: u64,
    pub(crate) state: State,
    pub(crate) restarts: Restarts,
    /// It is to get requests, once it is up.
    pub(crate) serves: bool,
    /// Once it no longer serves: the number of the wait until nothing reaches it.
    pub(crate) leaving: Option<u64>,
    /// It is to stop as soon as it can be.
    pub(crate) is_unwanted: bool,
    /// It was started by us, and not taken over.
    pub(crate) is_new: bool,
    lives: Vec<Arc<Live>>,
    told: Tally,
}

impl Running {
    pub(crate) fn new(release: Arc<Release>, start: u64, restarts: Restarts) -> Self {
        Self {
            release,
            start,
            state: State::Launching,
            restarts,
            serves: false,
            leaving: None,
            is_unwanted: false,
            is_new: true,
            lives: Vec::new(),
            told: Tally::default(),
        }
    }

    /// The process, if its program runs.
    pub(crate) fn process(&self) -> Option<&Arc<dyn Instance>> {
        match &self.state {
            State::Probing { process, .. } | State::Up(process) => Some(process),
            State::Launching | State::Pausing { .. } | State::Stopping => None,
        }
    }

    /// What is to be published of it: nothing before its first check passed.
    pub(crate) fn published(&self, name: &InstanceName) -> Option<edge::Instance> {
        let State::Up(process) = &self.state else { return None };
        let was_seen = !self.lives.is_empty();
        (self.serves || was_seen).then(|| edge::Instance {
            name: name.clone(),
            address: address(process.record().port),
            release: Some(self.release.version.clone()),
            weight: 1,
            backup: false,
            is_drained: !self.serves,
        })
    }

    pub(crate) fn observe(&mut self, live: &Arc<Live>) {
        if !self.lives.iter().any(|known| Arc::ptr_eq(known, live)) {
            self.lives.push(live.clone());
        }
    }

    /// What is observed of it now.
    pub(crate) fn live(&self) -> Option<&Arc<Live>> {
        self.lives.last()
    }

    /// What became of its requests since the last time.
    pub(crate) fn take_tally(&mut self) -> Tally {
        let mut all = Tally::default();
        for shard in self.lives.iter().flat_map(|live| live.shards()) {
            all.add(&tally(shard));
        }
        let since = all.since(&self.told);
        self.told = all;
        since
    }
}

/// Where an instance on `port` is.
pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn tally(shard: &Shard) -> Tally {
    let errors = shard.server_errors.get() + shard.failures.get();
    let mut tally = Tally { requests: shard.ok.get() + errors, errors, ..Tally::default() };
    for (class, count) in shard.latency.snapshot().classes() {
        tally.latencies.record(class, count);
    }
    tally
}
