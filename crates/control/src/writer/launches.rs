//! How the writer starts an instance, and what it clears away when nothing is left of one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use driver::Spec;
use driver::log::Sweep;
use model::{Deploy, InstanceName, ServiceName};
use rollout::Side;
use rollout::instance::Start;
use telemetry::event;

use super::Writer;
use crate::chain::chain;
use crate::ended::Reply;
use crate::release::Release;
use crate::runs::{DeployError, Launching, Routes, Running, Surroundings, Trial};

/// Of so many instances that are gone the logs are kept, for each service.
const GONE_LOGS_MAX: usize = 10;

impl Writer {
    /// Makes a process of an instance's start, beside the loop.
    pub(super) fn launch(&mut self, service: &ServiceName, instance: &InstanceName, start: Start) {
        let launching = self.launching(service, instance, start);
        self.events.emit(event::InstanceStarting {
            service: service.clone(),
            instance: instance.clone(),
            release: launching.release.version.clone(),
        });
        let driver = self.runs.driver.clone();
        tokio::spawn(launching.begin(driver));
    }

    pub(super) fn launching(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        start: Start,
    ) -> Launching {
        let withheld = self.withheld(service);
        let registries = self.serving.intent.borrow().registries.clone();
        let tls = self.serving.tls.services.get(service).cloned();
        let sealed = self.serving.intent.borrow().secrets.clone();
        let (journal, tell) = (self.runs.journal.clone(), self.runs.tell.clone());
        let (checker, events) = (self.serving.reports.checker.clone(), self.events.clone());
        let run = self.run_of(service);
        let running = &run.instances[instance];
        Launching {
            service: run.service.clone(),
            release: running.release.clone(),
            instance: instance.clone(),
            number: running.number,
            start,
            tls,
            withheld,
            registries,
            sealed,
            journal,
            tell,
            checker,
            events,
        }
    }

    /// Tells beside the loop what a program needs to run once as the instances of `service` do.
    pub(super) fn tell_surroundings(
        &self,
        service: &str,
        reply: Reply<Result<Surroundings, DeployError>>,
    ) {
        let (name, release) = match self.running_release(service) {
            Ok(found) => found,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let spec = Spec {
            service: name.clone(),
            version: release.version.clone(),
            recipe: release.recipe.clone(),
            withheld: self.withheld(&name),
            placement: Default::default(),
            registries: Default::default(),
            sealed: self.serving.intent.borrow().secrets.clone(),
        };
        let instances = self.runs.services[&name].instances.values();
        let of_release = instances.filter(|it| Arc::ptr_eq(&it.release, &release));
        let processes = of_release.filter_map(Running::process);
        let running: Vec<_> = processes.map(|it| it.record().clone()).collect();
        let composed = self.runs.driver.compose(spec);
        tokio::spawn(async move {
            let found = match composed.await {
                Ok(composed) => {
                    Surroundings::new(&name, release.version.clone(), &composed, &running)
                        .map_err(|error| chain(&error))
                }
                Err(error) => Err(chain(&error)),
            };
            let service = name.to_string();
            let found = found.map_err(|why| DeployError::NotComposed { service, why });
            // The client that asked may be gone.
            drop(reply.send(found));
        });
    }

    /// The service of this name, and the release of it that runs.
    fn running_release(&self, service: &str) -> Result<(ServiceName, Arc<Release>), DeployError> {
        let name = self.run_named(service)?;
        let nothing = || DeployError::NothingRuns { service: service.to_owned() };
        let release = self.runs.services[&name].release.clone().ok_or_else(nothing)?;
        Ok((name, release))
    }

    /// Variables that an instance of `service` does not inherit, unless they are its own release's
    /// secrets: those of all other services, by the file and by what runs.
    pub(super) fn withheld(&self, service: &ServiceName) -> BTreeSet<String> {
        let intent = self.serving.intent.borrow();
        let others = self.runs.services.iter().filter(|(name, _)| *name != service);
        let running = others.flat_map(|(_, run)| run.releases()).map(|release| &release.recipe);
        let others = intent.services.values().filter(|other| other.name != *service);
        let wanted = others.filter_map(|other| Some(&other.run.as_ref()?.recipe));
        let secrets = running.chain(wanted).flat_map(|recipe| recipe.secrets.iter().cloned());
        // What the services had that are not in the file any more is nobody's now.
        let (known, service) = (&self.runs.journal, service.clone());
        let gone = known.secrets_but_of(&service).unwrap_or_else(|error| {
            let (service, why) = (None, crate::chain::chain(&error));
            self.events.emit(event::JournalUnreadable { service, why });
            Default::default()
        });
        let passwords = intent.registries.values().map(|registry| &registry.password_env);
        let ours = intent.admin.token_variables().chain(passwords).cloned();
        secrets.chain(gone).chain(ours).collect()
    }

    /// What an instance has to stand before it is ready: nothing at all but for one of a release that is to come,
    /// for what runs is wanted back soon.
    pub(super) fn trial(&self, service: &ServiceName, instance: &InstanceName) -> Trial {
        let run = &self.runs.services[service];
        let side = run.active.as_ref().and_then(|active| active.sides.get(instance));
        match side {
            Some(Side::Canary) => {
                let Deploy { min_healthy, smoke, .. } = &run.run().deploy;
                Trial { min_healthy: *min_healthy, smoke: smoke.clone() }
            }
            _ => Trial::default(),
        }
    }

    /// Nothing is left of an instance. What became of its last requests is counted all the same.
    pub(super) fn remove_instance(&mut self, service: &ServiceName, instance: &InstanceName) {
        let run = self.run_of(service);
        let Some(mut running) = run.instances.remove(instance) else { return };
        let account = running.take_account(&Routes::of(run.live.as_ref()));
        match &mut run.active {
            Some(active) => active.owe(instance, account, &mut run.past),
            None => run.past.note(&account),
        }
        self.sweep_logs(service);
    }

    /// Removes old logs of instances that are gone, beside the loop.
    pub(super) fn sweep_logs(&mut self, service: &ServiceName) {
        let living = self.run_of(service).instances.keys().map(InstanceName::to_string).collect();
        let then = SystemTime::now();
        let sweep = Sweep { service: service.clone(), living, then, keep: GONE_LOGS_MAX };
        let swept = self.runs.driver.sweep(sweep);
        let place = self.runs.driver.logs().place(service);
        let (events, service) = (self.events.clone(), service.clone());
        tokio::spawn(async move {
            if let Err(error) = swept.await {
                let why = error.to_string();
                events.emit(event::LogsNotRemoved { service, place, why });
            }
        });
    }

    /// A name that no instance of the service had.
    pub(super) fn next_name(&mut self, service: &ServiceName) -> InstanceName {
        let run = self.run_of(service);
        let name = InstanceName::from(format!("{service}-{}", run.next_number));
        run.next_number += 1;
        let next = run.next_number;
        if let Err(error) = self.runs.journal.count_from(service, next) {
            let (service, why) = (service.clone(), crate::chain::chain(&error));
            self.events.emit(event::InstanceNameNotRecorded { service, why });
        }
        name
    }

    pub(super) fn forget(&self, record: &driver::Record) {
        if let Err(error) = self.runs.journal.forget(record) {
            let (service, instance) = (record.service.clone(), record.instance.clone());
            let why = crate::chain::chain(&error);
            self.events.emit(event::InstanceNotForgotten { service, instance, why });
        }
    }
}
