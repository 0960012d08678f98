//! A backend that tells what happens, and does nothing else.

use std::collections::BTreeMap;

use admin::{
    Acted, Backend, Ban, BanKey, Bans, Certificates, Deploy, DeployAction, DeployEvents, Deploying,
    Explanation, History, Instance, Job, JobOutput, JobStarted, Jobs, Judged, Lifted, NewBan,
    NewJobRun, Past, Question, Refusal, ReloadRequest, ReloadWatch, Reloaded, Scale, Scaled,
    Scrape, Status, Surroundings,
};
use telemetry::Events;

/// Tells of these events, and ends all else.
#[derive(Clone)]
pub(crate) struct Eventful(pub(crate) Events);

impl Backend for Eventful {
    async fn status(&self) -> Result<Status, Refusal> {
        Err(Refusal::Ending)
    }

    async fn reload(&self, _: ReloadRequest) -> Result<Reloaded, Refusal> {
        Err(Refusal::Ending)
    }

    async fn reload_watch(&self, _: u64) -> Result<ReloadWatch, Refusal> {
        Err(Refusal::Ending)
    }

    async fn drain(&self, _: &str, _: &str) -> Result<Instance, Refusal> {
        Err(Refusal::Ending)
    }

    async fn enable(&self, _: &str, _: &str) -> Result<Instance, Refusal> {
        Err(Refusal::Ending)
    }

    async fn scale(&self, _: &str, _: Scale) -> Result<Scaled, Refusal> {
        Err(Refusal::Ending)
    }

    async fn jobs(&self) -> Result<Jobs, Refusal> {
        Err(Refusal::Ending)
    }

    async fn job(&self, _: &str) -> Result<Job, Refusal> {
        Err(Refusal::Ending)
    }

    async fn run_job(&self, _: &str, _: NewJobRun) -> Result<JobStarted, Refusal> {
        Err(Refusal::Ending)
    }

    async fn job_output(&self, _: &str, _: i64, _: usize) -> Result<JobOutput, Refusal> {
        Err(Refusal::Ending)
    }

    async fn surroundings(&self, _: &str) -> Result<Surroundings, Refusal> {
        Err(Refusal::Ending)
    }

    async fn certificates(&self) -> Result<Certificates, Refusal> {
        Err(Refusal::Ending)
    }

    async fn bans(&self) -> Result<Bans, Refusal> {
        Err(Refusal::Ending)
    }

    async fn ban(&self, _: NewBan) -> Result<Ban, Refusal> {
        Err(Refusal::Ending)
    }

    async fn unban(&self, _: BanKey) -> Result<Lifted, Refusal> {
        Err(Refusal::Ending)
    }

    async fn explain(&self, _: Question) -> Result<Explanation, Refusal> {
        Err(Refusal::Ending)
    }

    async fn deploy(&self, _: &str, _: Deploy) -> Result<Deploying, Refusal> {
        Err(Refusal::Ending)
    }

    async fn deploy_action(&self, _: &str, _: DeployAction) -> Result<Acted, Refusal> {
        Err(Refusal::Ending)
    }

    async fn deploy_events(&self, _: i64, _: usize) -> Result<DeployEvents, Refusal> {
        Err(Refusal::Ending)
    }

    fn events(&self) -> Events {
        self.0.clone()
    }

    async fn history(&self, _: &str) -> Result<History, Refusal> {
        Err(Refusal::Ending)
    }

    async fn show_deploy(&self, _: &str, _: i64) -> Result<Past, Refusal> {
        Err(Refusal::Ending)
    }

    async fn judge(&self, _: &str, _: i64, _: BTreeMap<String, String>) -> Result<Judged, Refusal> {
        Err(Refusal::Ending)
    }

    async fn scrape(&self) -> Result<Scrape, Refusal> {
        Err(Refusal::Ending)
    }
}
