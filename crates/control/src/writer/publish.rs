//! How the writer takes configurations up: whole, or not at all.

use std::time::SystemTime;

use edge::PublishError;
use model::{Diff, Revision, ServiceName};
use telemetry::event;

use super::Writer;
use super::reloads::{Outcome, Reload};
use super::watched::Before;
use crate::chain::chain;
use crate::ended::Ended;
use crate::ended::Reply;
use crate::feed::Insist;
use crate::handle::{IfRolledBack, ReloadRequest, Reloaded};
use crate::prepare::{Known, PrepareError, Prepared, tell_warnings};
use crate::reload::ReloadError;
use crate::runs::{DeployError, DeployRequest, Order, Progressing, Purpose};
use crate::status::LastReload;

impl Writer {
    /// Serves `prepared` from now on.
    ///
    /// # Errors
    /// When it cannot be put into effect; then nothing has changed.
    pub(crate) fn take_up(&mut self, prepared: Prepared) -> Result<Revision, PublishError> {
        let intent = prepared.intent.clone();
        let revision = self.serving.take_up(prepared, &mut self.runs)?;
        // Bars whom nobody wants any more, and publishes anew where that is so.
        self.want_runs(&intent);
        self.want_jobs(&intent);
        Ok(revision)
    }

    /// Serves the same intent with the instances that there are now.
    pub(super) fn readdress(&mut self) {
        self.serving.readdress(&mut self.runs);
    }

    /// Has the file read.
    pub(super) fn read_for(&mut self, reload: Reload) {
        self.reloads.push(reload);
        self.prepare_next();
    }

    /// A name that was mended is asked for anew: a reload need not wait for it to be tried again.
    fn prepare_next(&mut self) {
        let serving = &self.serving;
        self.reloads.prepare_next(|| Known {
            names: serving.names.well_known(),
            issuers: serving.issuers.well_known(),
            insist: Insist::Never,
            store: serving.sharing.store().clone(),
        });
    }

    /// A configuration is prepared, or cannot be.
    pub(super) fn reload(&mut self, outcome: Outcome) {
        let prepared = outcome.map_err(PrepareError::Panicked).flatten();
        match self.reloads.pop() {
            Some(Reload::Deploy(order, reply)) => self.deploy_of_file(prepared, order, reply),
            Some(Reload::Asked(request, reply)) => {
                // The client that asked may be gone.
                let _ = reply.send(self.reload_with(prepared, request));
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
        let needs_no_file = request.release.needs_no_file();
        let order = Order { request, purpose: Purpose::Wanted, taken_up: None };
        match needs_no_file {
            // It must not depend on the file being right.
            true => self.ask_deploy(order, reply),
            false => {
                self.read_for(Reload::Deploy(order, reply));
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
        let before = self.serving.intent.borrow().clone();
        match prepared {
            Ok(prepared) => {
                let diff = Diff::between(&before, &prepared.intent);
                if !diff.is_empty() {
                    let plain = ReloadRequest::default();
                    if let Err(error) = self.reload_with(Ok(prepared), plain) {
                        drop(reply.send(Err(DeployError::File(error))));
                        return;
                    }
                    order.taken_up = Some(in_words(self.serving.revision, &diff));
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
        request: ReloadRequest,
    ) -> Result<Reloaded, ReloadError> {
        let before = self.serving.intent.borrow().clone();
        let taken_up = match prepared {
            Ok(prepared) => self.take_up_as(prepared, request),
            Err(error) => Err(ReloadError::Prepare(error)),
        };
        // Whoever rotates it must not depend on the configuration being right.
        self.reloads.log.reopen();
        if taken_up.is_ok() {
            self.reconcile_all();
        }
        let result = taken_up.map(|revision| {
            let after = self.serving.intent.borrow().clone();
            let diff = Diff::between(&before, &after);
            let is_watched = self.watched.current.is_some() && !diff.is_empty();
            let watch = request.watch.filter(|_| is_watched);
            Reloaded { revision, diff, differences: self.differences(), watch }
        });
        self.tell_reload(&result);
        self.reloads.last = Some(LastReload {
            at: SystemTime::now(),
            outcome: result.as_ref().map(|reloaded| reloaded.revision).map_err(ReloadError::why),
        });
        result
    }

    /// Takes `prepared` up, and watches it if that is asked for. One that is watched already is superseded, unless nothing changes.
    fn take_up_as(
        &mut self,
        prepared: Prepared,
        request: ReloadRequest,
    ) -> Result<Revision, ReloadError> {
        let before = Before {
            intent: self.serving.intent.borrow().clone(),
            tls: self.serving.tls.clone(),
            store: self.serving.sharing.store().clone(),
        };
        if before.intent == prepared.intent {
            return self.replace(prepared);
        }
        if request.refused == IfRolledBack::Refuse
            && let Some(refusal) = self.watched.refusal(&prepared.intent)
        {
            return Err(refusal);
        }
        let held = request.watch.map(|_| before.intent.clone());
        let held_before = std::mem::replace(&mut self.serving.held, held);
        let revision = match self.replace(prepared) {
            Ok(revision) => revision,
            Err(error) => {
                self.serving.held = held_before;
                return Err(error);
            }
        };
        self.supersede_watch();
        self.watched.forget_refused();
        if let Some(length) = request.watch {
            self.begin_watch(before, length);
        }
        Ok(revision)
    }

    /// Says that the first configuration is served.
    pub(crate) fn tell_serving(&self, revision: Revision) {
        self.events.emit(event::Serving { revision });
    }

    /// Says what came of a reload.
    fn tell_reload(&self, result: &Result<Reloaded, ReloadError>) {
        match result {
            Ok(Reloaded { revision, diff, differences, watch: _ }) => {
                let (revision, unchanged) = (*revision, diff.is_empty());
                self.events.emit(event::ConfigApplied { revision, unchanged });
                for key in &diff.needs_restart {
                    self.events.emit(event::RestartNeeded { key: key.to_string() });
                }
                self.tell_differences(differences);
            }
            Err(ReloadError::Ended(Ended)) => {}
            Err(error) => {
                let (why, revision) = (error.why(), self.serving.revision);
                self.events.emit(event::ConfigRejected { why, revision });
            }
        }
    }

    /// Takes `prepared` up, with its access log, or changes nothing.
    pub(super) fn replace(&mut self, prepared: Prepared) -> Result<Revision, ReloadError> {
        if let Some(warnings) = &prepared.warnings {
            tell_warnings(warnings, &self.events);
        }
        let before = self.reloads.log.redirect(&prepared.intent.log)?;
        self.take_up(prepared).map_err(|error| {
            if let Err(error) = self.reloads.log.redirect(&before) {
                self.events.emit(event::AccessLogNotRestored { why: chain(&error) });
            }
            ReloadError::Publish(error)
        })
    }
}

/// What of the file was taken up, in words: "the file has changed and is applied as revision 3: service api, routes".
fn in_words(revision: Revision, diff: &Diff) -> String {
    let mut parts = Vec::new();
    for (noun, names) in [
        ("listener", names(&diff.listeners)),
        ("service", names(&diff.services)),
        ("job", names(&diff.jobs)),
        ("authentication", names(&diff.auth)),
        ("limit", names(&diff.limits)),
        ("abuse", names(&diff.abuse)),
    ] {
        parts.extend(names.into_iter().map(|name| format!("{noun} {name}")));
    }
    if diff.routes_changed {
        parts.push("routes".to_owned());
    }
    if diff.acme_changed {
        parts.push("acme".to_owned());
    }
    if diff.store_changed {
        parts.push("store".to_owned());
    }
    if diff.secrets_changed {
        parts.push("secrets".to_owned());
    }
    if diff.admin_changed {
        parts.push("the admin API's certificate".to_owned());
    }
    parts.extend(diff.needs_restart.iter().map(|key| format!("{key} (after a restart)")));
    format!("the file has changed and is applied as revision {revision}: {}", parts.join(", "))
}

fn names<Name: std::fmt::Display>(changes: &model::diff::Changes<Name>) -> Vec<String> {
    let all = changes.added.iter().chain(&changes.removed).chain(&changes.changed);
    all.map(Name::to_string).collect()
}
