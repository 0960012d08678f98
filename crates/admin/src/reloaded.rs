//! What `POST /v1/reload` says when the configuration was taken up.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A configuration was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// Its number.
    pub revision: u64,
    /// Listeners, by name.
    pub listeners: Changes,
    /// Services, by name.
    pub services: Changes,
    /// Jobs, by name.
    #[serde(default)]
    pub jobs: Changes,
    /// Ways of proving who one is, by name.
    #[serde(default)]
    pub auth: Changes,
    /// Limits, by name.
    #[serde(default)]
    pub limits: Changes,
    /// Rules of whom refusals have banned, by name.
    #[serde(default)]
    pub abuse: Changes,
    /// Whether the routes, or their order, differ from before.
    pub routes_changed: bool,
    /// Whether `[acme]`, the email of those who order certificates, or which CA a host's is of, differs from before.
    #[serde(default)]
    pub acme_changed: bool,
    /// Whether `[store]` differs from before.
    #[serde(default)]
    pub store_changed: bool,
    /// Whether the secrets beside the configuration differ from before. Instances that run keep what they were started with.
    #[serde(default)]
    pub secrets_changed: bool,
    /// Whether the admin API's certificate is to be another than before.
    #[serde(default)]
    pub admin_changed: bool,
    /// Settings that differ from before, but take effect only at the next start.
    pub needs_restart: Vec<String>,
    /// Services whose running release differs from the file: their next deploy applies it.
    #[serde(default)]
    pub needs_deploy: Vec<NeedsDeploy>,
    /// For how long it is watched, in seconds; absent where it is not. `GET /v1/reloads/{revision}` tells what comes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_s: Option<f64>,
}

/// A service whose running release differs from the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NeedsDeploy {
    /// The service.
    pub service: String,
    /// The release that runs.
    pub runs: String,
    /// The version that the file names; absent where it is the command or the environment that differs.
    pub file: Option<String>,
    /// All of that, and what to do, in words.
    pub text: String,
}

/// What changed from one configuration to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// What is new.
    pub added: Vec<String>,
    /// What is gone.
    pub removed: Vec<String>,
    /// What is in both, and differs.
    pub changed: Vec<String>,
}

impl Reloaded {
    /// What is said of a configuration that was taken up.
    pub fn new(reloaded: &control::Reloaded) -> Self {
        let control::Reloaded { revision, diff, differences, watch } = reloaded;
        Self {
            revision: revision.0,
            listeners: Changes::from(&diff.listeners),
            services: Changes::from(&diff.services),
            jobs: Changes::from(&diff.jobs),
            auth: Changes::from(&diff.auth),
            limits: Changes::from(&diff.limits),
            abuse: Changes::from(&diff.abuse),
            routes_changed: diff.routes_changed,
            acme_changed: diff.acme_changed,
            store_changed: diff.store_changed,
            secrets_changed: diff.secrets_changed,
            admin_changed: diff.admin_changed,
            needs_restart: diff.needs_restart.iter().map(|key| (*key).to_owned()).collect(),
            needs_deploy: differences.iter().map(NeedsDeploy::from).collect(),
            watch_s: watch.map(|length| length.as_secs_f64()),
        }
    }

    /// Whether nothing differs from before.
    pub fn is_empty(&self) -> bool {
        self.listeners == Changes::default()
            && self.services == Changes::default()
            && self.jobs == Changes::default()
            && self.auth == Changes::default()
            && self.limits == Changes::default()
            && self.abuse == Changes::default()
            && !self.routes_changed
            && !self.acme_changed
            && !self.store_changed
            && !self.secrets_changed
            && !self.admin_changed
            && self.needs_restart.is_empty()
            && self.needs_deploy.is_empty()
    }
}

impl From<&control::Difference> for NeedsDeploy {
    fn from(difference: &control::Difference) -> Self {
        Self {
            service: difference.service.to_string(),
            runs: difference.runs.clone(),
            file: difference.file().map(str::to_owned),
            text: difference.to_string(),
        }
    }
}

impl<Name: Display> From<&model::diff::Changes<Name>> for Changes {
    fn from(changes: &model::diff::Changes<Name>) -> Self {
        let texts = |names: &[Name]| names.iter().map(Name::to_string).collect();
        Self {
            added: texts(&changes.added),
            removed: texts(&changes.removed),
            changed: texts(&changes.changed),
        }
    }
}
