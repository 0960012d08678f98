//! How the writer takes up how many instances an operator wants.

use std::num::NonZeroU32;

use model::ServiceName;
use telemetry::event;

use super::Writer;
use crate::chain::chain;
use crate::runs::DeployError;
use crate::scaling::{ByHand, Scaled};

impl Writer {
    /// Lets a service have so many instances, until the file says another number than it does.
    ///
    /// # Errors
    /// When Plimsoll does not run it, or that cannot be kept; then nothing has changed.
    pub(super) fn scale(
        &mut self,
        service: &str,
        replicas: NonZeroU32,
    ) -> Result<Scaled, DeployError> {
        let name = self.run_named(service)?;
        let of_file = self.runs.services[&name].run().replicas;
        let by_hand = ByHand::new(replicas, of_file);
        self.runs.journal.scale(&name, by_hand)?;
        let run = self.run_of(&name);
        run.by_hand = by_hand;
        let after_deploy = run.active.as_ref().map(|active| active.id);
        self.events.emit(event::ServiceScaled {
            service: name.clone(),
            replicas: replicas.get(),
            of_file: of_file.get(),
        });
        self.reconcile(&name);
        Ok(Scaled { replicas, of_file, after_deploy })
    }

    /// Forgets how many instances of `service` were wanted by hand, where the file says another number by now.
    pub(super) fn heed_replicas(&mut self, service: &ServiceName) {
        let run = self.run_of(service);
        let of_file = run.run().replicas;
        if run.by_hand.take_if(|by_hand| !by_hand.holds(of_file)).is_none() {
            return;
        }
        let replicas = of_file.get();
        let scaled = event::ServiceScaled { service: service.clone(), replicas, of_file: replicas };
        self.events.emit(scaled);
        if let Err(error) = self.runs.journal.scale(service, None) {
            self.events.emit(event::JournalReadOnly { why: chain(&error) });
        }
    }
}
