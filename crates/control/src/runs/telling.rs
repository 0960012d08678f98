//! What is told of instances: in the log, and to those that follow a deploy.

use std::time::Duration;

use model::{InstanceName, ServiceName};
use rollout::instance::restart::{Next, RestartState};
use rollout::instance::{Force, Then};
use telemetry::event;

use super::{Active, Line, Runs, SmokePassed, WarmedUp};

impl Runs {
    pub(crate) fn tell_draining(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        text: String,
    ) {
        if let Some(active) = self.active(service) {
            active.tell(Line::waits(active.took(), instance, text));
        }
    }

    /// A deploy that somebody asked for tells it to them; of a first release nobody else hears.
    pub(crate) fn tell_last_words(
        &mut self,
        now: Duration,
        service: &ServiceName,
        instance: &InstanceName,
        words: Vec<String>,
    ) {
        let first = self.services.get_mut(service).and_then(|run| run.first.as_mut());
        if first.is_some_and(|first| first.tells(&words, now)) {
            for output in &words {
                let (service, instance) = (service.clone(), instance.clone());
                let output = output.clone();
                self.events.emit(event::InstanceOutput { service, instance, output });
            }
        }
        if let Some(active) = self.active(service) {
            active.tell_output(instance, words);
        }
    }

    pub(crate) fn tell_warmed(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        warmed: &WarmedUp,
    ) {
        self.events.emit(event::InstanceWarmedUp {
            service: service.clone(),
            instance: instance.clone(),
            what: warmed.to_string(),
        });
        if let Some(active) = self.active(service) {
            active.tell(Line::warmed(active.took(), instance, warmed));
        }
    }

    pub(crate) fn tell_smoked(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        passed: &SmokePassed,
    ) {
        if let Some(active) = self.active(service) {
            active.tell(Line::smoked(active.took(), instance, passed));
        }
    }

    /// Says so if more was needed than to ask.
    pub(crate) fn tell_forced(&self, service: &ServiceName, instance: &InstanceName, force: Force) {
        let text = match force {
            Force::Stuck => "could not be killed whole: some of it hangs in the system",
            Force::Unreached => {
                "could not be stopped, since its host does not answer: it is removed when the host is back"
            }
            Force::Killed => "did not end in its time, and was killed",
            Force::LeftBehind => {
                "ended, and what its first process left running was killed: with stop.to = \"first\" that process has to \
                 stop the others itself"
            }
            Force::Unneeded => return,
        };
        self.events.emit(event::InstanceForced {
            service: service.clone(),
            instance: instance.clone(),
            what: text.to_owned(),
        });
        if let Some(active) = self.active(service) {
            active.tell(Line::killed(active.took(), instance, text));
        }
    }

    /// Says how an instance ended that was not asked to, and what follows.
    pub(crate) fn tell_end(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        why: &str,
        then: Then,
    ) {
        let (service, instance, why) = (service.clone(), instance.clone(), why.to_owned());
        let Next { pause: seconds, state } = match then {
            // That it is gone is told by itself.
            Then::Stops => return,
            Then::GivenUp if self.is_further_attempt(&service) => {
                let (step, instance) = ("ended".into(), Some(instance));
                let event = event::FirstReleaseStep { service, step, instance, what: why };
                return self.events.emit(event);
            }
            Then::GivenUp => {
                return self.events.emit(event::InstanceEnded { service, instance, why });
            }
            Then::Restarts(next) => next,
        };
        match state {
            RestartState::Restarting => {
                self.events.emit(event::InstanceRestarting { service, instance, why, seconds });
            }
            RestartState::CrashLoop { runs } => {
                let event = event::InstanceCrashLoop { service, instance, why, runs, seconds };
                self.events.emit(event);
            }
        }
    }

    /// Nothing is left of an instance.
    pub(crate) fn tell_gone(&self, service: &ServiceName, instance: &InstanceName) {
        let (service, instance) = (service.clone(), instance.clone());
        match self.is_further_attempt(&service) {
            true => {
                let (step, what) = ("stopped".into(), format!("{instance} is stopped"));
                let instance = Some(instance);
                self.events.emit(event::FirstReleaseStep { service, step, instance, what });
            }
            false => self.events.emit(event::InstanceStopped { service, instance }),
        }
    }

    /// Whether a first release is tried that has failed before: what it does is known by then.
    pub(crate) fn is_further_attempt(&self, service: &ServiceName) -> bool {
        self.services.get(service).is_some_and(|run| run.first_tries() > 1)
    }

    fn active(&self, service: &ServiceName) -> Option<&Active> {
        self.services.get(service)?.active.as_ref()
    }
}
