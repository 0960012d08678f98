//! How the writer has conditions of deploys asked, beside the loop, and tells their rollouts what came of it.

use model::ServiceName;
use rollout::{Event, Stage};
use tokio::task::JoinError;

use super::Writer;
use crate::conditions::{Asked, Outside, Situation};
use crate::runs::Active;

impl Writer {
    /// What asks conditions, with the secrets that are beside the configuration now.
    pub(super) fn outside(&self) -> Outside {
        let Outside { client, environment } = self.outside.clone();
        let environment = environment.with_secrets(&self.serving.intent.borrow().secrets);
        Outside { client, environment }
    }

    /// Asks a condition of the deploy of `service`.
    pub(super) fn ask_condition(&mut self, service: &ServiceName, condition: usize, number: u64) {
        let run = &self.runs.services[service];
        let Some(active) = &run.active else { return };
        let Some(asked) = active.conditions.get(condition).cloned() else { return };
        let (situation, outside) = (situation(service, active), self.outside());
        self.measuring.spawn(async move {
            let measurement = outside.ask(&asked, &situation).await;
            let Situation { service, deploy, .. } = situation;
            Asked { service, deploy, condition, number, measurement }
        });
    }

    /// A condition was asked.
    pub(super) fn asked(&mut self, asked: Result<Asked, JoinError>) {
        // Of a task that ended otherwise the rollout knows when to wait no longer.
        let Ok(Asked { service, deploy, condition, number, measurement }) = asked else { return };
        let active = self.runs.services.get(&service).and_then(|run| run.active.as_ref());
        if active.is_some_and(|active| active.id == deploy) {
            self.tell_rollout(&service, Event::Measured { condition, number, measurement });
        }
    }
}

fn situation(service: &ServiceName, active: &Active) -> Situation {
    let overview = active.rollout.overview();
    let (stage, step) = match overview.stage {
        Stage::Step { index, .. } => ("step", Some(index + 1)),
        _ => ("bake", None),
    };
    Situation {
        service: service.clone(),
        version: active.canary.version.clone(),
        previous: active.stable.as_ref().map(|stable| stable.version.clone()),
        deploy: active.id,
        stage,
        step,
        share: overview.share.unwrap_or(1.0),
    }
}
