//! What the API asks of whoever carries out what it is told: the control loop, or a test's own.

use crate::{
    Acted, Ban, BanKey, Bans, Certificates, Deploy, DeployAction, DeployEvents, Deploying,
    Explanation, History, Instance, Job, JobOutput, JobStarted, Jobs, Judged, Kind, Lifted, NewBan,
    NewJobRun, Past, Problem, Question, ReloadRequest, ReloadWatch, Reloaded, Scale, Scaled,
    Status, Surroundings,
};
use std::collections::BTreeMap;

/// Whoever carries out what the API is told.
pub trait Backend: Clone + Send + Sync + 'static {
    /// Everything that is served, and what is observed of it.
    fn status(&self) -> impl Future<Output = Result<Status, Refusal>> + Send;

    /// Reads the configuration anew and serves it.
    fn reload(&self, how: ReloadRequest) -> impl Future<Output = Result<Reloaded, Refusal>> + Send;

    /// How the watch of the reload to `revision` stands: once it is over, or after a while.
    fn reload_watch(
        &self,
        revision: u64,
    ) -> impl Future<Output = Result<ReloadWatch, Refusal>> + Send;

    /// Gives an instance nothing new. Says how it stands then.
    fn drain(
        &self,
        service: &str,
        instance: &str,
    ) -> impl Future<Output = Result<Instance, Refusal>> + Send;

    /// Takes back a [`drain`](Self::drain). Says how the instance stands then.
    fn enable(
        &self,
        service: &str,
        instance: &str,
    ) -> impl Future<Output = Result<Instance, Refusal>> + Send;

    /// How each certificate stands.
    fn certificates(&self) -> impl Future<Output = Result<Certificates, Refusal>> + Send;

    /// Who is banned.
    fn bans(&self) -> impl Future<Output = Result<Bans, Refusal>> + Send;

    /// Bans.
    fn ban(&self, ban: NewBan) -> impl Future<Output = Result<Ban, Refusal>> + Send;

    /// Lifts a ban.
    fn unban(&self, banned: BanKey) -> impl Future<Output = Result<Lifted, Refusal>> + Send;

    /// What would become of a request.
    fn explain(
        &self,
        question: Question,
    ) -> impl Future<Output = Result<Explanation, Refusal>> + Send;

    /// Begins to replace a release.
    fn deploy(
        &self,
        service: &str,
        deploy: Deploy,
    ) -> impl Future<Output = Result<Deploying, Refusal>> + Send;

    /// Lets a service have another number of instances.
    fn scale(
        &self,
        service: &str,
        scale: Scale,
    ) -> impl Future<Output = Result<Scaled, Refusal>> + Send;

    /// What a program needs to run as the instances of a service do.
    fn surroundings(
        &self,
        service: &str,
    ) -> impl Future<Output = Result<Surroundings, Refusal>> + Send;

    /// Every job.
    fn jobs(&self) -> impl Future<Output = Result<Jobs, Refusal>> + Send;

    /// One job, with all that is kept of its runs.
    fn job(&self, job: &str) -> impl Future<Output = Result<Job, Refusal>> + Send;

    /// Runs a job.
    fn run_job(
        &self,
        job: &str,
        run: NewJobRun,
    ) -> impl Future<Output = Result<JobStarted, Refusal>> + Send;

    /// What is written in a run of a job from its line `from` on, once there is something.
    fn job_output(
        &self,
        job: &str,
        run: i64,
        from: usize,
    ) -> impl Future<Output = Result<JobOutput, Refusal>> + Send;

    /// What a person does to a running deploy.
    fn deploy_action(
        &self,
        service: &str,
        action: DeployAction,
    ) -> impl Future<Output = Result<Acted, Refusal>> + Send;

    /// What happened in a deploy from its line `from` on, once there is something.
    fn deploy_events(
        &self,
        deploy: i64,
        from: usize,
    ) -> impl Future<Output = Result<DeployEvents, Refusal>> + Send;

    /// What happens.
    fn events(&self) -> telemetry::Events;

    /// The deploys of a service.
    fn history(&self, service: &str) -> impl Future<Output = Result<History, Refusal>> + Send;

    /// The deploy of this number.
    fn show_deploy(
        &self,
        service: &str,
        deploy: i64,
    ) -> impl Future<Output = Result<Past, Refusal>> + Send;

    /// What the judge would have said of a deploy that is over, with `set` of its keys.
    fn judge(
        &self,
        service: &str,
        deploy: i64,
        set: BTreeMap<String, String>,
    ) -> impl Future<Output = Result<Judged, Refusal>> + Send;

    /// Everything that is counted, for Prometheus.
    fn scrape(&self) -> impl Future<Output = Result<Scrape, Refusal>> + Send;
}

/// Everything that is counted, in a format that Prometheus reads.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// Its media type.
    pub media_type: &'static str,
    /// The text.
    pub text: String,
}

/// Why a backend did not do what it was told.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such service.
    #[error("there is no service `{service}`")]
    UnknownService {
        /// The name that was given.
        service: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// The service has no such instance.
    #[error("service `{service}` has no instance `{instance}`")]
    UnknownInstance {
        /// The service.
        service: String,
        /// The name that was given.
        instance: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// There is no such job.
    #[error("there is no job `{job}`")]
    UnknownJob {
        /// The name that was given.
        job: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// The job runs already; the text says where.
    #[error("{0}")]
    JobBusy(String),
    /// A run of a job cannot be followed; the text says why.
    #[error("{0}")]
    NoSuchRun(String),
    /// The configuration is wrong.
    #[error("{} is not a valid configuration", .0.origin())]
    Invalid(config::Diagnostics),
    /// The configuration could not be read; the text says why.
    #[error("{0}")]
    Unreadable(String),
    /// The configuration could not be put into effect; the text says why.
    #[error("{0}")]
    NotPublished(String),
    /// What was asked makes no sense; the text says why.
    #[error("{0}")]
    Senseless(String),
    /// A deploy of the service is running.
    #[error("{0}")]
    Locked(String),
    /// Something stands in the way of a deploy; all that does.
    #[error("the deploy cannot begin")]
    Preflight(Vec<String>),
    /// There is nothing that it could be done to; the text says why.
    #[error("{0}")]
    NotThere(String),
    /// No such reload was watched.
    #[error("revision {0} was not watched, or that was many reloads ago")]
    NotWatched(u64),
    /// There is no such ban.
    #[error("there is no such ban")]
    NoSuchBan,
    /// The ban was not taken up; the text says why.
    #[error("{0}")]
    NotBanned(String),
    /// It could not be done; the text says why.
    #[error("{0}")]
    Failed(String),
    /// It is ending, and takes no orders.
    #[error("Plimsoll is shutting down")]
    Ending,
}

impl From<Refusal> for Problem {
    /// One exhaustive table, so that no new refusal becomes a 500 by accident.
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::UnknownService { near, .. } => {
                Self { near, ..Self::new(Kind::UnknownService, detail) }
            }
            Refusal::UnknownInstance { near, .. } => {
                Self { near, ..Self::new(Kind::UnknownInstance, detail) }
            }
            Refusal::UnknownJob { near, .. } => {
                Self { near, ..Self::new(Kind::UnknownJob, detail) }
            }
            Refusal::JobBusy(_) => Self::new(Kind::JobBusy, detail),
            Refusal::NoSuchRun(_) => Self::new(Kind::NoSuchResource, detail),
            Refusal::Invalid(diagnostics) => Self::invalid(&diagnostics),
            Refusal::Unreadable(_) => Self::new(Kind::InvalidConfiguration, detail),
            Refusal::NotPublished(_) => Self::new(Kind::NotPublished, detail),
            Refusal::Senseless(_) => Self::new(Kind::BadRequest, detail),
            Refusal::Locked(_) => Self::new(Kind::Locked, detail),
            Refusal::Preflight(faults) => Self { faults, ..Self::new(Kind::Preflight, detail) },
            Refusal::NotThere(_) => Self::new(Kind::NoSuchDeploy, detail),
            Refusal::NotWatched(_) => Self::new(Kind::NoSuchResource, detail),
            Refusal::NoSuchBan => Self::new(Kind::NoSuchBan, detail),
            Refusal::NotBanned(_) => Self::new(Kind::NotBanned, detail),
            Refusal::Failed(_) => Self::new(Kind::Failed, detail),
            Refusal::Ending => Self::new(Kind::Ending, detail),
        }
    }
}
