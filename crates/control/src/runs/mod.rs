//! What Plimsoll runs itself: the instances of each service, and the rollout that replaces them.
//!
//! All of it belongs to the control loop ([`crate::writer`]); what takes long is done by tasks, which tell what
//! happened as a [`Happening`]. What that means for an instance is for its lifecycle to say
//! ([`rollout::instance`]). An instance is known by its name and by a number, so that word of an earlier one
//! under the same name means nothing.

mod account;
mod active;
mod bars;
mod checking;
mod difference;
mod draining;
mod first;
mod first_check;
#[cfg(test)]
mod fixtures;
mod history;
mod hook;
mod hook_output;
mod instance;
mod launch;
mod left;
mod listening;
mod output_reader;
mod past;
mod receipt;
mod rejudge;
mod request;
mod smoke;
mod surroundings;
mod telling;
mod warm_up;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use balance::ejection::Cohort;
use driver::{Adoption, Driver, Exit, Instance, Record, Stopped, Upkeep};
use edge::{Live, ServiceLive};
use model::{Deploy, InstanceName, Run, Service, ServiceName, Stop};
use rollout::instance::{Start, Wait};
use telemetry::{Events, event};
use tokio::sync::mpsc;

pub use active::{Progress, Progressing};
pub use checking::CheckingStatus;
pub use difference::{Difference, Differs};
pub use first::FirstStatus;
pub use history::{ConditionStatus, DeployStatus, LastDeploy, RunStatus, Waiting};
pub use receipt::{DeployEnding, Forms, Receipt, ReleaseTally};

pub(crate) use crate::line::Line;
pub use rejudge::{Rejudge, Rejudged, Rules};
pub use request::{DeployError, DeployRequest, Overrides, Wanted};
pub use surroundings::{ContainerPlace, ProcessPlace, RunsIn, Surroundings};

pub(crate) use account::Routes;
pub(crate) use active::{Active, Attempt, Beginning, Ending, OutputTeller, Seen, strategy_word};
pub(crate) use checking::{Asked, aborted, in_time, while_wanted};
pub(crate) use draining::drained;
pub(crate) use first::FirstTries;
pub(crate) use hook::{HookEnded, HookRun, look_at_hooks};
pub(crate) use instance::{Effect, Lifecycle, Running};
pub(crate) use launch::{
    LAST_LINES, Launching, Trial, first_place, listening, notify, placement, start,
};
pub(crate) use left::{end_left, is_run_once};
pub(crate) use listening::Listening;
pub(crate) use output_reader::{LOOK_EVERY, OutputReader};
pub(crate) use past::Recollection;
pub(crate) use rejudge::rejudge;
pub(crate) use request::{Order, Purpose, Target};
pub(crate) use smoke::Passed as SmokePassed;
pub(crate) use warm_up::WarmedUp;

use crate::evidence::Keeping;
use crate::journal::Journal;
use crate::release::Release;
use crate::scaling::ByHand;

/// How many deploys can be followed after they have ended.
const RECENT_MAX: usize = 100;

/// Something that happened to an instance.
#[derive(Debug)]
pub(crate) struct Happening {
    pub(crate) service: ServiceName,
    pub(crate) instance: InstanceName,
    /// The number of the instance.
    pub(crate) number: u64,
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum What {
    /// Of one of its starts.
    Start(Start, OfStart),
    /// Nothing reaches it any more, or its time to drain is over.
    Unreachable(Wait),
    /// It gets nothing new, and what is open on it still has time: what, and how long.
    Draining(String),
    /// The last lines that it wrote before it was given up.
    LastWords(Vec<String>),
}

/// What happened to one start of an instance.
#[derive(Debug)]
pub(crate) enum OfStart {
    /// Its program runs, or why it does not.
    Launched(Result<Arc<dyn Instance>, String>),
    /// It was warmed up, and what came of it.
    WarmedUp(WarmedUp),
    /// It responded to all smoke requests as it should, or why the release is not to come.
    Smoked(Result<SmokePassed, String>),
    /// Its first check passed.
    Ready,
    /// A first check failed, and not as the one before did: how.
    Unready(String),
    /// Its first process ended; the last lines that it wrote.
    Exited(Exit, Vec<String>),
    /// Nothing of it is left, and what that took.
    Gone(Box<Record>, Stopped),
}

/// All services that Plimsoll runs.
pub(crate) struct Runs {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) journal: Journal,
    pub(crate) tell: mpsc::UnboundedSender<Happening>,
    pub(crate) events: Events,
    pub(crate) services: BTreeMap<ServiceName, ServiceRun>,
    /// The last deploys, by their numbers.
    pub(crate) recent: BTreeMap<i64, Progressing>,
    /// How what is kept of deploys is written.
    pub(crate) forms: Forms,
    /// What deploys were judged by, on its way into the journal.
    pub(crate) keeping: Keeping,
    numbers: u64,
}

/// One service that Plimsoll runs.
pub(crate) struct ServiceRun {
    pub(crate) service: Arc<Service>,
    /// How many instances an operator wants, where that is not what the file says.
    pub(crate) by_hand: Option<ByHand>,
    /// What is meant to run.
    pub(crate) release: Option<Arc<Release>>,
    pub(crate) next_number: u64,
    pub(crate) instances: BTreeMap<InstanceName, Running>,
    pub(crate) active: Option<Active>,
    /// What the release that runs did lately.
    pub(crate) past: Recollection,
    /// Whether workers hand attempts over for that.
    pub(crate) listening: Listening,
    /// What the edge observes of it, once it is served.
    pub(crate) live: Option<Arc<ServiceLive>>,
    /// A deploy that is being looked at, before it begins.
    pub(crate) asked: Option<Asked>,
    /// The first release while it is tried, and has not stayed.
    pub(crate) first: Option<FirstTries>,
    /// What became of the last deploy that has ended.
    pub(crate) last: Option<LastDeploy>,
}

impl ServiceRun {
    /// How its instances are run.
    pub(crate) fn run(&self) -> &Run {
        self.service.run.as_ref().expect("a service is here only if Plimsoll runs it")
    }

    /// How many instances there are to be.
    pub(crate) fn replicas(&self) -> NonZeroU32 {
        let of_file = self.run().replicas;
        self.by_hand.filter(|it| it.holds(of_file)).map_or(of_file, |it| it.replicas)
    }

    /// The deploy that is meant by `request`, whose release is `target`.
    pub(crate) fn deploy_to(
        &self,
        target: &Target,
        request: &DeployRequest,
        purpose: Purpose,
    ) -> Deploy {
        let mut deploy = request.applied(&self.run().deploy);
        if purpose == Purpose::First && self.is_prepared(target) {
            deploy.before = None;
        }
        deploy
    }

    /// What brings its first release, where nothing runs and nothing is about to.
    pub(crate) fn idle(&self) -> Option<String> {
        let is_idle = self.release.is_none()
            && self.active.is_none()
            && self.asked.is_none()
            && self.run().version.is_none();
        is_idle.then(|| format!("plimsoll deploy {} VERSION", self.service.name))
    }

    /// The releases whose instances may be started: what is meant to run, and what is to come.
    pub(crate) fn releases(&self) -> impl Iterator<Item = &Arc<Release>> {
        self.release.iter().chain(self.active.as_ref().map(|active| &active.canary))
    }

    /// What is to be published of it: whoever is up, with who of them gets nothing.
    pub(crate) fn published(&self) -> impl Iterator<Item = edge::Instance> {
        self.instances.iter().filter_map(|(name, running)| running.published(name))
    }

    /// The releases of its instances, as ejection tells them apart.
    pub(crate) fn cohorts(&self) -> BTreeMap<InstanceName, Cohort> {
        let cohort = |running: &Running| Cohort::of_release(running.release.id);
        self.instances.iter().map(|(name, running)| (name.clone(), cohort(running))).collect()
    }

    /// Remembers what is observed of the instance.
    pub(crate) fn observe(&mut self, live: &Arc<Live>) {
        if let Some(running) = self.instances.get_mut(&live.name) {
            running.observe(live);
        }
    }
}

impl Runs {
    /// None yet.
    pub(crate) fn new(
        driver: Arc<dyn Driver>,
        journal: Journal,
        tell: mpsc::UnboundedSender<Happening>,
        forms: Forms,
        events: Events,
    ) -> Self {
        let services = BTreeMap::new();
        let recent = BTreeMap::new();
        let keeping = Keeping::default();
        Self { driver, journal, tell, events, services, recent, forms, keeping, numbers: 0 }
    }

    /// A number that nothing had.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Lets a deploy be followed, also for a while after it has ended.
    pub(crate) fn keep_recent(&mut self, following: Progressing) {
        self.recent.insert(following.id, following);
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_first();
        }
    }

    /// Stops everything that runs, all at once, and waits until nothing of it is left. Nothing is
    /// started any more.
    pub(crate) async fn stop(&self) {
        self.journal.seal();
        let mut stopping = Vec::new();
        for run in self.services.values() {
            let stop = run.run().stop;
            let processes = run.instances.values().filter_map(Running::process);
            stopping
                .extend(processes.map(|process| (process.stop(stop), process.record().clone())));
        }
        for (stopped, record) in stopping {
            stopped.await;
            if let Err(error) = self.journal.forget(&record) {
                let why = crate::chain::chain(&error);
                let (service, instance) = (record.service, record.instance);
                self.events.emit(event::InstanceNotForgotten { service, instance, why });
            }
        }
        self.stop_unknown().await;
    }

    /// Stops what was written down, and had not told yet that it runs.
    async fn stop_unknown(&self) {
        let mut records = Vec::new();
        for service in self.journal.services().unwrap_or_default() {
            records.extend(self.journal.records(&service).unwrap_or_default());
        }
        for (record, _) in records {
            let adopted = self.driver.adopt(record.clone(), Upkeep::default()).await;
            if let Ok(Adoption::Running(process)) = adopted {
                process.stop(Stop::default()).await;
            }
            // What is left in it is looked for by the next start.
            drop(self.journal.forget(&record));
        }
    }

    /// The instance that `happening` is about, if it is there.
    pub(crate) fn meant(&mut self, happening: &Happening) -> Option<&mut Running> {
        let service = self.services.get_mut(&happening.service)?;
        let running = service.instances.get_mut(&happening.instance)?;
        (running.number == happening.number).then_some(running)
    }
}
