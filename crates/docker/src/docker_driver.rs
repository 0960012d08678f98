//! The driver of containers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driver::env_file::EnvFile;
use driver::environment::{Sources, Value};
use driver::log::{self, Sweep};
use driver::logs::Logs;
use driver::port::Ports;
use driver::preflight::{Obstacle, Passed, Preflight};
use driver::record::mark;
use driver::{
    AdoptError, Adoption, Composed, ContainerRecord, ContainerStart, Driver, Environment,
    Examination, Examined, Held, Identity, Launch, LaunchError, Listening, ProcessLogs, Record,
    Spec, Upkeep,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{ContainerRecipe, Recipe, Workload};

use crate::apart::apart;
use crate::body::{self, Marks, Reach};
use crate::daemon::Daemon;
use crate::error::ImageError;
use crate::held::{HeldContainer, Made};
use crate::orphans::{self, Runs};
use crate::state_id::StateId;
use crate::{adopt, examine, image, login, preflight};

/// Starts instances as containers of an engine on this machine.
#[derive(Clone, Debug)]
pub struct DockerDriver {
    daemon: Daemon,
    state_dir: PathBuf,
    state: StateId,
    ports: Ports,
    /// Their output is kept where that of processes is.
    logs: ProcessLogs,
    runs: Runs,
}

impl DockerDriver {
    /// A driver that publishes its containers on `ports`, and keeps what it has to in the state directory.
    pub fn new(daemon: Daemon, ports: Ports, state_dir: &Path) -> Self {
        Self {
            daemon,
            state_dir: state_dir.to_owned(),
            state: StateId::of(state_dir),
            ports,
            logs: ProcessLogs::of(state_dir),
            runs: Runs::default(),
        }
    }

    async fn make(self, launch: Launch) -> Result<HeldContainer, LaunchError> {
        let start = launch.composed.container().ok_or(LaunchError::OtherKind)?.clone();
        let path = self.logs.path(&launch.service, &launch.instance);
        let (state, log) = (self.state.clone(), path.clone());
        let kept = apart(move || {
            let name = state.make().map_err(LaunchError::from)?;
            let opened = log::open(&log);
            let (_, log_start) =
                opened.map_err(|source| LaunchError::Log { path: log.clone(), source })?;
            Ok::<_, LaunchError>((name, log_start))
        });
        let (state, log_start) = kept.await??;
        let lease = match start.network {
            Some(_) => None,
            None => Some(self.ports.lease()?),
        };
        let address: SocketAddr = match &lease {
            Some(lease) => (Ipv4Addr::LOCALHOST, lease.port()).into(),
            // It has its own only when it runs.
            None => (Ipv4Addr::UNSPECIFIED, start.port).into(),
        };
        let reach = match (&lease, launch.upkeep.listening) {
            (_, Listening::Nowhere) => Reach::Nowhere,
            (Some(lease), Listening::OnPort) => Reach::Published(lease.port()),
            (None, Listening::OnPort) => Reach::Own,
        };
        let run = mark();
        self.runs.add(&run);
        let body = body::body(&launch, &start, Marks { state: &state, run: &run }, reach)?;
        let name = format!("{}.{}", launch.instance, &run[..8]);
        let id = self.create(&name, &start, body).await?;
        let own = ContainerRecord {
            id,
            image: start.image,
            port: start.port,
            network: start.network,
            log: path,
            log_start,
        };
        let Launch { service, instance, version, upkeep, .. } = launch;
        let identity = Identity::Container(own.clone());
        let record = Record { service, instance, version, address, run, identity };
        let made = Made { record, own, upkeep, lease };
        Ok(HeldContainer::new(self.daemon, self.state_dir, made))
    }

    /// Makes a container; an image that is gone is brought again.
    async fn create(
        &self,
        name: &str,
        start: &ContainerStart,
        body: bollard::models::ContainerCreateBody,
    ) -> Result<String, LaunchError> {
        match self.daemon.create(name, body.clone()).await {
            Err(error) if error.is_not_found() => {
                image::bring(&self.daemon, &start.image, start.login.as_ref()).await?;
                Ok(self.daemon.create(name, body).await?)
            }
            made => Ok(made?),
        }
    }
}

impl Driver for DockerDriver {
    fn preflight(&self, plan: Preflight) -> BoxFuture<'static, Result<Passed, Vec<Obstacle>>> {
        let Self { daemon, ports, logs, .. } = self.clone();
        async move {
            let ours = Environment::of_this_process();
            preflight::check(&daemon, plan, ours, &ports, logs.directory()).await
        }
        .boxed()
    }

    fn fetch(&self, spec: Spec) -> BoxFuture<'static, Result<Recipe, Vec<Obstacle>>> {
        let daemon = self.daemon.clone();
        async move {
            let fetched = fetch(&daemon, spec).await;
            fetched.map_err(|error| vec![error.into()])
        }
        .boxed()
    }

    fn compose(&self, spec: Spec) -> BoxFuture<'static, Result<Composed, LaunchError>> {
        let engine = self.daemon.host().to_owned();
        async move { apart(move || compose(spec, engine)).await? }.boxed()
    }

    fn prepare(&self, launch: Launch) -> BoxFuture<'_, Result<Box<dyn Held>, LaunchError>> {
        let made = self.clone().make(launch);
        async move { Ok(Box::new(made.await?) as Box<dyn Held>) }.boxed()
    }

    fn adopt(&self, record: Record, upkeep: Upkeep) -> BoxFuture<'_, Result<Adoption, AdoptError>> {
        adopt::adopt(&self.daemon, &self.state_dir, record, upkeep, &self.ports).boxed()
    }

    fn reclaim(&self, known: &[Record]) {
        known.iter().for_each(|record| self.runs.add(&record.run));
        let (daemon, state, runs) = (self.daemon.clone(), self.state.clone(), self.runs.clone());
        tokio::spawn(orphans::reclaim(daemon, state, runs));
    }

    fn examine(
        &self,
        examination: Examination,
    ) -> BoxFuture<'static, Result<Examined, LaunchError>> {
        let daemon = self.daemon.clone();
        async move { examine::examine(&daemon, examination).await }.boxed()
    }

    fn logs(&self) -> Arc<dyn Logs> {
        Arc::new(self.logs.clone())
    }

    fn sweep(&self, sweep: Sweep) -> BoxFuture<'static, io::Result<()>> {
        let directory = self.logs.of_service(&sweep.service);
        async move { apart(move || log::sweep(&directory, &sweep)).await? }.boxed()
    }
}

/// The recipe with its image pinned, which is here then.
async fn fetch(daemon: &Daemon, spec: Spec) -> Result<Recipe, ImageError> {
    let mut recipe = spec.recipe;
    let of_version = recipe.of_version(&spec.version);
    let (Workload::Container(container), Workload::Container(wanted)) =
        (&mut recipe.workload, of_version.workload)
    else {
        return Ok(recipe);
    };
    let name = image::name(&wanted.image)?;
    let login = {
        let ours = Environment::of_this_process().with_sealed(&spec.sealed);
        login::of(&name, &spec.registries, &ours)?
    };
    let pin = match wanted.pin {
        Some(pin) => pin,
        None => image::resolve(daemon, &name, login.as_ref()).await?,
    };
    let reference = image::reference(&name, Some(&pin));
    image::bring(daemon, &reference, login.as_ref()).await?;
    container.pin = Some(pin);
    Ok(recipe)
}

fn compose(spec: Spec, engine: String) -> Result<Composed, LaunchError> {
    let Spec { version, recipe, withheld, sealed, registries, .. } = spec;
    let Recipe { workload, env, env_file, secrets } = recipe.of_version(&version);
    let Workload::Container(container) = workload else { return Err(LaunchError::OtherKind) };
    let ContainerRecipe { image, pin, command, port, user, volumes, network, resources } =
        container;
    let name = image::name(&image)?;
    let file = env_file.as_deref().map(EnvFile::read).transpose()?;
    let ours = Environment::of_this_process();
    // Only needed should the image be gone, which is told then.
    let login = login::of(&name, &registries, &ours.clone().with_sealed(&sealed));
    let login = login.unwrap_or_default();
    let environment = Environment::compose(Sources {
        given: ours,
        inherit: &[],
        withheld,
        secrets: &secrets,
        sealed: Some(&sealed),
        account: None,
        file: file.as_ref(),
        env: env.into_iter().map(|(name, value)| (name, Value(value))).collect(),
    });
    let image = image::reference(&name, pin.as_ref());
    Ok(Composed::Container(Box::new(ContainerStart {
        image,
        login,
        command,
        engine,
        port,
        environment,
        user,
        volumes,
        network,
        resources,
    })))
}
