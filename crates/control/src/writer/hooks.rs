//! How the writer has a deploy's hooks run, beside the loop, and tells its rollout what came of them.

use model::{HookMoment, InstanceName, ServiceName};
use rollout::{Event, HookEnd};
use tokio::sync::oneshot;

use super::Writer;
use crate::runs::{HookEnded, HookRun, Purpose, first_place};

impl Writer {
    /// Runs what the deploy of `service` says for `moment`, under this name.
    pub(super) fn begin_hook(
        &mut self,
        service: &ServiceName,
        moment: HookMoment,
        name: InstanceName,
    ) {
        self.count_names(service);
        let withheld = self.withheld(service);
        let sealed = self.serving.intent.borrow().secrets.clone();
        let (driver, journal) = (self.runs.driver.clone(), self.runs.journal.clone());
        let run = self.run_of(service);
        let stop = run.run().stop;
        let placement = first_place(run.run());
        let Some(active) = &mut run.active else { return };
        let Some(hook) = active.rollout.hook(moment).cloned() else { return };
        let (held, wanted) = oneshot::channel();
        active.hook = Some(held);
        let run = HookRun {
            service: service.clone(),
            deploy: active.id,
            moment,
            hook,
            name,
            release: active.canary.clone(),
            placement,
            withheld,
            sealed,
            stop,
            driver,
            journal,
            teller: active.output_teller(),
            wanted,
        };
        self.hooks.spawn(run.run());
    }

    /// Nothing is left of a hook.
    pub(super) fn hook_ended(&mut self, ended: HookEnded) {
        let HookEnded { service, deploy, moment, end } = ended;
        let Some(run) = self.runs.services.get_mut(&service) else { return };
        // Its deploy may be over by force, and another be on.
        let Some(active) = run.active.as_mut().filter(|active| active.id == deploy) else { return };
        active.hook = None;
        let is_first = active.purpose == Purpose::First;
        if is_first && moment == HookMoment::Before && end == HookEnd::Done {
            run.prepared();
        }
        self.tell_rollout(&service, Event::HookEnded(end));
    }
}
