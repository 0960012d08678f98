//! What the writer does each second with what became of requests: keeps it for reloads to come, tells the watch of instances, and
//! replaces one that fails more often than its siblings where that is wanted.

use model::{InstanceName, ServiceName};
use telemetry::event;

use super::Writer;
use crate::runs::ServiceRun;

impl Writer {
    /// A second is over.
    pub(super) fn second_is_over(&mut self) {
        let now = self.serving.edge.now();
        let beat = self.pulse.take(&self.serving.edge);
        self.lately.note(now, &beat, &self.serving.edge);
        self.seconds.count += 1;
        let mut seconds = beat.seconds();
        let mut bad = Vec::new();
        for (service, watch) in &mut self.serving.watches {
            let run = self.runs.services.get(service);
            if run.is_some_and(|run| run.active.is_some()) {
                // Its judge compares the releases, and who gets requests is for it to say.
                watch.unsettle(self.seconds);
            }
            let second = seconds.remove(service).unwrap_or_default();
            let to_replace = watch.take_second(now, self.seconds, second);
            bad.extend(to_replace.into_iter().map(|instance| (service.clone(), instance)));
        }
        for (service, instance) in bad {
            self.replace_outlier(&service, &instance);
        }
    }

    /// Starts another in its place, as a deploy does whose judge finds one of a release's instances bad.
    fn replace_outlier(&mut self, service: &ServiceName, instance: &InstanceName) {
        let serves = |run: &ServiceRun| {
            let is_free = run.active.is_none() && run.asked.is_none();
            let serving = run.instances.values().filter(|running| running.lifecycle.serves());
            let is_one = run.instances.get(instance).is_some_and(|it| it.lifecycle.serves());
            is_free && is_one && serving.count() > 1
        };
        if !self.runs.services.get(service).is_some_and(serves) {
            return;
        }
        let of = (service.clone(), instance.clone());
        self.events.emit(event::OutlierReplaced { service: of.0, instance: of.1 });
        self.dismiss(service, instance);
        self.reconcile(service);
    }
}
