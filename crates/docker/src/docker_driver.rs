//! The driver of containers.

use std::collections::BTreeSet;
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
    Examination, Examined, Held, Identity, KeptRelease, Launch, LaunchError, Listening, Login,
    ProcessLogs, Record, Remote, Spec, Unreached, Upkeep,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{ContainerRecipe, Recipe, Workload};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::apart::apart;
use crate::body::{self, Marks, Reach};
use crate::daemon::Daemon;
use crate::error::ImageError;
use crate::held::{HeldContainer, Made};
use crate::image::Brought;
use crate::machine::{self, Publication};
use crate::orphans::{self, Runs};
use crate::pulled::Pulled;
use crate::state_id::StateId;
use crate::{adopt, examine, image, login, preflight, supervisor};

/// Starts instances as containers of an engine.
#[derive(Clone, Debug)]
pub struct DockerDriver {
    daemon: Daemon,
    state_dir: PathBuf,
    state: StateId,
    ports: Ports,
    /// Their output is kept where that of processes is.
    logs: ProcessLogs,
    runs: Runs,
    pulled: Pulled,
}

impl DockerDriver {
    /// A driver that publishes its containers on `ports`, those of the engine's machine, and keeps what it has to in the state directory.
    pub fn new(daemon: Daemon, ports: Ports, state_dir: &Path) -> Self {
        Self {
            daemon,
            state_dir: state_dir.to_owned(),
            state: StateId::of(state_dir),
            ports,
            logs: ProcessLogs::of(state_dir),
            runs: Runs::default(),
            pulled: Pulled::of(state_dir),
        }
    }

    async fn make(self, launch: Launch) -> Result<HeldContainer, LaunchError> {
        let start = launch.composed.container().ok_or(LaunchError::OtherKind)?.clone();
        let patience = Instant::now() + start.placement.patience;
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
        let host = self.daemon.remote().map(|remote| remote.host().clone());
        // By its own address a container is reached from its machine alone.
        let network = start.network.clone().filter(|_| host.is_none());
        let publication = match network {
            Some(_) => None,
            None => Some(machine::publish(&self.daemon, &self.ports).await?),
        };
        let address: SocketAddr = match &publication {
            Some(publication) => publication.address,
            // It has its own only when it runs.
            None => (Ipv4Addr::UNSPECIFIED, start.port).into(),
        };
        let reach = match (&publication, launch.upkeep.listening) {
            (_, Listening::Nowhere) => Reach::Nowhere,
            (Some(Publication { lease, on, .. }), Listening::OnPort) => {
                Reach::Published((*on, lease.port()).into())
            }
            (None, Listening::OnPort) => Reach::Own,
        };
        let run = mark();
        self.runs.add(&run);
        let body = body::body(&launch, &start, Marks { state: &state, run: &run }, reach)?;
        let name = format!("{}.{}", launch.instance, &run[..8]);
        let made = self.create(&name, &start, body).await;
        let id = made.inspect_err(|_| self.disown(&run))?;
        let own = ContainerRecord {
            host,
            id,
            image: start.image,
            port: start.port,
            network,
            log: path,
            log_start,
        };
        let Launch { service, instance, version, upkeep, .. } = launch;
        let identity = Identity::Container(own.clone());
        let record = Record { service, instance, version, address, run, identity };
        let lease = publication.map(|publication| publication.lease);
        let made = Made { record, own, upkeep, lease, patience };
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
                self.bring(&start.image, start.login.as_ref()).await?;
                Ok(self.daemon.create(name, body).await?)
            }
            Err(error) if self.daemon.is_lost(&error) => {
                // It may have been made all the same.
                let (daemon, name) = (self.daemon.clone(), name.to_owned());
                tokio::spawn(async move { supervisor::remove(&daemon, &name).await });
                Err(error.into())
            }
            made => Ok(made?),
        }
    }

    /// Nobody waits for a container any more that may or may not have been made: an engine that hung makes it when it wakes up.
    fn disown(&self, run: &str) {
        self.runs.remove(run);
        drop(self.sweep_containers());
    }

    /// Removes what is nobody's, beside all else.
    fn sweep_containers(&self) -> JoinHandle<()> {
        let (daemon, state, runs) = (self.daemon.clone(), self.state.clone(), self.runs.clone());
        tokio::spawn(orphans::reclaim(daemon, state, runs))
    }

    /// Brings an image here, and notes it as ours where it was not.
    async fn bring(&self, reference: &str, login: Option<&Login>) -> Result<(), ImageError> {
        self.pulled.ask(reference);
        if image::bring(&self.daemon, reference, login).await? == Brought::Now {
            self.pulled.add(reference).await;
        }
        Ok(())
    }

    /// The recipe with its image pinned, which is here then.
    async fn fetched(self, spec: Spec) -> Result<Recipe, ImageError> {
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
            None => image::resolve(&self.daemon, &name, login.as_ref()).await?,
        };
        self.bring(&image::reference(&name, Some(&pin)), login.as_ref()).await?;
        container.pin = Some(pin);
        Ok(recipe)
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
        let fetched = self.clone().fetched(spec);
        async move { fetched.await.map_err(|error| vec![error.into()]) }.boxed()
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

    fn reclaim(&self, known: &[Record]) -> BoxFuture<'static, ()> {
        known.iter().for_each(|record| self.runs.add(&record.run));
        let swept = self.sweep_containers();
        async move { drop(swept.await) }.boxed()
    }

    fn unreached(&self) -> Vec<Unreached> {
        self.daemon.remote().and_then(Remote::unreached).into_iter().collect()
    }

    fn retain(&self, wanted: Vec<KeptRelease>) {
        let references = wanted.iter().filter_map(|wanted| {
            let workload = wanted.recipe.of_version(&wanted.version).workload;
            let Workload::Container(container) = workload else { return None };
            let name = image::name(&container.image).ok()?;
            Some(image::reference(&name, container.pin.as_ref()))
        });
        let wanted: BTreeSet<String> = references.collect();
        let (daemon, pulled) = (self.daemon.clone(), self.pulled.clone());
        tokio::spawn(async move { pulled.retain(&daemon, &wanted).await });
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

fn compose(spec: Spec, engine: String) -> Result<Composed, LaunchError> {
    let Spec { version, recipe, withheld, sealed, registries, placement, .. } = spec;
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
        placement,
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
