//! What is looked for before a release of containers begins: all that can be known now to fail later.

use std::path::{Path, PathBuf};

use driver::port::Ports;
use driver::preflight::{Before, Found, Machine, Obstacle, Passed, Preflight, Surroundings};
use driver::{Environment, Login};
use model::{ContainerRecipe, ImageName, Recipe, Volume, VolumeSource, Workload};

use crate::apart::apart;
use crate::daemon::Daemon;
use crate::error::ImageError;
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
    let volumes = container.volumes.clone();
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
            Ok((login, name)) => of_engine(daemon, &container, &name, login.as_ref()).await,
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
