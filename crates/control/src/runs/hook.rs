//! What a deploy runs once beside its instances: `before` and `after` of the file.
//!
//! It is started as an instance is, by the same driver and of the same recipe with another command, so the journal knows it
//! before it runs, and it keeps its output where instances do. It is none: nothing checks it, nothing restarts it, and it gets no
//! request. Nobody waits for it longer than `hook_timeout`, and it does not outlive what it was run for: it is asked to stop when
//! its deploy does not want it any more, and where Plimsoll itself ended, by the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use driver::preflight::{Preflight, Room};
use driver::{Driver, ExitCause, Instance, Launch, Listening, Placement, Record, Spec, Upkeep};
use model::{Deploy, Hook, HookMoment, InstanceName, Secret, ServiceName, Stop};
use rollout::HookEnd;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::OutputTeller;
use super::hook_output::HookOutput;
use super::launch::start;
use super::left::end_left;
use crate::chain::chain;
use crate::journal::Journal;
use crate::release::Release;

/// Its output is waited for no longer once it is gone: the log has the rest.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(3);

/// One run of a hook.
#[derive(Debug)]
pub(crate) struct HookRun {
    pub(crate) service: ServiceName,
    pub(crate) deploy: i64,
    pub(crate) moment: HookMoment,
    pub(crate) hook: Hook,
    /// What it is called, beside the instances.
    pub(crate) name: InstanceName,
    /// The new release.
    pub(crate) release: Arc<Release>,
    /// Where it runs.
    pub(crate) placement: Placement,
    /// Variables that it does not inherit.
    pub(crate) withheld: BTreeSet<String>,
    /// The secrets beside the configuration.
    pub(crate) sealed: Arc<BTreeMap<String, Secret>>,
    /// How it is ended before its time.
    pub(crate) stop: Stop,
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) journal: Journal,
    /// Tells what it writes.
    pub(crate) teller: OutputTeller,
    /// Answers when nobody wants it any more.
    pub(crate) wanted: oneshot::Receiver<Infallible>,
}

/// A hook has ended, and nothing is left of it.
#[derive(Debug)]
pub(crate) struct HookEnded {
    pub(crate) service: ServiceName,
    pub(crate) deploy: i64,
    pub(crate) moment: HookMoment,
    pub(crate) end: HookEnd,
}

/// Why it is waited for no longer.
enum Over {
    Ended(ExitCause),
    Late,
    Unwanted,
}

impl HookRun {
    /// Runs it to its end, or the end of its time, or until nobody wants it any more.
    pub(crate) async fn run(mut self) -> HookEnded {
        let end = match self.begin().await {
            Ok(process) => self.follow(process).await,
            Err(why) => HookEnd::Failed(why),
        };
        let Self { service, deploy, moment, .. } = self;
        HookEnded { service, deploy, moment, end }
    }

    async fn begin(&mut self) -> Result<Arc<dyn Instance>, String> {
        let recipe = self.release.recipe.running(self.hook.command.clone());
        // Two of a service never run beside each other.
        end_left_hooks(&*self.driver, &self.journal, &self.service, self.stop).await;
        let spec = Spec {
            service: self.service.clone(),
            version: self.release.version.clone(),
            recipe,
            withheld: self.withheld.clone(),
            placement: self.placement.clone(),
            registries: Default::default(),
            sealed: self.sealed.clone(),
        };
        let composed = tokio::select! {
            composed = timeout(self.hook.timeout, self.driver.compose(spec)) => composed,
            _ = &mut self.wanted => return Err("it was ended before it ran".to_owned()),
        };
        let composed = composed.map_err(|_| self.late())?.map_err(|error| chain(&error))?;
        let upkeep = Upkeep { stop: self.stop, listening: Listening::Nowhere, ..Upkeep::default() };
        let (service, instance) = (self.service.clone(), self.name.clone());
        let version = self.release.version.clone();
        let launch = Launch { service, instance, version, composed, upkeep };
        start(&*self.driver, &self.journal, launch, self.deploy).await
    }

    async fn follow(&mut self, process: Arc<dyn Instance>) -> HookEnd {
        let output = HookOutput::new(
            self.driver.logs(),
            self.service.clone(),
            self.name.clone(),
            self.teller.clone(),
        );
        let (is_over, over) = oneshot::channel();
        let told = tokio::spawn(output.follow(over));
        let ended = tokio::select! {
            exit = process.exited() => Over::Ended(exit.ending),
            () = sleep(self.hook.timeout) => Over::Late,
            _ = &mut self.wanted => Over::Unwanted,
        };
        let end = match ended {
            Over::Ended(ExitCause::Code(0)) => HookEnd::Done,
            Over::Ended(ending) => HookEnd::Failed(format!("it {ending}")),
            Over::Late => HookEnd::Failed(self.late()),
            Over::Unwanted => HookEnd::Failed("it was ended by hand".to_owned()),
        };
        match ended {
            Over::Ended(_) => process.gone().await,
            Over::Late | Over::Unwanted => process.stop(self.stop).await,
        };
        drop(is_over);
        // It is told what there is.
        let _ = timeout(OUTPUT_TIMEOUT, told).await;
        // Where that cannot be written the next start finds that it is gone.
        let _ = self.journal.forget(process.record());
        end
    }

    fn late(&self) -> String {
        format!("it did not end within {:?}, and was stopped", self.hook.timeout)
    }
}

/// Ends what is left of the hooks of `service`, as an earlier Plimsoll leaves one where it ended in the middle of it.
async fn end_left_hooks(driver: &dyn Driver, journal: &Journal, service: &ServiceName, stop: Stop) {
    let is_hook = |record: &Record| HookMoment::of(service, &record.instance).is_some();
    end_left(driver, journal, service, stop, is_hook).await;
}

/// Adds to `faults` what stands in the way of what `deploy` runs beside the instances of `spec`.
pub(crate) async fn look_at_hooks(
    driver: &dyn Driver,
    spec: &Spec,
    deploy: &Deploy,
    faults: &mut Vec<String>,
) {
    for moment in HookMoment::ALL {
        let Some(hook) = deploy.hook(moment) else { continue };
        let recipe = spec.recipe.running(hook.command.clone());
        let plan = Preflight {
            spec: Spec { recipe, ..spec.clone() },
            running: BTreeSet::new(),
            without: Vec::new(),
            room: Room::default(),
        };
        let Err(found) = driver.preflight(plan).await else { continue };
        for fault in found.iter().map(|fault| chain(fault)) {
            // What instances need as well was told of them.
            let told = format!("`{moment}`: {fault}");
            if !faults.contains(&fault) {
                faults.push(told);
            }
        }
    }
}
