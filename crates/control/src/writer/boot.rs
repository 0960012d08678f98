//! What the writer finds when it begins, and what a new intent means for what it runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use driver::{Adoption, Driver, Instance, Record, Upkeep};
use model::{Intent, ServiceName, Stop, Workload};
use rollout::{Outcome, Reason};
use telemetry::{Events, event};

use super::Writer;
use super::instances::Found;
use super::rollouts::run_by_us;
use crate::chain::chain;
use crate::journal::{Journal, JournalError, Known};
use crate::release::Release;
use crate::runs::{
    Difference, Forms, LastDeploy, Receipt, ServiceRun, end_left, is_run_once, notify,
};

/// What an earlier Plimsoll left of one service.
pub(crate) struct Legacy {
    pub(crate) service: ServiceName,
    /// Its instances that run, and which deploy made their release, if that is known.
    pub(crate) instances: Vec<(Arc<dyn Instance>, Option<i64>)>,
}

/// Finds every process again that the journal knows. Those that are gone are forgotten, and deploys
/// that were cut short are written down as such; where that cannot be done, as on a full disk, the
/// next start does it.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) async fn find_legacies(
    intent: &Intent,
    driver: &Arc<dyn Driver>,
    journal: &Journal,
    forms: Forms,
    events: &Events,
) -> Result<Vec<Legacy>, JournalError> {
    for deploy in journal.open_deploys()? {
        let service = deploy.service.clone();
        events.emit(event::DeployInterrupted { service, deploy: deploy.id });
        let (id, lines, found) = (deploy.id, journal.noted(deploy.id)?, SystemTime::now());
        let receipt = Receipt::of_cut_short(deploy, lines, found);
        let (word, text) = (receipt.word(), (forms.receipt)(&receipt));
        if let Err(error) = journal.end(id, word, &text, found) {
            events.emit(event::JournalReadOnly { why: chain(&error) });
        }
    }
    let now = SystemTime::now();
    match journal.interrupt_runs(now) {
        Ok(runs) => runs.into_iter().for_each(|run| {
            let why = "Plimsoll ended while it ran".to_owned();
            events.emit(event::JobInterrupted { job: run.job, run: run.id, why });
        }),
        Err(error) => events.emit(event::JournalReadOnly { why: chain(&error) }),
    }
    let mut legacies = Vec::new();
    for service in journal.services()? {
        let wanted = intent.services.get(&service);
        let stop = wanted.and_then(|it| it.run.as_ref()).map(|it| it.stop);
        let notify = wanted.map(|it| notify(it)).unwrap_or_default();
        let mut instances = Vec::new();
        let records = journal.records(&service)?;
        let is_once = |(record, _): &(Record, _)| is_run_once(&service, record);
        if records.iter().any(is_once) {
            end_what_ran_once(driver, journal, &service, stop.unwrap_or_default());
        }
        for (record, made_by) in records.into_iter().filter(|record| !is_once(record)) {
            let stop = stop.unwrap_or_default();
            let upkeep = Upkeep { stop, notify, ..Upkeep::default() };
            match driver.adopt(record.clone(), upkeep).await {
                Ok(Adoption::Running(process)) => {
                    let (service, instance) = (service.clone(), record.instance);
                    events.emit(event::InstanceAdopted { service, instance });
                    instances.push((process, made_by));
                }
                Ok(Adoption::Gone(_)) => drop(journal.forget(&record)),
                Err(error) => {
                    let (service, instance) = (service.clone(), record.instance);
                    events.emit(event::InstanceLost { service, instance, why: chain(&error) });
                }
            }
        }
        legacies.push(Legacy { service, instances });
    }
    let found = legacies.iter().flat_map(|legacy| &legacy.instances);
    let known: Vec<_> = found.map(|(instance, _)| instance.record().clone()).collect();
    // It goes on by itself.
    drop(driver.reclaim(&known));
    Ok(legacies)
}

/// Ends the hooks of deploys that were cut short, and the jobs that ran, beside all else: the next hook of the service, and the next run of the
/// job, wait for that before they begin.
fn end_what_ran_once(
    driver: &Arc<dyn Driver>,
    journal: &Journal,
    service: &ServiceName,
    stop: Stop,
) {
    let (driver, journal, service) = (driver.clone(), journal.clone(), service.clone());
    tokio::spawn(async move {
        let is_meant = |record: &Record| is_run_once(&service, record);
        end_left(&*driver, &journal, &service, stop, is_meant).await;
    });
}

impl Writer {
    /// Takes over what was found, and starts what is missing.
    pub(crate) fn begin_runs(&mut self, legacies: Vec<Legacy>) {
        for Legacy { service, instances } in legacies {
            for (process, made_by) in instances {
                if let Some(run) = self.runs.services.get(&service) {
                    let (release, found) = release_of(run, &process.record().version, made_by);
                    self.take_over_instance(&service, process, release, found);
                } else {
                    let stopped = process.stop(Stop::default());
                    let (journal, record) = (self.runs.journal.clone(), process.record().clone());
                    tokio::spawn(async move {
                        stopped.await;
                        drop(journal.forget(&record));
                    });
                }
            }
        }
        for service in self.runs.services.keys().cloned().collect::<Vec<_>>() {
            self.begin_first(&service);
            self.reconcile(&service);
            self.sweep_logs(&service);
        }
        self.tell_differences(&self.differences());
        self.tell_unreleased();
    }

    /// Says of which services the file says otherwise than what runs.
    pub(super) fn tell_differences(&self, differences: &[Difference]) {
        for difference in differences {
            let (service, what) = (difference.service.clone(), difference.to_string());
            self.events.emit(event::ReleaseDiffers { service, what });
        }
    }

    /// Services of which the file has come to say otherwise than what runs: those who deploy by hand need not write it
    /// into the file, and are not told so at each reload.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let services =
            self.runs.services.iter().filter(|(name, _)| !self.serving.is_unwanted(name));
        services.filter_map(|(_, run)| run.difference()).filter(Difference::is_news).collect()
    }

    /// Takes up what `intent` says of what Plimsoll runs. What runs goes on; a new recipe is for the
    /// next deploy.
    pub(super) fn want_runs(&mut self, intent: &Intent) {
        for service in run_by_us(intent) {
            match self.runs.services.get_mut(&service.name) {
                Some(run) => {
                    run.service = service.clone();
                    self.heed_replicas(&service.name);
                }
                None => self.add_run(service),
            }
        }
        let is_gone = |name: &&ServiceName| self.serving.is_unwanted(name);
        let gone: Vec<_> = self.runs.services.keys().filter(is_gone).cloned().collect();
        gone.iter().for_each(|service| self.remove_run(service));
    }

    fn add_run(&mut self, service: &Arc<model::Service>) {
        let Some(wanted) = &service.run else { return };
        // A container's user is its image's to say, and root there is not root here.
        if let Workload::Process(process) = &wanted.recipe.workload
            && driver::account::is_root()
            && process.user.is_none()
        {
            self.events.emit(event::InstancesRunAsRoot { service: service.name.clone() });
        }
        let known = self.runs.journal.service(&service.name);
        let known = known.unwrap_or_else(|error| {
            let of = Some(service.name.clone());
            self.events.emit(event::JournalUnreadable { service: of, why: chain(&error) });
            Known::default()
        });
        let last = self.runs.journal.deploys(&service.name, 1).unwrap_or_default();
        let Known { version, made_by, recipe, next_number, given, file_version, by_hand } = known;
        let release = version.map(|version| Release {
            id: made_by.unwrap_or_default(),
            version,
            recipe: recipe.unwrap_or_else(|| wanted.recipe.clone()),
            given,
            file_version,
        });
        let run = ServiceRun {
            service: service.clone(),
            by_hand,
            release: release.map(Arc::new),
            next_number,
            instances: Default::default(),
            active: None,
            past: Default::default(),
            listening: Default::default(),
            live: None,
            asked: None,
            first: None,
            last: last.into_iter().next().and_then(LastDeploy::of_journal),
        };
        self.runs.services.insert(service.name.clone(), run);
        self.heed_replicas(&service.name);
    }

    /// Lets all instances of a service go that is not wanted any more.
    fn remove_run(&mut self, service: &ServiceName) {
        let run = &self.runs.services[service];
        if let Some(active) = &run.active {
            let has_stayed = run.release.as_ref().is_some_and(|it| it.id == active.canary.id);
            self.end_deploy(
                service,
                match has_stayed {
                    true => Outcome::Promoted,
                    false => Outcome::Broken(Reason::Aborted),
                },
            );
        }
        let run = &self.runs.services[service];
        let names: Vec<_> = run.instances.keys().cloned().collect();
        if names.is_empty() {
            self.runs.services.remove(service);
        }
        for instance in names {
            self.dismiss(service, &instance);
        }
    }

    /// Starts and stops what a new intent wants more or less of.
    pub(super) fn reconcile_all(&mut self) {
        for service in self.runs.services.keys().cloned().collect::<Vec<_>>() {
            self.begin_first(&service);
            self.reconcile(&service);
        }
        self.tell_unreleased();
    }
}

/// The release of an instance of `version` that was found, and whether it is the one that is meant to
/// run: of a deploy that was cut short the old one is kept.
fn release_of(run: &ServiceRun, version: &str, made_by: Option<i64>) -> (Arc<Release>, Found) {
    let made_by = made_by.unwrap_or_default();
    let is_meant = |it: &&Arc<Release>| it.id == made_by && it.version == version;
    match run.release.as_ref().filter(is_meant) {
        Some(release) => (release.clone(), Found::Wanted),
        None => {
            let recipe = run.run().recipe.clone();
            let (id, version) = (made_by, version.to_owned());
            let (given, file_version) = (BTreeSet::new(), None);
            (Arc::new(Release { id, version, recipe, given, file_version }), Found::Leftover)
        }
    }
}
