//! The control loop as the API's backend: its plain data becomes the API's documents.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use balance::{Mode, Role};
use control::{
    BanError, DeployError, Ended, ExplainError, Handle, InstanceError, InstanceStatus, JobError,
    LastReload, ListenerStatus, PrepareError, ReloadError, ServiceStatus, chain,
};
use edge::DescriptorBudget;
use model::{Balance, HashKey, OnFailure, Revision, Work};

use crate::{
    Access, Acted, AuthServer, Backend, Ban, BanKey, Bans, Basis, Certificate, Certificates,
    CheckedDeploy, Deploy, DeployAction, DeployCondition, DeployEvents, Deploying, Descriptors,
    DrainedAway, Explanation, FirstRelease, History, Instance, InstanceState, InternalCa, Issuer,
    Job, JobOutput, JobStarted, Jobs, Judged, Judgement, LastDeploy, Lifted, Listener, NewBan,
    NewJobRun, Past, Question, Receipt, Refusal, ReloadRequest, ReloadWatch, Reloaded, Run,
    RunningDeploy, Scale, Scaled, Scrape, Service, ServiceMode, Status, Surroundings, Totals,
    UnreachedHost, Unresolved, Version, Waiting,
};

/// How long whoever asks for events waits for one.
const EVENTS_WAIT: Duration = Duration::from_secs(10);
/// How long the response to a question for a reload that is watched waits for its end.
const PROGRESS_WAIT: Duration = Duration::from_secs(1);

impl Backend for Handle {
    async fn status(&self) -> Result<Status, Refusal> {
        Ok(Status::from(&Self::status(self).await?))
    }

    async fn reload(&self, how: ReloadRequest) -> Result<Reloaded, Refusal> {
        let reloaded = Self::reload_as(self, how).await?;
        Ok(Reloaded::new(&reloaded))
    }

    async fn reload_watch(&self, revision: u64) -> Result<ReloadWatch, Refusal> {
        let progress = Self::reload_progress(self, Revision(revision)).await?;
        let mut progress = progress.ok_or(Refusal::NotWatched(revision))?;
        let is_over = |progress: &control::ReloadProgress| progress.ending.is_some();
        // What is live is told meanwhile. Where it ends with the program, that is told by the connection.
        let _ = tokio::time::timeout(PROGRESS_WAIT, progress.wait_for(is_over)).await;
        Ok(ReloadWatch::from(&*progress.borrow()))
    }

    async fn drain(&self, service: &str, instance: &str) -> Result<Instance, Refusal> {
        Ok(Instance::from(&Self::drain(self, service, instance).await?))
    }

    async fn enable(&self, service: &str, instance: &str) -> Result<Instance, Refusal> {
        Ok(Instance::from(&Self::enable(self, service, instance).await?))
    }

    async fn certificates(&self) -> Result<Certificates, Refusal> {
        let certificates = Self::certificates(self).await?;
        Ok(Certificates {
            certificates: certificates.iter().map(Certificate::from).collect(),
            internal_ca: self.internal_ca().await?.map(InternalCa::from),
        })
    }

    async fn bans(&self) -> Result<Bans, Refusal> {
        let bans = Self::bans(self).await?;
        Ok(Bans { bans: bans.iter().map(Ban::from).collect() })
    }

    async fn ban(&self, ban: NewBan) -> Result<Ban, Refusal> {
        let ban = ban.ban(SystemTime::now()).map_err(Refusal::Senseless)?;
        Ok(Ban::from(&Self::ban(self, ban).await?))
    }

    async fn unban(&self, banned: BanKey) -> Result<Lifted, Refusal> {
        Self::lift(self, banned.banned().map_err(Refusal::Senseless)?).await?;
        Ok(Lifted { lifted: banned })
    }

    async fn explain(&self, question: Question) -> Result<Explanation, Refusal> {
        let said = Self::explain(self, question.into()).await?;
        Ok(Explanation::new(Basis::Running, &said))
    }

    async fn deploy(&self, service: &str, deploy: Deploy) -> Result<Deploying, Refusal> {
        let overrides = deploy.overrides();
        let (service, release) = (service.to_owned(), deploy.wanted());
        let Deploy { without, who, .. } = deploy;
        let request = control::DeployRequest { service, release, overrides, without, who };
        Ok(Deploying { id: Self::deploy(self, request).await?.id })
    }

    async fn scale(&self, service: &str, scale: Scale) -> Result<Scaled, Refusal> {
        let count = scale.count().map_err(Refusal::Senseless)?;
        Ok(Self::scale(self, service, count).await?.into())
    }

    async fn surroundings(&self, service: &str) -> Result<Surroundings, Refusal> {
        Ok(Self::surroundings(self, service).await?.into())
    }

    async fn jobs(&self) -> Result<Jobs, Refusal> {
        let jobs = Self::jobs(self).await?;
        Ok(Jobs { jobs: jobs.into_iter().map(Job::from).collect() })
    }

    async fn job(&self, job: &str) -> Result<Job, Refusal> {
        Ok(Self::job(self, job).await?.into())
    }

    async fn run_job(&self, job: &str, run: NewJobRun) -> Result<JobStarted, Refusal> {
        Ok(JobStarted { run: Self::run_job(self, job, &run.who).await?.run })
    }

    async fn job_output(&self, job: &str, run: i64, from: usize) -> Result<JobOutput, Refusal> {
        let mut progress = Self::job_following(self, job, run).await?.progress;
        let has_more =
            |progress: &control::JobProgress| progress.count() > from || progress.end.is_some();
        // It is answered even if nothing happens, so that nobody waits for one who is gone.
        let _ = tokio::time::timeout(EVENTS_WAIT, progress.wait_for(has_more)).await;
        Ok(JobOutput::of(&progress.borrow(), from))
    }

    async fn deploy_action(&self, service: &str, action: DeployAction) -> Result<Acted, Refusal> {
        Ok(match Self::deploy_action(self, service, action.into()).await? {
            control::Acted::Rollout(following) => Acted { id: Some(following.id) },
            control::Acted::Checks => Acted { id: None },
        })
    }

    async fn deploy_events(&self, deploy: i64, from: usize) -> Result<DeployEvents, Refusal> {
        let mut progress = Self::following(self, deploy).await?.progress;
        let has_more = |progress: &control::Progress| {
            progress.lines.len() > from || progress.receipt.is_some()
        };
        // It is answered even if nothing happens, so that nobody waits for one who is gone.
        let _ = tokio::time::timeout(EVENTS_WAIT, progress.wait_for(has_more)).await;
        Ok(crate::deploy_events(&progress.borrow(), from))
    }

    fn events(&self) -> telemetry::Events {
        Self::events(self).clone()
    }

    async fn history(&self, service: &str) -> Result<History, Refusal> {
        let deploys = Self::history(self, service).await?;
        Ok(History { deploys: deploys.into_iter().map(Past::from).collect() })
    }

    async fn show_deploy(&self, service: &str, deploy: i64) -> Result<Past, Refusal> {
        Ok(Self::one_deploy(self, service, deploy).await?.into())
    }

    async fn judge(
        &self,
        service: &str,
        deploy: i64,
        set: BTreeMap<String, String>,
    ) -> Result<Judged, Refusal> {
        let question = control::Rejudge { service: service.to_owned(), deploy, set: set.clone() };
        let judged = Self::judge(self, question).await?;
        let said = |rules| Judgement::of(&judged, rules);
        let (had, with_set) = (said(control::Rules::Had), said(control::Rules::Set));
        Ok(Judged { deploy: judged.deploy.into(), had, set, with_set })
    }

    async fn scrape(&self) -> Result<Scrape, Refusal> {
        let text = Self::scrape(self).await?;
        Ok(Scrape { media_type: control::scrape::MEDIA_TYPE, text })
    }
}

impl From<Question> for control::Question {
    fn from(question: Question) -> Self {
        let Question { method, url, headers, from } = question;
        Self { method, url, headers, from }
    }
}

impl From<&control::Status> for Status {
    fn from(status: &control::Status) -> Self {
        let Version { version, pid } = Version::of_process();
        Self {
            version,
            pid,
            file: status.file.display().to_string(),
            revision: status.revision.0,
            generation: status.generation.0,
            uptime_s: status.uptime.as_secs_f64(),
            connections: status.connections as u64,
            descriptors: Descriptors::from(&status.descriptors),
            last_reload: status.last_reload.as_ref().map(crate::LastReload::from),
            store: status.store.as_ref().map(crate::Store::from),
            watched: status.watched.as_ref().map(ReloadWatch::from),
            rolled_back: status.rolled_back.as_ref().map(crate::RolledBack::from),
            listeners: status.listeners.iter().map(Listener::from).collect(),
            admin_certificate_fault: status.admin_certificate_fault.clone(),
            certificates: status.certificates.iter().map(Certificate::from).collect(),
            issuers: status.issuers.iter().map(Issuer::from).collect(),
            auth_servers: status.auth_servers.iter().map(AuthServer::from).collect(),
            services: status.services.iter().map(Service::from).collect(),
        }
    }
}

impl From<BanError> for Refusal {
    fn from(error: BanError) -> Self {
        let why = error.to_string();
        match error {
            BanError::NotTaken(_) => Self::NotBanned(why),
            BanError::NotThere => Self::NoSuchBan,
            BanError::Ended(Ended) => Self::Ending,
        }
    }
}

impl From<&DescriptorBudget> for Descriptors {
    fn from(budget: &DescriptorBudget) -> Self {
        Self {
            clients: budget.clients as u64,
            instances: budget.instances as u64,
            allowed: budget.allowed as u64,
            pipes: budget.pipes as u64,
            reserve: budget.reserve as u64,
            limit: budget.limit as u64,
        }
    }
}

impl From<&LastReload> for crate::LastReload {
    fn from(reload: &LastReload) -> Self {
        Self {
            at: rfc3339(reload.at),
            revision: reload.outcome.as_ref().ok().map(|revision| revision.0),
            refused: reload.outcome.as_ref().err().cloned(),
        }
    }
}

impl From<&control::StoreStatus> for crate::Store {
    fn from(store: &control::StoreStatus) -> Self {
        Self {
            place: store.place.clone(),
            on_failure: match store.on_failure {
                OnFailure::Local => "local",
                OnFailure::Refuse => "refuse",
            }
            .to_owned(),
            up: store.down_since.is_none(),
            down_since: store.down_since.map(rfc3339),
            why: store.why.clone(),
        }
    }
}

impl From<&control::RolledBack> for crate::RolledBack {
    fn from(rolled_back: &control::RolledBack) -> Self {
        let control::RolledBack { revision, why, at } = rolled_back;
        Self { revision: revision.0, why: why.clone(), at: rfc3339(*at) }
    }
}

impl From<&ListenerStatus> for Listener {
    fn from(listener: &ListenerStatus) -> Self {
        Self {
            name: listener.name.to_string(),
            addresses: listener.addresses.iter().map(ToString::to_string).collect(),
            tls: listener.tls,
            certificate_fault: listener.certificate_fault.clone(),
            connections: listener.connections as u64,
            accepted: listener.accepted,
        }
    }
}

impl From<&control::IssuerStatus> for Issuer {
    fn from(issuer: &control::IssuerStatus) -> Self {
        let control::IssuerStatus { auth, url, keys, fault } = issuer;
        let (url, fault) = (url.clone(), fault.clone());
        Self { auth: auth.to_string(), url, keys: *keys, fault }
    }
}

impl From<&control::AuthServerStatus> for AuthServer {
    fn from(server: &control::AuthServerStatus) -> Self {
        let control::AuthServerStatus { auth, url, fault } = server;
        Self {
            auth: auth.to_string(),
            url: url.clone(),
            fault: fault.as_ref().map(|fault| fault.why.clone()),
            failing_since: fault.as_ref().map(|fault| rfc3339(fault.since)),
        }
    }
}

impl From<&ServiceStatus> for Service {
    fn from(service: &ServiceStatus) -> Self {
        let unresolved = service.unresolved.iter().cloned();
        let away = service.drained_away.iter();
        let away = away.map(|(name, since)| DrainedAway {
            name: name.to_string(),
            drained_at: rfc3339(*since),
        });
        Self {
            name: service.name.to_string(),
            balance: balance(&service.balance),
            mode: match service.mode {
                Mode::Normal(Role::Primary) => ServiceMode::Normal,
                Mode::Normal(Role::Backup) => ServiceMode::Backup,
                Mode::Panic(_) => ServiceMode::Panic,
                Mode::Nobody => ServiceMode::Nobody,
            },
            queued: service.queued as u64,
            run: service.run.as_ref().map(Run::from),
            unresolved: unresolved.map(|(name, why)| Unresolved { name, why }).collect(),
            certificate_fault: service.certificate_fault.clone(),
            drained_away: away.collect(),
            instances: service.instances.iter().map(Instance::from).collect(),
        }
    }
}

impl From<&control::RunStatus> for Run {
    fn from(run: &control::RunStatus) -> Self {
        let waiting = run.waiting.iter().map(|waiting| Waiting {
            name: waiting.name.clone(),
            release: waiting.release.clone(),
            state: waiting.state.clone(),
            why: waiting.why.clone(),
        });
        Self {
            release: run.version.clone(),
            made_by: run.made_by,
            file_version: run.file_version.clone(),
            difference: run.difference.as_ref().map(ToString::to_string),
            idle: run.idle.clone(),
            first: run.first.as_ref().map(|first| FirstRelease {
                tries: first.tries,
                why: first.why.clone(),
                again_in_s: first.again_in.map(|wait| wait.as_secs_f64()),
            }),
            last: run.last.as_ref().map(LastDeploy::from),
            unreached: run.unreached.iter().map(UnreachedHost::from).collect(),
            worker: run.work != Work::Requests,
            replicas: run.replicas,
            scaled_from: run.scaled_from,
            waiting: waiting.collect(),
            checking: run.checking.as_ref().map(|checking| CheckedDeploy {
                release: checking.version.clone(),
                who: checking.who.clone(),
                took_s: checking.took.as_secs_f64(),
            }),
            deploy: run.deploy.as_ref().map(|deploy| RunningDeploy {
                id: deploy.id,
                release: deploy.version.clone(),
                who: deploy.who.clone(),
                took_s: deploy.took.as_secs_f64(),
                stage: deploy.stage.clone(),
                left_s: deploy.left.map(|left| left.as_secs_f64()),
                is_paused: deploy.is_paused,
                verdict: deploy.verdict.clone(),
                preview: deploy.preview.clone(),
                conditions: deploy.conditions.iter().map(DeployCondition::from).collect(),
            }),
        }
    }
}

impl From<&control::Unreached> for UnreachedHost {
    fn from(unreached: &control::Unreached) -> Self {
        let control::Unreached { host, why, since } = unreached;
        Self { host: host.to_string(), why: why.clone(), since: rfc3339(*since) }
    }
}

impl From<&control::ConditionStatus> for DeployCondition {
    fn from(of: &control::ConditionStatus) -> Self {
        Self { name: of.name.clone(), said: of.said.clone() }
    }
}

impl From<&control::LastDeploy> for LastDeploy {
    fn from(last: &control::LastDeploy) -> Self {
        let kept = last.kept.as_deref().and_then(|text| serde_json::from_str::<Receipt>(text).ok());
        Self {
            id: last.id,
            release: last.version.clone(),
            outcome: last.outcome.clone(),
            reason: last.reason.clone().or_else(|| kept?.reason),
            ended_at: rfc3339(last.ended_at),
        }
    }
}

impl From<&InstanceStatus> for Instance {
    fn from(instance: &InstanceStatus) -> Self {
        let InstanceStatus { totals, recent, .. } = instance;
        let ms = crate::deploy::milliseconds;
        Self {
            name: instance.name.to_string(),
            address: instance.address.to_string(),
            release: instance.release.clone(),
            state: instance.state.into(),
            access: instance.access.into(),
            reason: instance.reason.clone(),
            since_s: instance.stands_for.as_secs_f64(),
            drained_at: instance.drained_since.map(rfc3339),
            weight: instance.weight,
            backup: instance.role == Role::Backup,
            in_flight: instance.in_flight.into(),
            oldest_s: instance.open.map(|open| open.oldest.as_secs_f64()),
            open: instance.open.map(|open| crate::Open {
                requests: open.requests,
                uploads: open.uploads,
                streams: open.streams,
                tunnels: open.tunnels,
            }),
            totals: Totals {
                ok: totals.ok,
                redirects: totals.redirects,
                client_errors: totals.client_errors,
                server_errors: totals.server_errors,
                failures: totals.failures,
                abandoned: totals.abandoned,
            },
            requests_per_s: recent.requests_per_second,
            errors_per_s: recent.errors_per_second,
            error_share: recent.error_share,
            p50_ms: recent.p50.map(ms),
            p99_ms: recent.p99.map(ms),
            outlier: instance.outlier.as_ref().map(|outlier| crate::Outlier {
                since: rfc3339(outlier.since),
                failed: outlier.failed,
                requests: outlier.requests,
                siblings_failed: outlier.siblings_failed,
                siblings_requests: outlier.siblings_requests,
            }),
        }
    }
}

impl From<control::InstanceState> for InstanceState {
    fn from(state: control::InstanceState) -> Self {
        match state {
            control::InstanceState::Healthy => Self::Healthy,
            control::InstanceState::Unchecked => Self::Unchecked,
            control::InstanceState::Failing => Self::Failing,
            control::InstanceState::Ejected => Self::Ejected,
            control::InstanceState::Unhealthy => Self::Unhealthy,
            control::InstanceState::Starting => Self::Starting,
            control::InstanceState::Drained => Self::Drained,
        }
    }
}

impl From<balance::Access> for Access {
    fn from(access: balance::Access) -> Self {
        match access {
            balance::Access::Open => Self::Open,
            balance::Access::OpenInPanic => Self::OpenInPanic,
            balance::Access::Reserve => Self::Reserve,
            balance::Access::Barred => Self::Barred,
        }
    }
}

/// To the millisecond, which is as far as clocks of two machines agree at best. A clock so wrong that it has no date is
/// shown as the beginning of time.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let exact = jiff::Timestamp::try_from(time).unwrap_or_default();
    jiff::Timestamp::from_millisecond(exact.as_millisecond()).unwrap_or_default().to_string()
}

/// The policy, as the file names it.
fn balance(balance: &Balance) -> String {
    let word = match balance {
        Balance::LeastConn => "least_conn",
        Balance::RoundRobin => "round_robin",
        Balance::Random => "random",
        Balance::P2c => "p2c",
        Balance::IpHash => "ip_hash",
        Balance::PeakEwma => "peak_ewma",
        Balance::Hash(hash) => return format!("hash {}", key(&hash.key)),
    };
    word.to_owned()
}

fn key(key: &HashKey) -> String {
    match key {
        HashKey::Ip => "ip".to_owned(),
        HashKey::Path => "path".to_owned(),
        HashKey::Header(name) => format!("header:{name}"),
        HashKey::Cookie(name) => format!("cookie:{name}"),
        HashKey::Query(name) => format!("query:{name}"),
    }
}

impl From<Ended> for Refusal {
    fn from(_: Ended) -> Self {
        Self::Ending
    }
}

impl From<InstanceError> for Refusal {
    fn from(error: InstanceError) -> Self {
        match error {
            InstanceError::UnknownService { service, near } => {
                Self::UnknownService { service, near }
            }
            InstanceError::UnknownInstance { service, instance, near } => {
                Self::UnknownInstance { service, instance, near }
            }
            InstanceError::Ended(ended) => ended.into(),
        }
    }
}

impl From<JobError> for Refusal {
    fn from(error: JobError) -> Self {
        let text = chain(&error);
        match error {
            JobError::Unknown { job, near } => Self::UnknownJob { job, near },
            JobError::Busy(_) => Self::JobBusy(text),
            JobError::NoSuchRun { .. } => Self::NoSuchRun(text),
            JobError::NotRecorded(_) | JobError::Journal(_) => Self::Failed(text),
            JobError::Ended(ended) => ended.into(),
        }
    }
}

impl From<DeployError> for Refusal {
    fn from(error: DeployError) -> Self {
        let text = chain(&error);
        match error {
            DeployError::UnknownService { service, near } => Self::UnknownService { service, near },
            DeployError::NotRun { .. } => Self::Senseless(text),
            DeployError::Locked { .. } => Self::Locked(text),
            DeployError::Preflight { faults } => Self::Preflight(faults),
            DeployError::NoVersion { .. } | DeployError::WhichVersion { .. } => {
                Self::Senseless(text)
            }
            DeployError::File(error) => Self::Preflight(faults(&error)),
            DeployError::NoEarlierRelease { .. }
            | DeployError::NothingRuns { .. }
            | DeployError::NotToHave { .. }
            | DeployError::NeverRan { .. }
            | DeployError::NotRunning { .. }
            | DeployError::NotBegun { .. }
            | DeployError::Decided { .. }
            | DeployError::NoEvidence { .. }
            | DeployError::NoSuchDeploy { .. } => Self::NotThere(text),
            DeployError::WrongRule { .. } => Self::Senseless(text),
            DeployError::EvidenceUnreadable { .. } => Self::Failed(text),
            DeployError::NotComposed { .. } | DeployError::Journal(_) => Self::Failed(text),
            DeployError::Ended(ended) => ended.into(),
        }
    }
}

/// Everything that is wrong with the file, each in a line.
fn faults(error: &ReloadError) -> Vec<String> {
    let ReloadError::Prepare(PrepareError::Config(config::LoadError::Invalid(faults))) = error
    else {
        return vec![error.why()];
    };
    let is_error = |fault: &&config::Diagnostic| fault.code.severity() == config::Severity::Error;
    let line = |fault: &config::Diagnostic| {
        let (place, what, hint) = (&fault.place, &fault.what, &fault.hint);
        format!("{}:{}:{}: {what}; {hint}", place.file, place.line, place.column)
    };
    faults.iter().filter(is_error).map(line).collect()
}

impl From<ReloadError> for Refusal {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Prepare(PrepareError::Config(config::LoadError::Invalid(faults))) => {
                Self::Invalid(faults)
            }
            ReloadError::Prepare(error) => Self::Unreadable(chain(&error)),
            ReloadError::Publish(error) => Self::NotPublished(chain(&error)),
            ReloadError::RolledBack { .. } => Self::NotPublished(chain(&error)),
            ReloadError::Ended(ended) => ended.into(),
        }
    }
}

impl From<ExplainError> for Refusal {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Ended(ended) => ended.into(),
            error => Self::Senseless(chain(&error)),
        }
    }
}
