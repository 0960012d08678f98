//! How the writer takes configurations and addresses up: whole, or not at all.

use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

use edge::{Instance, PublishError, ServingConfig, Split};
use model::{Diff, Intent, Revision, ServiceName};
use telemetry::event;
use tokio::task::JoinError;

use super::{Reload, Writer};
use crate::certificates::{self, FilesOf};
use crate::chain::chain;
use crate::ended::Ended;
use crate::handle::{Reloaded, Reply};
use crate::instances::{self, Addresses};
use crate::prepare::{PrepareError, Prepared, tell_warnings};
use crate::reload::ReloadError;
use crate::runs::{DeployError, DeployRequest, Order, Progressing, Purpose, ServiceRun};
use crate::status::LastReload;
use crate::watch::ServiceWatch;

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

impl Writer {
    /// Serves `prepared` from now on.
    ///
    /// # Errors
    /// When it cannot be put into effect; then nothing has changed.
    pub(crate) fn take_up(&mut self, prepared: Prepared) -> Result<Revision, PublishError> {
        let Prepared { intent, warnings: _, certificates, resolved } = prepared;
        let certificates::Loaded { tls, told, looked } = certificates;
        let revision = self.revision.next();
        let addresses = self.names.addresses(&resolved);
        let serving_config = ServingConfig {
            instances: self.instances(&intent, &addresses),
            intent: intent.clone(),
            revision,
            splits: self.splits(),
            tls: tls.clone(),
        };
        self.edge.publish(&serving_config).map_err(name_holder)?;
        told.into_iter().for_each(|event| self.events.emit(event));
        self.drains.keep_wanted(&intent);
        self.names.follow(&instances::names(&intent), resolved);
        self.renewals.follow(&FilesOf::of_all(&intent), looked);
        (self.revision, self.tls) = (revision, tls);
        self.intent.send_replace(intent.clone());
        self.watch(&serving_config);
        // Bars whom nobody wants any more, and publishes anew where that is so.
        self.want_runs(&intent);
        Ok(revision)
    }

    /// The instances of every service: those that somebody else runs, and those that we do.
    fn instances(
        &self,
        intent: &Intent,
        addresses: &Addresses,
    ) -> BTreeMap<ServiceName, Vec<Instance>> {
        let mut instances = instances::of_intent(intent, addresses, &self.drains);
        for (service, run) in &self.runs.services {
            let Some(of_service) = instances.get_mut(service) else { continue };
            of_service.extend(run.published().map(|mut instance| {
                let drained = self.drains.since(service.as_str(), instance.name.as_str());
                instance.is_drained |= drained.is_some();
                instance
            }));
        }
        instances
    }

    /// Services of which two releases share the requests.
    fn splits(&self) -> BTreeMap<ServiceName, Split> {
        let split = |run: &ServiceRun| run.active.as_ref()?.split.clone();
        let runs = self.runs.services.iter();
        runs.filter_map(|(name, run)| Some((name.clone(), split(run)?))).collect()
    }

    /// Watches what was published, and nothing else.
    fn watch(&mut self, serving_config: &ServingConfig) {
        let now = self.edge.now();
        self.watches.retain(|name, _| serving_config.intent.services.contains_key(name));
        for view in self.edge.services() {
            let name = &view.service.name;
            let new = || ServiceWatch::new(view.service.clone(), self.events.clone());
            let watch = self.watches.entry(name.clone()).or_insert_with(new);
            let instances = serving_config.instances.get(name).map_or(&[][..], Vec::as_slice);
            watch.want(now, view.service, instances, view.instances, &self.drains, &self.reports);
            if let Some(run) = self.runs.services.get_mut(name) {
                view.instances.iter().for_each(|live| run.observe(live));
            }
        }
    }

    /// Serves the same intent with the instances that there are now.
    pub(super) fn readdress(&mut self) {
        let intent = self.intent.borrow().clone();
        let serving_config = ServingConfig {
            instances: self.instances(&intent, &self.names.addresses(&[])),
            intent,
            revision: self.revision,
            splits: self.splits(),
            tls: self.tls.clone(),
        };
        match self.edge.publish(&serving_config) {
            Ok(generation) => {
                tracing::debug!(%generation, "instances have changed");
                self.watch(&serving_config);
            }
            // What was published before can be published again; if not, its addresses serve on.
            Err(error) => {
                self.events.emit(event::AddressesNotApplied { why: chain(&error) });
            }
        }
    }

    /// The certificates in `files` are others than before: serves new connections with them.
    pub(super) fn renew(&mut self, files: &FilesOf) {
        let intent = self.intent.borrow().clone();
        let Some(pairs) = self.renewals.value(files) else { return };
        for (name, listener) in &intent.listeners {
            if FilesOf::of(listener).as_ref() == Some(files) {
                let config = pairs.config(listener, &self.preparation.resumption);
                self.tls.insert(name.clone(), config);
                let (listener, (certificates, expires)) = (name.clone(), pairs.extent());
                self.events.emit(event::CertificatesRenewed { listener, certificates, expires });
                pairs.warnings(name).for_each(|warning| self.events.emit(warning));
            }
        }
        self.readdress();
    }

    /// Prepares the next reload, if one was asked for and none is under way.
    pub(super) fn prepare_next(&mut self) {
        if self.preparing.is_empty() && !self.reloads.is_empty() {
            // Whoever has mended a name and reloads need not wait for it to be tried again.
            let known = self.names.well_known();
            self.preparing.spawn(self.preparation.clone().run(known));
        }
    }

    /// A configuration is prepared, or cannot be.
    pub(super) fn reload(&mut self, outcome: Result<Result<Prepared, PrepareError>, JoinError>) {
        let prepared = outcome.map_err(PrepareError::Panicked).flatten();
        match self.reloads.pop_front() {
            Some(Reload::Deploy(order, reply)) => self.deploy_of_file(prepared, order, reply),
            Some(Reload::Asked(reply)) => {
                // The client that asked may be gone.
                let _ = reply.send(self.reload_with(prepared));
            }
            None => {}
        }
        self.prepare_next();
    }

    /// Takes a deploy up; one of what the file has waits until that was read.
    pub(super) fn order(
        &mut self,
        request: DeployRequest,
        reply: Reply<Result<Progressing, DeployError>>,
    ) {
        // Nor is the file taken up for a deploy that may not begin.
        if let Err(error) = self.may_deploy(&ServiceName::from(request.service.as_str())) {
            drop(reply.send(Err(error)));
            return;
        }
        let is_rollback = request.release.is_rollback();
        let order = Order { request, purpose: Purpose::Wanted, taken_up: None };
        match is_rollback {
            // It must not depend on the file being right.
            true => self.ask_deploy(order, reply),
            false => {
                self.reloads.push_back(Reload::Deploy(order, reply));
                self.prepare_next();
            }
        }
    }

    /// Begins a deploy of what the file says, once that is taken up where it has changed.
    fn deploy_of_file(
        &mut self,
        prepared: Result<Prepared, PrepareError>,
        mut order: Order,
        reply: Reply<Result<Progressing, DeployError>>,
    ) {
        let before = self.intent.borrow().clone();
        match prepared {
            Ok(prepared) => {
                let diff = Diff::between(&before, &prepared.intent);
                if !diff.is_empty() {
                    if let Err(error) = self.reload_with(Ok(prepared)) {
                        drop(reply.send(Err(DeployError::File(error))));
                        return;
                    }
                    order.taken_up = Some(in_words(self.revision, &diff));
                }
                self.ask_deploy(order, reply);
            }
            Err(error) => {
                drop(reply.send(Err(DeployError::File(ReloadError::Prepare(error)))));
            }
        }
    }

    /// Takes up what was prepared, if it could be, and says so.
    fn reload_with(
        &mut self,
        prepared: Result<Prepared, PrepareError>,
    ) -> Result<Reloaded, ReloadError> {
        let before = self.intent.borrow().clone();
        let taken_up = match prepared {
            Ok(prepared) => self.replace(prepared),
            Err(error) => Err(ReloadError::Prepare(error)),
        };
        // Whoever rotates it must not depend on the configuration being right.
        self.log.reopen();
        if taken_up.is_ok() {
            self.reconcile_all();
        }
        let result = taken_up.map(|revision| {
            let after = self.intent.borrow().clone();
            let diff = Diff::between(&before, &after);
            Reloaded { revision, diff, differences: self.differences() }
        });
        self.tell_reload(&result);
        self.last_reload = Some(LastReload {
            at: SystemTime::now(),
            outcome: result.as_ref().map(|reloaded| reloaded.revision).map_err(ReloadError::why),
        });
        result
    }

    /// Says that the first configuration is served.
    pub(crate) fn tell_serving(&self, revision: Revision) {
        self.events.emit(event::Serving { revision });
    }

    /// Says what came of a reload.
    fn tell_reload(&self, result: &Result<Reloaded, ReloadError>) {
        match result {
            Ok(Reloaded { revision, diff, differences }) => {
                let (revision, unchanged) = (*revision, diff.is_empty());
                self.events.emit(event::ConfigApplied { revision, unchanged });
                for key in &diff.needs_restart {
                    self.events.emit(event::RestartNeeded { key: key.to_string() });
                }
                self.tell_differences(differences);
            }
            Err(ReloadError::Ended(Ended)) => {}
            Err(error) => {
                let (why, revision) = (error.why(), self.revision);
                self.events.emit(event::ConfigRejected { why, revision });
            }
        }
    }

    /// Takes `prepared` up, with its access log, or changes nothing.
    fn replace(&mut self, prepared: Prepared) -> Result<Revision, ReloadError> {
        tell_warnings(&prepared.warnings, &self.events);
        let before = self.log.redirect(&prepared.intent.log)?;
        self.take_up(prepared).map_err(|error| {
            if let Err(error) = self.log.redirect(&before) {
                self.events.emit(event::AccessLogNotRestored { why: chain(&error) });
            }
            ReloadError::Publish(error)
        })
    }
}

/// What of the file was taken up, in words: "the file has changed and is applied as revision 3: service api, routes".
fn in_words(revision: Revision, diff: &Diff) -> String {
    let mut parts = Vec::new();
    for (noun, names) in [("listener", names(&diff.listeners)), ("service", names(&diff.services))]
    {
        parts.extend(names.into_iter().map(|name| format!("{noun} {name}")));
    }
    if diff.routes_changed {
        parts.push("routes".to_owned());
    }
    parts.extend(diff.needs_restart.iter().map(|key| format!("{key} (after a restart)")));
    format!("the file has changed and is applied as revision {revision}: {}", parts.join(", "))
}

fn names<Name: std::fmt::Display>(changes: &model::diff::Changes<Name>) -> Vec<String> {
    let all = changes.added.iter().chain(&changes.removed).chain(&changes.changed);
    all.map(Name::to_string).collect()
}
