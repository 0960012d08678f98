//! How the writer brings the first release of a service up: again and again until it stays, unless a person, or a
//! change of the file, wants something else.

use std::time::Duration;

use model::ServiceName;
use rollout::{Outcome, Reason, Tries};
use telemetry::event;
use tokio::sync::oneshot;

use super::Writer;
use crate::runs::{DeployRequest, FirstTries, Order, Overrides, Purpose, Wanted};

/// A try whose time comes while somebody's deploy is looked at waits for so long.
const PUT_OFF: Duration = Duration::from_secs(1);

impl Writer {
    /// Deploys the release that the file names, where none ever ran. One that is being tried as the file had it
    /// before gives way.
    pub(super) fn begin_first(&mut self, service: &ServiceName) {
        let run = &self.runs.services[service];
        if run.release.is_some() || self.serving.is_unwanted(service) {
            return;
        }
        let Some(version) = run.run().version.clone() else {
            self.first_is_over(service);
            return;
        };
        let is_other = |running: &crate::release::Release| {
            running.version != version || !running.recipe.follows(&run.run().recipe)
        };
        let is_busy = match (&run.active, &run.asked) {
            (Some(active), _) => !active.gives_way() || !is_other(&active.canary),
            // What is looked at may be what the file said before.
            (None, Some(asked)) => asked.purpose == Purpose::Wanted,
            (None, None) => false,
        };
        if is_busy {
            return;
        }
        let (now, pace) = (self.serving.edge.now(), self.pace(service));
        let first = &mut self.run_of(service).first;
        first.get_or_insert_with(|| FirstTries::new(pace, now)).tries.begin(now);
        let request = DeployRequest {
            service: service.to_string(),
            release: Wanted::OfFile,
            overrides: Overrides::default(),
            without: Vec::new(),
            who: "plimsoll.toml".to_owned(),
        };
        // Whatever becomes of it is taken up where it happens.
        let (reply, _) = oneshot::channel();
        self.ask_deploy(Order { request, purpose: Purpose::First, taken_up: None }, reply);
    }

    /// Ends the try of a first release that is on, for `version` is wanted now.
    pub(super) fn give_way(&mut self, service: &ServiceName, version: &str) {
        let run = &self.runs.services[service];
        if !run.active.as_ref().is_some_and(|active| active.gives_way()) {
            return;
        }
        // Its tries are another release's from now on, if it is tried at all.
        let first = run.first.clone();
        let names: Vec<_> = run.instances.keys().cloned().collect();
        self.end_deploy(service, Outcome::RolledBack(Reason::Superseded(version.to_owned())));
        for instance in names {
            self.dismiss(service, &instance);
        }
        self.runs.services.get_mut(service).expect("it is there").first = first;
    }

    /// A first release did not stay: it is tried again after a pause.
    pub(super) fn first_failed(&mut self, service: &ServiceName, why: String) {
        let now = self.serving.edge.now();
        let run = self.runs.services.get_mut(service).expect("it was tried");
        let Some(first) = &mut run.first else { return };
        let pause = first.tries.fail(now, why.clone(), fastrand::f64());
        let hint =
            first.has_output().then(|| format!("\"plimsoll logs {service}\" shows what it wrote"));
        let service = service.clone();
        self.events.emit(event::FirstReleaseFailed { service, why, hint, seconds: pause });
    }

    /// Nothing is tried any more: a release has stayed, or a person wants none.
    pub(super) fn first_is_over(&mut self, service: &ServiceName) {
        self.runs.services.get_mut(service).expect("it was deployed").first = None;
    }

    /// Says which services have a command and no release that would run: until a deploy names one, nothing does.
    pub(super) fn tell_unreleased(&self) {
        for (service, run) in &self.runs.services {
            if let Some(hint) = run.idle().filter(|_| !self.serving.is_unwanted(service)) {
                self.events.emit(event::NoReleaseYet { service: service.clone(), hint });
            }
        }
    }

    /// Tries those first releases again whose pause is over.
    pub(super) fn tick_first(&mut self) {
        let now = self.serving.edge.now();
        let is_due = |(name, tries): (ServiceName, &Tries)| {
            tries.next_deadline().is_some_and(|at| at <= now).then_some(name)
        };
        for service in self.tries().filter_map(is_due).collect::<Vec<_>>() {
            let first = &mut self.run_of(&service).first;
            first.iter_mut().for_each(|first| first.tries.put_off(now + PUT_OFF));
            self.begin_first(&service);
        }
    }

    /// When the next pause of a first release is over.
    pub(super) fn next_first_deadline(&self) -> Option<Duration> {
        self.tries().filter_map(|(_, tries)| tries.next_deadline()).min()
    }

    fn tries(&self) -> impl Iterator<Item = (ServiceName, &Tries)> {
        let runs = self.runs.services.iter();
        runs.filter_map(|(name, run)| Some((name.clone(), &run.first.as_ref()?.tries)))
    }
}
