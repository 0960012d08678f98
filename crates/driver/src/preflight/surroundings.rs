//! What instances would find in their environment, and what is missing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use model::Secret;

use super::{Obstacle, names};
use crate::account::Account;
use crate::env_file::EnvFile;
use crate::environment::{Environment, Sources, Value};

/// From where the environment of a release's instances comes.
#[derive(Debug)]
pub struct Surroundings {
    /// What the recipe sets.
    pub env: BTreeMap<String, String>,
    /// A file with more of it.
    pub env_file: Option<PathBuf>,
    /// What must be there and say something.
    pub secrets: Vec<String>,
    /// Where those are found that we were not given.
    pub sealed: Arc<BTreeMap<String, Secret>>,
    /// What is passed on of ours.
    pub inherit: Vec<String>,
    /// What is not, see [`Sources::withheld`].
    pub withheld: BTreeSet<String>,
    /// As whom it runs, where that is a user of this machine.
    pub account: Option<Account>,
}

/// What is known of the release that runs.
#[derive(Debug)]
pub struct Before {
    /// What was given to it.
    pub running: BTreeSet<String>,
    /// What the new one is meant to run without.
    pub without: Vec<String>,
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// What the instances would find in their environment.
    pub environment: Environment,
    /// The names of it that the service gives, beside what Plimsoll itself was given.
    pub given: BTreeSet<String>,
    /// What stands in the way.
    pub faults: Vec<Obstacle>,
}

impl Surroundings {
    /// Puts them together, where `ours` is our own environment.
    pub fn look(self, ours: Environment, before: &Before) -> Found {
        let Self { env, env_file, secrets, sealed, inherit, withheld, account } = self;
        let mut faults = Vec::new();
        let file = env_file.as_deref().map(EnvFile::read).transpose();
        let file = file.map_err(|error| faults.push(error.into()));
        let read = file.as_ref().ok().and_then(Option::as_ref);
        let given = names::given(&secrets, read, env.keys());
        let known = ours.names().map(str::to_owned).chain(sealed.keys().cloned());
        let known: Vec<String> = known.collect();
        let environment = Environment::compose(Sources {
            given: ours,
            inherit: &inherit,
            withheld,
            secrets: &secrets,
            sealed: Some(&sealed),
            account: account.as_ref(),
            file: read,
            env: env.into_iter().map(|(name, value)| (name, Value(value))).collect(),
        });
        // Without the file, secrets would be missed that may well be in it.
        if file.is_ok() {
            faults.extend(names::secrets(&environment, &known, &secrets));
            // A secret that is missing has been told.
            let is_told = |name: &String| before.without.contains(name) || secrets.contains(name);
            faults.extend(names::lost(&before.running, &environment, is_told));
        }
        Found { environment, given, faults }
    }
}
