//! What the writer tells of instances: in the log, and to those that follow a deploy.

use model::{InstanceName, ServiceName};
use rollout::instance::restart::{Next, RestartState};
use rollout::instance::{Force, Then};

use super::Writer;
use crate::runs::{Active, Line, WarmedUp};

impl Writer {
    pub(super) fn tell_draining(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        text: String,
    ) {
        if let Some(active) = self.active(service) {
            active.tell(Line::waits(active.took(), instance, text));
        }
    }

    pub(super) fn tell_last_words(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        words: Vec<String>,
    ) {
        if let Some(active) = self.active(service) {
            active.tell_output(instance, words);
        }
    }

    pub(super) fn tell_warmed(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        warmed: &WarmedUp,
    ) {
        tracing::info!(%service, %instance, what = %warmed, "instance warmed up");
        if let Some(active) = self.active(service) {
            active.tell(Line::warmed(active.took(), instance, warmed));
        }
    }

    /// Says so if more was needed than to ask.
    pub(super) fn tell_forced(&self, service: &ServiceName, instance: &InstanceName, force: Force) {
        let text = match force {
            Force::Stuck => "could not be killed whole: some of it hangs in the system",
            Force::Killed => "did not end in its time, and was killed",
            Force::LeftBehind => {
                "ended, and what its first process left running was killed: with stop.to = \"first\" that process has to \
                 stop the others itself"
            }
            Force::Unneeded => return,
        };
        tracing::warn!(%service, %instance, what = text, "instance did not stop when asked");
        if let Some(active) = self.active(service) {
            active.tell(Line::killed(active.took(), instance, text));
        }
    }

    /// Says how an instance ended that was not asked to, and what follows.
    pub(super) fn tell_end(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        why: &str,
        then: Then,
    ) {
        let Next { pause, state } = match then {
            // That it is gone is told by itself.
            Then::Stops => return,
            Then::GivenUp => {
                tracing::warn!(%service, %instance, why, "instance ended");
                return;
            }
            Then::Restarts(next) => next,
        };
        let seconds = pause.as_secs_f64();
        match state {
            RestartState::Restarting => {
                tracing::warn!(%service, %instance, why, seconds, "instance ended, restarting");
            }
            RestartState::CrashLoop { runs } => {
                tracing::error!(%service, %instance, why, runs, seconds, "instance is in a crash loop");
            }
        }
    }

    fn active(&self, service: &ServiceName) -> Option<&Active> {
        self.runs.services.get(service)?.active.as_ref()
    }
}
