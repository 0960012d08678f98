//! What is served: the edge, the intent that it serves, and what else each publication is made of.
//!
//! Publishes the instances that are there, whole or not at all, and watches what was published. What is wanted
//! of instances, and when, is not known here.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge::{Edge, Instance, Live, PublishError, ServingConfig, Split};
use model::{Intent, Revision, ServiceName};
use telemetry::{Events, event};
use tokio::sync::watch;
use wire::tls::Resumption;

use crate::certificates::{self, FilesOf, Renewals, Tls};
use crate::chain::chain;
use crate::drains::DrainList;
use crate::handle::{InstanceError, Wish};
use crate::instances::{self, Addresses};
use crate::names::Names;
use crate::prepare::Prepared;
use crate::runs::{Runs, Seen, ServiceRun};
use crate::status::InstanceStatus;
use crate::watch::{Report, Reports, ServiceWatch};

/// What is served.
pub(super) struct Serving {
    pub(super) edge: Edge,
    pub(super) intent: watch::Sender<Arc<Intent>>,
    pub(super) revision: Revision,
    pub(super) names: Names,
    pub(super) renewals: Renewals,
    pub(super) drains: DrainList,
    pub(super) watches: BTreeMap<ServiceName, ServiceWatch>,
    pub(super) reports: Reports,
    pub(super) tls: Tls,
    pub(super) events: Events,
}

impl Serving {
    /// Serves `prepared` from now on.
    ///
    /// # Errors
    /// When it cannot be put into effect; then nothing has changed.
    pub(super) fn take_up(
        &mut self,
        prepared: Prepared,
        runs: &mut Runs,
    ) -> Result<Revision, PublishError> {
        let Prepared { intent, warnings: _, certificates, resolved } = prepared;
        let certificates::Loaded { tls, told, looked } = certificates;
        let revision = self.revision.next();
        let addresses = self.names.addresses(&resolved);
        let serving_config = ServingConfig {
            instances: self.instances(runs, &intent, &addresses),
            intent: intent.clone(),
            revision,
            splits: splits(runs),
            tls: tls.clone(),
        };
        self.edge.publish(&serving_config).map_err(name_holder)?;
        told.into_iter().for_each(|event| self.events.emit(event));
        self.drains.keep_wanted(&intent);
        self.names.follow(&instances::names(&intent), resolved);
        self.renewals.follow(&FilesOf::of_all(&intent), looked);
        (self.revision, self.tls) = (revision, tls);
        self.intent.send_replace(intent.clone());
        self.watch(&serving_config, runs);
        Ok(revision)
    }

    /// The instances of every service: those that somebody else runs, and those that we do.
    fn instances(
        &self,
        runs: &Runs,
        intent: &Intent,
        addresses: &Addresses,
    ) -> BTreeMap<ServiceName, Vec<Instance>> {
        let mut instances = instances::of_intent(intent, addresses, &self.drains);
        for (service, run) in &runs.services {
            let Some(of_service) = instances.get_mut(service) else { continue };
            of_service.extend(run.published().map(|mut instance| {
                let drained = self.drains.since(service.as_str(), instance.name.as_str());
                instance.is_drained |= drained.is_some();
                instance
            }));
        }
        instances
    }

    /// Watches what was published, and nothing else.
    fn watch(&mut self, serving_config: &ServingConfig, runs: &mut Runs) {
        let now = self.edge.now();
        self.watches.retain(|name, _| serving_config.intent.services.contains_key(name));
        for view in self.edge.services() {
            let name = &view.service.name;
            let new = || ServiceWatch::new(view.service.clone(), self.events.clone());
            let watch = self.watches.entry(name.clone()).or_insert_with(new);
            let instances = serving_config.instances.get(name).map_or(&[][..], Vec::as_slice);
            watch.want(now, view.service, instances, view.instances, &self.drains, &self.reports);
            if let Some(run) = runs.services.get_mut(name) {
                run.live = Some(view.live.clone());
                view.instances.iter().for_each(|live| run.observe(live));
            }
        }
    }

    /// Serves the same intent with the instances that there are now.
    pub(super) fn readdress(&mut self, runs: &mut Runs) {
        let intent = self.intent.borrow().clone();
        let serving_config = ServingConfig {
            instances: self.instances(runs, &intent, &self.names.addresses(&[])),
            intent,
            revision: self.revision,
            splits: splits(runs),
            tls: self.tls.clone(),
        };
        match self.edge.publish(&serving_config) {
            Ok(generation) => {
                tracing::debug!(%generation, "instances have changed");
                self.watch(&serving_config, runs);
            }
            // What was published before can be published again; if not, its addresses serve on.
            Err(error) => {
                self.events.emit(event::AddressesNotApplied { why: chain(&error) });
            }
        }
    }

    /// The certificates in `files` are others than before: serves new connections with them.
    pub(super) fn renew(&mut self, files: &FilesOf, resumption: &Resumption, runs: &mut Runs) {
        let intent = self.intent.borrow().clone();
        let Some(pairs) = self.renewals.value(files) else { return };
        for (name, listener) in &intent.listeners {
            if FilesOf::of(listener).as_ref() == Some(files) {
                let config = pairs.config(listener, resumption);
                self.tls.insert(name.clone(), config);
                let (listener, (certificates, expires)) = (name.clone(), pairs.extent());
                self.events.emit(event::CertificatesRenewed { listener, certificates, expires });
                pairs.warnings(name).for_each(|warning| self.events.emit(warning));
            }
        }
        self.readdress(runs);
    }

    /// Takes an instance out, or lets it serve again, as a person wishes.
    ///
    /// # Errors
    /// When it is not known.
    pub(super) fn wish(
        &mut self,
        runs: &mut Runs,
        service: &str,
        instance: &str,
        wish: Wish,
    ) -> Result<InstanceStatus, InstanceError> {
        let now = self.edge.now();
        let Some(watch) = self.watches.get_mut(service) else {
            let names = self.watches.keys().map(ServiceName::as_str);
            let near = suggest::near(service, names);
            return Err(InstanceError::UnknownService { service: service.to_owned(), near });
        };
        if !watch.names().any(|name| name == instance) {
            return Err(InstanceError::UnknownInstance {
                service: service.to_owned(),
                instance: instance.to_owned(),
                near: suggest::near(instance, watch.names()),
            });
        }
        // Written down first: what was answered with yes holds over a crash.
        match wish {
            Wish::Drain => self.drains.put(&service.into(), &instance.into(), SystemTime::now()),
            Wish::Enable => self.drains.remove(service, instance),
        }
        let is_retired = |run: &ServiceRun| {
            run.instances.get(instance).is_some_and(|running| !running.lifecycle.serves())
        };
        match runs.services.get(service).is_some_and(is_retired) {
            // A deploy, too, gives it nothing, and may be about to stop it.
            true => self.readdress(runs),
            false => watch.look_for_drain(now, instance, &self.drains),
        }
        let status = self.watches.get(service).and_then(|watch| watch.status(now, instance));
        Ok(status.expect("the instance was there"))
    }

    pub(super) fn suspected(&mut self, live: &Live) {
        let now = self.edge.now();
        match self.watches.get_mut(&live.service) {
            Some(watch) => watch.suspected(now, live),
            None => drop(live.take_suspicion()),
        }
    }

    /// Takes up what a check found. Says why, where it made the instance unhealthy.
    pub(super) fn checked(&mut self, report: Report) -> Option<String> {
        let now = self.edge.now();
        let watch = self.watches.get_mut(&report.live.service)?;
        watch.checked(now, report)
    }

    pub(super) fn sample(&mut self) {
        let now = self.edge.now();
        self.watches.values_mut().for_each(|watch| watch.sample(now));
    }

    pub(super) fn tick(&mut self) {
        let now = self.edge.now();
        self.watches.values_mut().for_each(|watch| watch.tick(now));
    }

    /// When the next ejection is over.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.watches.values().filter_map(ServiceWatch::next_deadline).min()
    }

    /// What clients asked of a service so far, and how much of it failed.
    pub(super) fn seen(&self, service: &ServiceName) -> Seen {
        let mut views = self.edge.services().filter(|view| view.service.name == *service);
        views.next().map_or_else(Seen::default, |view| Seen::of(view.live))
    }

    /// Whether the intent does not want the service to be run any more.
    pub(super) fn is_unwanted(&self, service: &ServiceName) -> bool {
        let intent = self.intent.borrow();
        intent.services.get(service).is_none_or(|service| service.run.is_none())
    }
}

/// Services of which two releases share the requests.
fn splits(runs: &Runs) -> BTreeMap<ServiceName, Split> {
    let split = |run: &ServiceRun| run.active.as_ref()?.split.clone();
    let runs = runs.services.iter();
    runs.filter_map(|(name, run)| Some((name.clone(), split(run)?))).collect()
}

/// Says of a port that somebody else has who that is.
fn name_holder(error: PublishError) -> PublishError {
    match error {
        PublishError::Bind { listener, address, source }
            if source.kind() == io::ErrorKind::AddrInUse =>
        {
            let holder = driver::Holder::of(address.port());
            let told = holder.map(|holder| io::Error::new(source.kind(), holder.to_string()));
            PublishError::Bind { listener, address, source: told.unwrap_or(source) }
        }
        other => other,
    }
}
