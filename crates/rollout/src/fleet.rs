//! The instances of one release, and how far each has come.

use std::collections::BTreeMap;
use std::time::Duration;

use model::InstanceName;

/// How far an instance has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Asked to start; its first check has to pass until then.
    Starting {
        /// In the machine's time.
        until: Duration,
    },
    /// Its first check passed; it gets nothing yet.
    Ready,
    /// It gets traffic.
    Serving,
    /// It gets nothing new; what is open on it goes on.
    Retiring,
    /// It is proved that nothing reaches it. It runs, and can serve again at once.
    Warm,
    /// Asked to stop.
    Stopping,
}

/// The instances of one release that are not gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet(BTreeMap<InstanceName, Phase>);

impl Fleet {
    /// Instances that serve.
    pub(crate) fn serving(names: impl IntoIterator<Item = InstanceName>) -> Self {
        Self(names.into_iter().map(|name| (name, Phase::Serving)).collect())
    }

    pub(crate) fn phase(&self, name: &InstanceName) -> Option<Phase> {
        self.0.get(name).copied()
    }

    pub(crate) fn set(&mut self, name: &InstanceName, phase: Phase) {
        self.0.insert(name.clone(), phase);
    }

    pub(crate) fn remove(&mut self, name: &InstanceName) {
        self.0.remove(name);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&InstanceName, Phase)> {
        self.0.iter().map(|(name, phase)| (name, *phase))
    }

    /// The names of those whose phase is one of `phases`, but for the deadline of a start.
    pub(crate) fn in_phase(&self, is_meant: impl Fn(Phase) -> bool) -> Vec<InstanceName> {
        self.iter().filter(|(_, phase)| is_meant(*phase)).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn count(&self, is_meant: impl Fn(Phase) -> bool) -> u32 {
        self.iter().filter(|(_, phase)| is_meant(*phase)).count() as u32
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that serve or are to.
    pub(crate) fn coming_or_come(&self) -> u32 {
        self.count(|phase| phase.is_starting() || matches!(phase, Phase::Ready | Phase::Serving))
    }

    /// Those that are, or may soon be, of use: all but the stopping ones.
    pub(crate) fn staying(&self) -> u32 {
        self.count(|phase| phase != Phase::Stopping)
    }
}

impl Phase {
    pub(crate) fn is_starting(self) -> bool {
        matches!(self, Self::Starting { .. })
    }
}
