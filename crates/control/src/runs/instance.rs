//! One instance as the control loop holds it: its lifecycle, and what that knows nothing of.

use std::sync::Arc;
use std::time::Duration;

use driver::Instance;
use edge::Live;
use model::InstanceName;
use rollout::instance::restart::RestartState;
use rollout::instance::{self, Event, Exposure, Phase};

use super::account::{Account, Routes, Told};
use crate::release::Release;
use crate::task::Task;

/// The life of an instance, whose process is the driver's.
pub(crate) type Lifecycle = instance::Lifecycle<Arc<dyn Instance>>;
/// What it wants done.
pub(crate) type Effect = instance::Effect<Arc<dyn Instance>>;

/// One instance.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) release: Arc<Release>,
    /// No other instance had this number, whatever its name.
    pub(crate) number: u64,
    pub(crate) lifecycle: Lifecycle,
    /// Asks it until it is ready.
    asking: Option<Task>,
    lives: Vec<Arc<Live>>,
    told: Told,
}

impl Running {
    pub(crate) fn new(release: Arc<Release>, number: u64, lifecycle: Lifecycle) -> Self {
        let (lives, told) = (Vec::new(), Told::default());
        Self { release, number, lifecycle, asking: None, lives, told }
    }

    /// Tells its lifecycle what happened.
    pub(crate) fn step(&mut self, now: Duration, event: Event<Arc<dyn Instance>>) -> Vec<Effect> {
        let effects = self.lifecycle.step(now, event);
        if !matches!(self.lifecycle.phase(), Phase::Warming { .. }) {
            self.asking = None;
        }
        effects
    }

    /// It is being asked, until it has come further.
    pub(crate) fn ask(&mut self, asking: Task) {
        self.asking = Some(asking);
    }

    /// The process, if its program runs.
    pub(crate) fn process(&self) -> Option<&Arc<dyn Instance>> {
        self.lifecycle.process()
    }

    /// What is to be published of it.
    pub(crate) fn published(&self, name: &InstanceName) -> Option<edge::Instance> {
        let is_drained = match self.lifecycle.exposure() {
            Exposure::Hidden => return None,
            Exposure::Barred => true,
            Exposure::Serving => false,
        };
        let address = self.process()?.record().address;
        Some(edge::Instance {
            name: name.clone(),
            address,
            host: model::Host::Address(address.ip()),
            release: Some(self.release.version.clone()),
            weight: 1,
            backup: false,
            is_drained,
        })
    }

    /// How far it has come, in words.
    pub(crate) fn state(&self) -> String {
        let (why, next) = match self.lifecycle.phase() {
            Phase::Starting => return "launching".to_owned(),
            Phase::Warming { .. } => return "starting".to_owned(),
            Phase::Live => return "up".to_owned(),
            Phase::Stopping | Phase::Gone => return "stopping".to_owned(),
            Phase::Backoff { why, next, .. } => (why, next),
        };
        let again = format!("{why}; starts again {:.1} s after that", next.pause.as_secs_f64());
        match next.state {
            RestartState::Restarting => again,
            RestartState::CrashLoop { runs } => format!("in a crash loop ({runs} runs): {again}"),
        }
    }

    /// Why it has come no further, as far as its checks tell.
    pub(crate) fn why(&self) -> Option<String> {
        match self.lifecycle.phase() {
            Phase::Warming { why } => why.map(str::to_owned),
            _ => None,
        }
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
    pub(crate) fn take_account(&mut self, routes: &Routes) -> Account {
        self.told.take(&self.lives, routes)
    }
}
