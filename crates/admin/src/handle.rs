//! The control loop as the API's backend: its plain data becomes the API's documents.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use balance::{Mode, Role};
use control::{
    DeployError, Ended, ExplainError, Handle, InstanceError, InstanceStatus, LastReload,
    ListenerStatus, PrepareError, ReloadError, ServiceStatus, chain,
};
use edge::DescriptorBudget;
use model::{Balance, HashKey};

use crate::{
    Access, Acted, Backend, Basis, CheckedDeploy, Deploy, DeployAction, DeployEvents, Deploying,
    Descriptors, DrainedAway, Explanation, FirstRelease, History, Instance, InstanceState, Judged,
    Judgement, LastDeploy, Listener, Past, Question, Receipt, Refusal, Reloaded, Run,
    RunningDeploy, Scrape, Service, ServiceMode, Status, Totals, Unresolved, Version, Waiting,
};

/// How long whoever asks for events waits for one.
const EVENTS_WAIT: Duration = Duration::from_secs(10);

impl Backend for Handle {
    async fn status(&self) -> Result<Status, Refusal> {
        Ok(Status::from(&Self::status(self).await?))
    }

    async fn reload(&self) -> Result<Reloaded, Refusal> {
        let reloaded = Self::reload(self).await?;
        Ok(Reloaded::new(&reloaded))
    }

    async fn drain(&self, service: &str, instance: &str) -> Result<Instance, Refusal> {
        Ok(Instance::from(&Self::drain(self, service, instance).await?))
    }

    async fn enable(&self, service: &str, instance: &str) -> Result<Instance, Refusal> {
        Ok(Instance::from(&Self::enable(self, service, instance).await?))
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

    async fn judge(
        &self,
        service: &str,
        deploy: i64,
        set: BTreeMap<String, String>,
    ) -> Result<Judged, Refusal> {
        let question = control::Rejudge { service: service.to_owned(), deploy, set: set.clone() };
        let judged = Self::judge(self, question).await?;
        let said = |replay| Judgement::of(replay, judged.began, judged.ended);
        let (had, with_set) = (said(&judged.had), said(&judged.by_rule));
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
            listeners: status.listeners.iter().map(Listener::from).collect(),
            services: status.services.iter().map(Service::from).collect(),
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
            replicas: run.replicas,
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
            }),
        }
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

/// A clock so wrong that it has no date is shown as the beginning of time.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).unwrap_or_default().to_string()
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

impl From<DeployError> for Refusal {
    fn from(error: DeployError) -> Self {
        let text = chain(&error);
        match error {
            DeployError::UnknownService { service, near } => Self::UnknownService { service, near },
            DeployError::NotRun { .. } => Self::Senseless(text),
            DeployError::Locked { .. } => Self::Locked(text),
            DeployError::Preflight { faults } => Self::Preflight(faults),
            DeployError::NoVersion { .. } => Self::Senseless(text),
            DeployError::File(error) => Self::Preflight(faults(&error)),
            DeployError::NoEarlierRelease { .. }
            | DeployError::NotToHave { .. }
            | DeployError::NeverRan { .. }
            | DeployError::NotRunning { .. }
            | DeployError::NotBegun { .. }
            | DeployError::Decided { .. }
            | DeployError::NoEvidence { .. }
            | DeployError::NoSuchDeploy { .. } => Self::NotThere(text),
            DeployError::WrongRule { .. } => Self::Senseless(text),
            DeployError::EvidenceUnreadable { .. } => Self::Failed(text),
            DeployError::Journal(_) => Self::Failed(text),
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
