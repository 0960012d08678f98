//! The engine as it is asked: where it is, and a deadline on each call.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, DistributionInspect,
    ImageInspect,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    StartContainerOptions, StatsOptionsBuilder, WaitContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use driver::{Login, Remote, RemoteError, Unreached};
use futures_util::StreamExt;
use http::HeaderValue;
use model::StopSignal;

use crate::error::EngineError;
use crate::login::credentials;

/// Where an engine is, unless it is said.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// What is only looked up comes at once.
const LOOK: Duration = Duration::from_secs(10);
/// What has to be done may take a busy disk its time.
const ACT: Duration = Duration::from_secs(60);
/// A registry is somewhere else.
const REGISTRY: Duration = Duration::from_secs(20);

/// An engine, on this machine or on another.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Where it is, for people.
    host: String,
    /// Its machine, if that is not this one.
    remote: Option<Arc<dyn Remote>>,
}

/// What it is, as far as images have to go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
}

impl Daemon {
    /// The one that `DOCKER_HOST` names in `environment`, or the usual one.
    pub fn of(environment: impl Fn(&str) -> Option<OsString>) -> Self {
        let host = environment("DOCKER_HOST").filter(|host| !host.is_empty());
        let host = host.map(|host| host.to_string_lossy().into_owned());
        Self { host: host.unwrap_or_else(|| DEFAULT_HOST.to_owned()), remote: None }
    }

    /// The one of another host.
    pub fn on(remote: Arc<dyn Remote>) -> Self {
        Self { host: remote.host().to_string(), remote: Some(remote) }
    }

    /// Its machine, if that is not this one.
    pub(crate) fn remote(&self) -> Option<&dyn Remote> {
        self.remote.as_deref()
    }

    /// That its machine did not answer when it was asked last, if it did not.
    pub(crate) fn unreached(&self) -> Option<EngineError> {
        let Unreached { host, why, .. } = self.remote.as_ref()?.unreached()?;
        Some(RemoteError::Unreached { host, why }.into())
    }

    /// Where it is.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A client of it: nothing is kept from one call to the next, so that one that hung hangs none after it.
    pub(crate) async fn client(&self, limit: Duration) -> Result<Docker, EngineError> {
        let seconds = limit.as_secs().max(1);
        let socket = match &self.remote {
            Some(remote) => remote.reach().await?.engine.to_string_lossy().into_owned(),
            None if self.host.starts_with("unix://") => self.host.clone(),
            None => return Err(EngineError::Host(self.host.clone())),
        };
        let client = Docker::connect_with_unix(&socket, seconds, API_DEFAULT_VERSION);
        let client = client.map_err(|source| self.unreachable(source))?;
        Ok(client.with_request_modifier(url_safe_login))
    }

    fn unreachable(&self, source: Error) -> EngineError {
        match &self.remote {
            Some(remote) => EngineError::UnreachableThere { host: remote.host().clone(), source },
            None => EngineError::Unreachable { at: self.host.clone(), source },
        }
    }

    /// What is behind an engine that is not reached on another host: it, or its host.
    async fn cause(&self, error: EngineError) -> EngineError {
        let Some(remote) = &self.remote else { return error };
        match remote.run("answer", "true".to_owned()).await {
            Ok(_) => error,
            Err(of_host) => of_host.into(),
        }
    }

    /// Whether that failed with the connection to another host, so that it is not known what came of it.
    pub(crate) fn is_lost(&self, error: &EngineError) -> bool {
        self.remote.is_some() && !error.is_answer()
    }

    pub(crate) fn error(&self, what: &'static str, limit: Duration, error: Error) -> EngineError {
        match error {
            Error::DockerResponseServerError { status_code: status, message } => {
                EngineError::Refused { what, status, message: message.trim().to_owned() }
            }
            Error::RequestTimeoutError => EngineError::Slow { at: self.host.clone(), what, limit },
            Error::DockerStreamError { error } => {
                EngineError::Refused { what, status: 500, message: error }
            }
            source @ (Error::JsonDataError { .. } | Error::JsonSerdeError { .. }) => {
                EngineError::Unreadable { what, source }
            }
            source => self.unreachable(source),
        }
    }

    /// Makes one call, which has so much time.
    async fn call<T, F: Future<Output = Result<T, Error>>>(
        &self,
        what: &'static str,
        limit: Duration,
        call: impl FnOnce(Docker) -> F,
    ) -> Result<T, EngineError> {
        let made = async {
            let made = call(self.client(limit).await?).await;
            made.map_err(|error| self.error(what, limit, error))
        };
        match tokio::time::timeout(limit, made).await {
            Ok(Err(error @ EngineError::UnreachableThere { .. })) => Err(self.cause(error).await),
            Ok(done) => done,
            Err(_) => Err(EngineError::Slow { at: self.host.clone(), what, limit }),
        }
    }

    /// What it runs.
    pub(crate) async fn platform(&self) -> Result<Platform, EngineError> {
        let what = "say what it is";
        let version = self.call(what, LOOK, |it| async move { it.version().await }).await?;
        let lacks = |lacks| move || EngineError::Incomplete { what, lacks };
        let os = version.os.ok_or_else(lacks("the system"))?;
        let architecture = version.arch.ok_or_else(lacks("the architecture"))?;
        Ok(Platform { os, architecture })
    }

    /// What it knows of an image that it has; `None` where it has none of that name.
    pub(crate) async fn image(&self, name: &str) -> Result<Option<ImageInspect>, EngineError> {
        let what = "look an image up";
        found(self.call(what, LOOK, |it| async move { it.inspect_image(name).await }).await)
    }

    /// Removes this name of an image, and the image with its last one; never one of which a container is made.
    pub(crate) async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::default().build();
        let removed = self.call("remove an image", ACT, |it| async move {
            it.remove_image(reference, Some(options), None).await
        });
        found(removed.await).map(drop)
    }

    /// What the registry says of an image.
    pub(crate) async fn ask_registry(
        &self,
        name: &str,
        login: Option<&Login>,
    ) -> Result<DistributionInspect, EngineError> {
        let credentials = login.map(credentials);
        self.call("ask the registry", REGISTRY, |it| async move {
            it.inspect_registry_image(name, credentials).await
        })
        .await
    }

    /// Makes a container, which does not run yet: its id.
    pub(crate) async fn create(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<String, EngineError> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let made = self
            .call("make a container", ACT, |it| async move {
                it.create_container(Some(options), body).await
            })
            .await?;
        for warning in made.warnings {
            tracing::warn!(container = name, warning, "the Docker engine warns");
        }
        Ok(made.id)
    }

    /// Lets a container run.
    pub(crate) async fn start(&self, id: &str) -> Result<(), EngineError> {
        self.call("start a container", ACT, |it| async move {
            it.start_container(id, None::<StartContainerOptions>).await
        })
        .await
    }

    /// What it knows of a container; `None` where there is none.
    pub(crate) async fn container(
        &self,
        id: &str,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let looked = self.call("look a container up", LOOK, |it| async move {
            it.inspect_container(id, None::<InspectContainerOptions>).await
        });
        found(looked.await)
    }

    /// All containers, running or not, with this label.
    pub(crate) async fn labelled(&self, label: &str) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters = [("label".to_owned(), vec![label.to_owned()])].into();
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        self.call(
            "list containers",
            LOOK,
            |it| async move { it.list_containers(Some(options)).await },
        )
        .await
    }

    /// Sends a signal to a container's first process. One that does not run hears none.
    pub(crate) async fn signal(&self, id: &str, signal: StopSignal) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::default().signal(signal.name()).build();
        let sent = self.call("send a signal to a container", LOOK, |it| async move {
            it.kill_container(id, Some(options)).await
        });
        match sent.await {
            // 409: it does not run.
            Err(EngineError::Refused { status: 404 | 409, .. }) => Ok(()),
            sent => sent,
        }
    }

    /// Removes a container, whatever it does, with its volumes that have no name.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removed = self.call("remove a container", ACT, |it| async move {
            it.remove_container(id, Some(options)).await
        });
        match removed.await {
            // 409: somebody else is about to.
            Err(EngineError::Refused { status: 404 | 409, .. }) => Ok(()),
            removed => removed,
        }
    }

    /// Waits until a container does not run, however long that takes.
    pub(crate) async fn until_ended(&self, id: &str) -> Result<(), EngineError> {
        let what = "wait for a container";
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let client = self.client(LOOK).await?;
        let mut waited = Box::pin(client.wait_container(id, Some(options)));
        match waited.next().await {
            Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(error)) => Err(self.error(what, LOOK, error)),
            None => Err(self.unreachable(io::Error::from(io::ErrorKind::UnexpectedEof).into())),
        }
    }

    /// Where it keeps its data.
    pub(crate) async fn root(&self) -> Result<Option<String>, EngineError> {
        let told = self.call("say what it is", LOOK, |it| async move { it.info().await });
        Ok(told.await?.docker_root_dir)
    }

    /// The memory that a container takes, without what the kernel would give back; in bytes.
    pub(crate) async fn memory(&self, id: &str) -> Result<u64, EngineError> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let looked = self.call("measure a container", LOOK, |it| async move {
            it.stats(id, Some(options)).next().await.transpose()
        });
        let memory = looked.await?.and_then(|stats| stats.memory_stats).unwrap_or_default();
        let of_cache =
            |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
        // Control groups of version 1 call it otherwise.
        let cached = of_cache("inactive_file").or_else(|| of_cache("total_inactive_file"));
        Ok(memory.usage.unwrap_or(0).saturating_sub(cached.unwrap_or(0)))
    }

    /// Whether it has a network of this name.
    pub(crate) async fn has_network(&self, name: &str) -> Result<bool, EngineError> {
        let looked = self.call("look a network up", LOOK, |it| async move {
            it.inspect_network(name, None::<bollard::query_parameters::InspectNetworkOptions>).await
        });
        Ok(found(looked.await)?.is_some())
    }
}

/// Who asks a registry, in the alphabet that the engine reads: the crate writes the other one of RFC 4648, in which `+` and
/// `/` stand for what some passwords give.
fn url_safe_login(mut request: BollardRequest) -> BollardRequest {
    if let Some(value) = request.headers_mut().get_mut("x-registry-auth") {
        let text = value.to_str().unwrap_or_default().replace('+', "-").replace('/', "_");
        if let Ok(mut mended) = HeaderValue::from_str(&text) {
            mended.set_sensitive(true);
            *value = mended;
        }
    }
    request
}

/// `None` where there is no such thing.
fn found<T>(looked: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match looked {
        Err(error) if error.is_not_found() => Ok(None),
        looked => looked.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_engine_is_where_the_environment_says() {
        assert_eq!(Daemon::of(|_| None).host(), DEFAULT_HOST);
        assert_eq!(Daemon::of(|_| Some("".into())).host(), DEFAULT_HOST);
        let other = Daemon::of(|name| (name == "DOCKER_HOST").then(|| "unix:///x".into()));
        assert_eq!(other.host(), "unix:///x");
        let remote = Daemon::of(|_| Some("tcp://10.0.0.1:2375".into()));
        assert!(matches!(remote.client(LOOK).await, Err(EngineError::Host(_))));
    }
}
