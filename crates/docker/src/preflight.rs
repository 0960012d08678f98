//! What is looked for before a release of containers begins: all that can be known now to fail later.

use std::path::{Path, PathBuf};

use driver::port::Ports;
use driver::preflight::{Before, Found, Machine, Obstacle, Passed, Preflight, Room, Surroundings};
use driver::{Environment, Login, Remote, RemoteError};
use model::{ContainerRecipe, ImageName, Recipe, Volume, VolumeSource, Workload};

use crate::apart::apart;
use crate::daemon::Daemon;
use crate::error::ImageError;
use crate::machine::{self, Offered};
use crate::{image, login};

/// What a volume or a network of a container lacks.
#[derive(Debug, thiserror::Error)]
pub enum Lack {
    /// What is to be found within is not there.
    #[error("there is no {} for the volume `{volume}`", path.display())]
    Path {
        /// What.
        path: PathBuf,
        /// As the file has it.
        volume: String,
    },
    /// The engine's disk is too full.
    #[error("{needed_mib} MiB are needed on the disk of {root}, {available_mib} MiB are available")]
    Disk {
        /// Where the engine keeps its data.
        root: String,
        /// For what containers write.
        needed_mib: u64,
        /// What is free.
        available_mib: u64,
    },
    /// The engine has no such network.
    #[error("the Docker engine has no network `{0}`: \"docker network create {0}\" makes it")]
    Network(String),
}

impl From<Lack> for Obstacle {
    fn from(lack: Lack) -> Self {
        Self::Engine(Box::new(lack))
    }
}

/// Checks `plan`, where `ours` is our own environment.
pub(crate) async fn check(
    daemon: &Daemon,
    plan: Preflight,
    ours: Environment,
    ports: &Ports,
    logs: &Path,
) -> Result<Passed, Vec<Obstacle>> {
    let Preflight { spec, running, without, room } = plan;
    let Recipe { workload, env, env_file, secrets } = spec.recipe.of_version(&spec.version);
    let Workload::Container(container) = workload else { return Err(vec![Obstacle::OtherKind]) };
    let login = image::name(&container.image).and_then(|name| {
        Ok((login::of(&name, &spec.registries, &ours.clone().with_sealed(&spec.sealed))?, name))
    });
    let share = Share::of(&room, spec.placement.hosts.len());
    let (withheld, sealed) = (spec.withheld, spec.sealed);
    let surroundings = Surroundings {
        env,
        env_file,
        secrets,
        sealed,
        inherit: Vec::new(),
        withheld,
        account: None,
    };
    let (ports, logs) = (ports.clone(), logs.to_owned());
    // What is not of this machine is looked for on the other one.
    let (volumes, room) = match daemon.remote() {
        Some(_) => (Vec::new(), Room { memory_bytes: 0, ports: 0, ..room }),
        None => (container.volumes.clone(), room),
    };
    // Files may be where a file system does not respond.
    let of_machine = apart(move || {
        let Found { environment, given, mut faults } =
            surroundings.look(ours, &Before { running, without });
        faults.extend(volumes.iter().filter_map(missing).map(Obstacle::from));
        faults.extend(room.check(Machine { ports: &ports, logs: &logs }));
        (environment, given, faults)
    });
    let of_engine = async {
        match login {
            Ok((login, name)) => {
                let mut faults = of_engine(daemon, &container, &name, login.as_ref()).await;
                faults.extend(of_host(daemon, &container, share).await);
                faults
            }
            Err(error) => vec![error.into()],
        }
    };
    let (of_machine, mut of_engine) = tokio::join!(of_machine, of_engine);
    let unknown = |source| Obstacle::Unknown { what: "whether the deploy can start", source };
    let (environment, given, mut faults) = of_machine.map_err(|source| vec![unknown(source)])?;
    faults.append(&mut of_engine);
    match faults.is_empty() {
        true => Ok(Passed { environment, given, program: None }),
        false => Err(faults),
    }
}

/// What one host needs, where instances are spread over several.
#[derive(Clone, Copy, Debug)]
struct Share {
    memory_bytes: u64,
    output_bytes: u64,
}

impl Share {
    fn of(room: &Room, hosts: usize) -> Self {
        let hosts = hosts.max(1) as u64;
        Self {
            memory_bytes: room.memory_bytes.div_ceil(hosts),
            output_bytes: room.output_bytes.div_ceil(hosts),
        }
    }
}

/// What the engine's machine lacks, where it is not this one. That it does not answer the engine has told.
async fn of_host(daemon: &Daemon, container: &ContainerRecipe, share: Share) -> Vec<Obstacle> {
    let Some(remote) = daemon.remote() else { return Vec::new() };
    let (Ok(_), Ok(root)) = (remote.reach().await, daemon.root().await) else { return Vec::new() };
    let mut faults =
        missing_there(remote, container).await.unwrap_or_else(|error| vec![error.into()]);
    let root = root.unwrap_or_else(|| "/".to_owned());
    let Offered { memory, disk } = match machine::offered(remote, &root).await {
        Ok(offered) => offered,
        Err(error) => {
            faults.push(error.into());
            return faults;
        }
    };
    if let Some(available) = memory.filter(|memory| *memory < share.memory_bytes) {
        faults.push(Obstacle::Memory { needed: share.memory_bytes, available });
    }
    if let Some(available) = disk.filter(|disk| *disk < share.output_bytes) {
        let mib = |bytes: u64| bytes >> 20;
        let (needed_mib, available_mib) = (mib(share.output_bytes), mib(available));
        faults.push(Lack::Disk { root, needed_mib, available_mib }.into());
    }
    faults
}

/// The paths that are to be found within and are not there on another machine.
async fn missing_there(
    remote: &dyn Remote,
    container: &ContainerRecipe,
) -> Result<Vec<Obstacle>, RemoteError> {
    let of_path = |volume: &Volume| match &volume.source {
        VolumeSource::Path(path) => Some((path.clone(), volume.to_string())),
        VolumeSource::Named(_) => None,
    };
    let volumes: Vec<_> = container.volumes.iter().filter_map(of_path).collect();
    if volumes.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<_> = volumes.iter().map(|(path, _)| path.display().to_string()).collect();
    let missing = machine::missing(remote, &paths).await?;
    let missing = volumes.into_iter().zip(missing).filter(|(_, is_missing)| *is_missing);
    Ok(missing.map(|((path, volume), _)| Lack::Path { path, volume }.into()).collect())
}

/// What the engine, or the registry that it asks, lacks.
async fn of_engine(
    daemon: &Daemon,
    container: &ContainerRecipe,
    name: &ImageName,
    login: Option<&Login>,
) -> Vec<Obstacle> {
    let mut faults = Vec::new();
    let of_image = match &container.pin {
        // It is what it was; whether it is here is seen when it is fetched.
        Some(_) => daemon.platform().await.map(drop).map_err(ImageError::from),
        None => image::resolve(daemon, name, login).await.map(drop),
    };
    match of_image {
        // Of an engine that does not answer no more is asked.
        Err(ImageError::Engine(error)) => return vec![error.into()],
        Err(error) => faults.push(error.into()),
        Ok(()) => {}
    }
    if let Some(network) = &container.network {
        match daemon.has_network(network).await {
            Ok(true) => {}
            Ok(false) => faults.push(Lack::Network(network.clone()).into()),
            Err(error) => faults.push(error.into()),
        }
    }
    faults
}

/// What is to be found within and is not there. What the engine keeps itself it makes where it is missing.
fn missing(volume: &Volume) -> Option<Lack> {
    let VolumeSource::Path(path) = &volume.source else { return None };
    let lack = || Lack::Path { path: path.clone(), volume: volume.to_string() };
    (!path.exists()).then(lack)
}
