//! What a program needs to run once as the instances of a service do: told over the socket alone, since secrets are in it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a program is started with, so that it runs as the instances of a service do.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Surroundings {
    /// The release that runs.
    pub release: String,
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

/// Values may be secrets, so only their names are shown.
impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("release", &self.release)
            .field("directory", &self.directory)
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

impl From<control::Surroundings> for Surroundings {
    fn from(of: control::Surroundings) -> Self {
        let control::Surroundings { release, directory, environment, uid, gid, groups } = of;
        let directory = directory.to_string_lossy().into_owned();
        Self { release, directory, environment, uid, gid, groups }
    }
}
