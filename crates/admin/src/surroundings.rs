//! What a program needs to run once as the instances of a service do: told over the socket alone, since secrets are in it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a program runs as the instances of a service do: beside them, or in one that is a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Surroundings {
    /// The release that runs.
    pub release: String,
    /// What it is started with, where the instances are processes of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessPlace>,
    /// The container in which it runs, where they are containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerPlace>,
}

/// What a program is started with, so that it runs as processes of a service do.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessPlace {
    /// Where it runs; absolute.
    pub directory: String,
    /// What it finds in its environment, secrets included.
    pub environment: BTreeMap<String, String>,
    /// The number of its user.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// The numbers of its other groups.
    pub groups: Vec<u32>,
}

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerPlace {
    /// Which instance it is.
    pub instance: String,
    /// Where its engine is, as the engine's own command takes it: `unix:///var/run/docker.sock`.
    pub engine: String,
    /// The engine's id of it.
    pub id: String,
}

/// Values may be secrets, so only their names are shown.
impl std::fmt::Debug for ProcessPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessPlace")
            .field("directory", &self.directory)
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

impl From<control::Surroundings> for Surroundings {
    fn from(of: control::Surroundings) -> Self {
        let control::Surroundings { release, place } = of;
        let (process, container) = match place {
            control::RunsIn::Process(process) => (Some(process.into()), None),
            control::RunsIn::Container(container) => (None, Some(container.into())),
        };
        Self { release, process, container }
    }
}

impl From<control::ProcessPlace> for ProcessPlace {
    fn from(of: control::ProcessPlace) -> Self {
        let control::ProcessPlace { directory, environment, uid, gid, groups } = of;
        let directory = directory.to_string_lossy().into_owned();
        Self { directory, environment, uid, gid, groups }
    }
}

impl From<control::ContainerPlace> for ContainerPlace {
    fn from(of: control::ContainerPlace) -> Self {
        let control::ContainerPlace { instance, engine, id } = of;
        Self { instance: instance.to_string(), engine, id }
    }
}
