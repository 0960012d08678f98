//! How everything else talks to the control loop.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use driver::Instance;
use model::{Diff, Intent, Revision};
use rustls::ServerConfig;
use telemetry::{Events, Process, Scrape};
use tokio::sync::{mpsc, oneshot, watch};

use crate::bans::{Ban, BanError, Banned};
use crate::ended::{Ended, Reply};
use crate::explanation::{ExplainError, Explanation, Question};
use crate::jobs::{JobError, JobFollowing, JobStatus};
use crate::journal::Deploy;
use crate::ordering::internal::InternalCaStatus;
use crate::ordering::status::CertificateStatus;
use crate::reload::ReloadError;
use crate::runs::{
    DeployError, DeployRequest, Difference, Progressing, Rejudge, Rejudged, Surroundings,
};
use crate::scaling::Scaled;
use crate::status::{InstanceStatus, Status};
use crate::watched::ReloadProgress;

/// Talks to the control loop. Cheap to clone; every method waits for the loop's answer.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) messages: mpsc::Sender<Message>,
    pub(crate) intent: watch::Receiver<Arc<Intent>>,
    pub(crate) admin_tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    pub(crate) events: Events,
}

/// A configuration was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Its number.
    pub revision: Revision,
    /// What changed.
    pub diff: Diff,
    /// Services of which the file says otherwise than what runs, which their next deploy mends.
    pub differences: Vec<Difference>,
    /// For how long it is watched, if it is.
    pub watch: Option<Duration>,
}

/// How the file is to be taken up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReloadRequest {
    /// So long it is watched, and rolled back if requests fail more often than before.
    pub watch: Option<Duration>,
    /// What becomes of a file that was rolled back before.
    pub refused: IfRolledBack,
}

/// What becomes of a file that was rolled back before, and has not changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfRolledBack {
    /// It is refused.
    #[default]
    Refuse,
    /// It is taken up once more.
    TakeUp,
}

/// Which deploy an action has reached.
#[derive(Debug)]
pub enum Acted {
    /// One that has begun.
    Rollout(Progressing),
    /// One that was being checked: it does not begin, and has no number.
    Checks,
}

/// Why an instance was neither drained nor enabled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    /// There is no such service.
    #[error("there is no service `{service}`")]
    UnknownService {
        /// The name that was given.
        service: String,
        /// Names like it, the most like it first.
        near: Vec<String>,
    },
    /// The service has no such instance.
    #[error("service `{service}` has no instance `{instance}`")]
    UnknownInstance {
        /// The service.
        service: String,
        /// The name that was given.
        instance: String,
        /// Names like it, the most like it first.
        near: Vec<String>,
    },
    /// The control loop has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Whether an instance is to get new requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Drain,
    Enable,
}

/// What becomes of the instances that Plimsoll runs when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// They are stopped.
    Stop,
    /// They run on, and the next start takes them over.
    Leave,
}

/// What the control loop is told.
#[derive(Debug)]
pub(crate) enum Message {
    Status(Reply<Status>),
    Reload(ReloadRequest, Reply<Result<Reloaded, ReloadError>>),
    ReloadProgress(Revision, Reply<Option<watch::Receiver<ReloadProgress>>>),
    Instance {
        service: String,
        instance: String,
        wish: Wish,
        reply: Reply<Result<InstanceStatus, InstanceError>>,
    },
    Bans(Reply<Vec<Ban>>),
    Ban(Ban, Reply<Result<Ban, BanError>>),
    Lift(Banned, Reply<Result<(), BanError>>),
    Explain(Question, Reply<Result<Explanation, ExplainError>>),
    Certificates(Reply<Vec<CertificateStatus>>),
    InternalCa(Reply<Option<InternalCaStatus>>),
    Scrape(Reply<Scrape>),
    Deploy(DeployRequest, Reply<Result<Progressing, DeployError>>),
    Scale {
        service: String,
        replicas: NonZeroU32,
        reply: Reply<Result<Scaled, DeployError>>,
    },
    DeployAction {
        service: String,
        action: rollout::DeployAction,
        reply: Reply<Result<Acted, DeployError>>,
    },
    Following {
        deploy: i64,
        reply: Reply<Result<Progressing, DeployError>>,
    },
    History {
        service: String,
        reply: Reply<Result<Vec<Deploy>, DeployError>>,
    },
    OneDeploy {
        service: String,
        deploy: i64,
        reply: Reply<Result<Deploy, DeployError>>,
    },
    Judge {
        question: Rejudge,
        reply: Reply<Result<Rejudged, DeployError>>,
    },
    Surroundings {
        service: String,
        reply: Reply<Result<Surroundings, DeployError>>,
    },
    Processes {
        service: String,
        reply: Reply<Result<Vec<Arc<dyn Instance>>, DeployError>>,
    },
    Jobs(Reply<Result<Vec<JobStatus>, JobError>>),
    OneJob {
        job: String,
        reply: Reply<Result<JobStatus, JobError>>,
    },
    RunJob {
        job: String,
        who: String,
        reply: Reply<Result<JobFollowing, JobError>>,
    },
    JobFollowing {
        job: String,
        run: i64,
        reply: Reply<Result<JobFollowing, JobError>>,
    },
    ReopenLog(Reply<()>),
    Shutdown(After, Reply<usize>),
}

impl Handle {
    /// How everything stands.
    ///
    /// # Errors
    /// When the control loop has ended.
    pub async fn status(&self) -> Result<Status, Ended> {
        self.ask(Message::Status).await
    }

    /// Reads the file anew and serves what it says. Reloads that are asked for meanwhile come
    /// one after the other, and each reads the file anew.
    ///
    /// # Errors
    /// When the file cannot be served; then nothing has changed.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.reload_as(ReloadRequest::default()).await
    }

    /// The same, as `request` says.
    ///
    /// # Errors
    /// When the file cannot be served, or was rolled back before; then nothing has changed.
    pub async fn reload_as(&self, request: ReloadRequest) -> Result<Reloaded, ReloadError> {
        self.ask(|reply| Message::Reload(request, reply)).await?
    }

    /// How the reload to `revision` stands, and each time that this changes; `None` where it was not watched, or that was
    /// many reloads ago.
    ///
    /// # Errors
    /// When the control loop has ended.
    pub async fn reload_progress(
        &self,
        revision: Revision,
    ) -> Result<Option<watch::Receiver<ReloadProgress>>, Ended> {
        self.ask(|reply| Message::ReloadProgress(revision, reply)).await
    }

    /// Gives an instance nothing new until it is enabled; what is open on it goes on. Holds over
    /// reloads, as long as the instance is there. Says how the instance stands then.
    ///
    /// # Errors
    /// When there is no such instance.
    pub async fn drain(
        &self,
        service: &str,
        instance: &str,
    ) -> Result<InstanceStatus, InstanceError> {
        self.wish(service, instance, Wish::Drain).await
    }

    /// Takes a drain back. Says how the instance stands then.
    ///
    /// # Errors
    /// When there is no such instance.
    pub async fn enable(
        &self,
        service: &str,
        instance: &str,
    ) -> Result<InstanceStatus, InstanceError> {
        self.wish(service, instance, Wish::Enable).await
    }

    async fn wish(
        &self,
        service: &str,
        instance: &str,
        wish: Wish,
    ) -> Result<InstanceStatus, InstanceError> {
        let (service, instance) = (service.to_owned(), instance.to_owned());
        self.ask(|reply| Message::Instance { service, instance, wish, reply }).await?
    }

    /// Who is banned, the ban that is over first before the others.
    ///
    /// # Errors
    /// When the control loop has ended.
    pub async fn bans(&self) -> Result<Vec<Ban>, Ended> {
        self.ask(Message::Bans).await
    }

    /// Bans: from now on here, and over edges that share a store within a second. It is kept over restarts when this responds.
    ///
    /// # Errors
    /// When it would be over already, or there is no room for it.
    pub async fn ban(&self, ban: Ban) -> Result<Ban, BanError> {
        self.ask(|reply| Message::Ban(ban, reply)).await?
    }

    /// Lifts a ban, here and over edges as [`ban`](Self::ban) does.
    ///
    /// # Errors
    /// When there is none.
    pub async fn lift(&self, banned: Banned) -> Result<(), BanError> {
        self.ask(|reply| Message::Lift(banned, reply)).await?
    }

    /// What would become of a request now. Asks nothing of the data plane's threads.
    ///
    /// # Errors
    /// When the question makes no sense.
    pub async fn explain(&self, question: Question) -> Result<Explanation, ExplainError> {
        self.ask(|reply| Message::Explain(question, reply)).await?
    }

    /// How each certificate stands: those from files, then those that are ordered, by host.
    ///
    /// # Errors
    /// When the control loop has ended.
    pub async fn certificates(&self) -> Result<Vec<CertificateStatus>, Ended> {
        self.ask(Message::Certificates).await
    }

    /// The CA of Plimsoll's own; `None` where none has issued anything.
    ///
    /// # Errors
    /// When the control loop has ended.
    pub async fn internal_ca(&self) -> Result<Option<InternalCaStatus>, Ended> {
        self.ask(Message::InternalCa).await
    }

    /// Everything that is counted, as Prometheus reads it; see [`crate::scrape::MEDIA_TYPE`].
    ///
    /// # Errors
    /// When the control loop has ended.
    pub async fn scrape(&self) -> Result<String, Ended> {
        let mut scrape = self.ask(Message::Scrape).await?;
        scrape.process = Process::read().ok();
        Ok(scrape.encode())
    }

    /// Begins a deploy, once it was looked at. It goes on whether or not anybody follows it.
    ///
    /// # Errors
    /// When it cannot begin; then nothing was touched.
    pub async fn deploy(&self, request: DeployRequest) -> Result<Progressing, DeployError> {
        self.ask(|reply| Message::Deploy(request, reply)).await?
    }

    /// Lets a service have so many instances: over restarts and deploys, until the file says another number than it does now.
    ///
    /// # Errors
    /// When Plimsoll does not run it, or that cannot be kept.
    pub async fn scale(&self, service: &str, replicas: NonZeroU32) -> Result<Scaled, DeployError> {
        let service = service.to_owned();
        self.ask(|reply| Message::Scale { service, replicas, reply }).await?
    }

    /// A person's word on the running deploy of `service`.
    ///
    /// # Errors
    /// When none is running.
    pub async fn deploy_action(
        &self,
        service: &str,
        action: rollout::DeployAction,
    ) -> Result<Acted, DeployError> {
        let service = service.to_owned();
        self.ask(|reply| Message::DeployAction { service, action, reply }).await?
    }

    /// Follows a deploy that runs, or ended a while ago.
    ///
    /// # Errors
    /// When there is none of this number.
    pub async fn following(&self, deploy: i64) -> Result<Progressing, DeployError> {
        self.ask(|reply| Message::Following { deploy, reply }).await?
    }

    /// The deploys of `service`, the latest first.
    ///
    /// # Errors
    /// When Plimsoll does not run it, or the journal cannot be read.
    pub async fn history(&self, service: &str) -> Result<Vec<Deploy>, DeployError> {
        let service = service.to_owned();
        self.ask(|reply| Message::History { service, reply }).await?
    }

    /// The deploy of this number, with all that is kept of it.
    ///
    /// # Errors
    /// When there was no such deploy of `service`, Plimsoll does not run it, or the journal cannot be read.
    pub async fn one_deploy(&self, service: &str, deploy: i64) -> Result<Deploy, DeployError> {
        let service = service.to_owned();
        self.ask(|reply| Message::OneDeploy { service, deploy, reply }).await?
    }

    /// What the judge would have said of a deploy that is over, by other rules.
    ///
    /// # Errors
    /// When there was no such deploy, what it was judged by is not kept, or a rule makes no sense.
    pub async fn judge(&self, question: Rejudge) -> Result<Rejudged, DeployError> {
        self.ask(|reply| Message::Judge { question, reply }).await?
    }

    /// What a program needs to run once as the instances of `service` do.
    ///
    /// # Errors
    /// When Plimsoll does not run it, nothing runs yet, or a file or user of it is not there.
    pub async fn surroundings(&self, service: &str) -> Result<Surroundings, DeployError> {
        let service = service.to_owned();
        self.ask(|reply| Message::Surroundings { service, reply }).await?
    }

    /// The processes of `service` that run.
    ///
    /// # Errors
    /// When Plimsoll does not run it.
    pub async fn processes(&self, service: &str) -> Result<Vec<Arc<dyn Instance>>, DeployError> {
        let service = service.to_owned();
        self.ask(|reply| Message::Processes { service, reply }).await?
    }

    /// How each job stands, with its latest runs.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn jobs(&self) -> Result<Vec<JobStatus>, JobError> {
        self.ask(Message::Jobs).await?
    }

    /// How a job stands, with all that is kept of its runs.
    ///
    /// # Errors
    /// When there is no such job, or the journal cannot be read.
    pub async fn job(&self, job: &str) -> Result<JobStatus, JobError> {
        let job = job.to_owned();
        self.ask(|reply| Message::OneJob { job, reply }).await?
    }

    /// Runs a job now. Answers when it has begun; where another run has to make way first, when that has ended.
    ///
    /// # Errors
    /// When there is no such job, it runs already, or it cannot be written down.
    pub async fn run_job(&self, job: &str, who: &str) -> Result<JobFollowing, JobError> {
        let (job, who) = (job.to_owned(), who.to_owned());
        self.ask(|reply| Message::RunJob { job, who, reply }).await?
    }

    /// Follows a run of a job that goes on, or ended a while ago.
    ///
    /// # Errors
    /// When there is none of this number.
    pub async fn job_following(&self, job: &str, run: i64) -> Result<JobFollowing, JobError> {
        let job = job.to_owned();
        self.ask(|reply| Message::JobFollowing { job, run, reply }).await?
    }

    /// Opens the access log's file anew, as it was moved away, and changes nothing else.
    ///
    /// # Errors
    /// When the control loop has ended.
    pub async fn reopen_log(&self) -> Result<(), Ended> {
        self.ask(Message::ReopenLog).await
    }

    /// Ends everything: takes no new connection, and gives open exchanges `server.drain`. Then what
    /// Plimsoll runs is stopped, or left. Says how many connections were cut off.
    ///
    /// # Errors
    /// When the control loop has ended already.
    pub async fn shutdown(&self, after: After) -> Result<usize, Ended> {
        self.ask(|reply| Message::Shutdown(after, reply)).await
    }

    /// What is wanted now, and each time that this changes.
    pub fn intent(&self) -> watch::Receiver<Arc<Intent>> {
        self.intent.clone()
    }

    /// How the admin API is to speak TLS, and each time that this changes; `None` where it never was to.
    pub fn admin_tls(&self) -> watch::Receiver<Option<Arc<ServerConfig>>> {
        self.admin_tls.clone()
    }

    /// What happens: the latest events, and all that follow until Plimsoll has stopped.
    pub fn events(&self) -> &Events {
        &self.events
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(message(reply)).await.map_err(|_| Ended)?;
        answer.await.map_err(|_| Ended)
    }
}
