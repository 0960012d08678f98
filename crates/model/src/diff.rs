//! What changes from one intent to the next, for people and for what needs a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{AbuseName, AuthName, JobName, LimitName, ListenerName, ServiceName};
use crate::intent::Intent;

/// What changes from one intent to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Listeners by name.
    pub listeners: Changes<ListenerName>,
    /// Services by name.
    pub services: Changes<ServiceName>,
    /// Jobs by name.
    pub jobs: Changes<JobName>,
    /// Ways of proving who one is, by name.
    pub auth: Changes<AuthName>,
    /// Limits by name.
    pub limits: Changes<LimitName>,
    /// Rules of whom refusals have banned, by name.
    pub abuse: Changes<AbuseName>,
    /// Whether the routes, or their order, differ.
    pub routes_changed: bool,
    /// Whether `[acme]`, the email of those who order certificates, or which CA a host's is of, differs.
    pub acme_changed: bool,
    /// Whether `[store]` differs.
    pub store_changed: bool,
    /// Whether the secrets beside the configuration differ.
    pub secrets_changed: bool,
    /// Whether the admin API shows other certificates.
    pub admin_changed: bool,
    /// Settings that differ but are taken up only by the next start.
    pub needs_restart: Vec<&'static str>,
}

/// Names that one side has and the other lacks, or that both have with different content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes<Name> {
    /// Only the new side has these.
    pub added: Vec<Name>,
    /// Only the old side has these.
    pub removed: Vec<Name>,
    /// Both have these, and they differ.
    pub changed: Vec<Name>,
}

impl<Name> Default for Changes<Name> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl<Name: Ord + Clone> Changes<Name> {
    fn between<T: PartialEq>(old: &BTreeMap<Name, Arc<T>>, new: &BTreeMap<Name, Arc<T>>) -> Self {
        let missing_in = |other: &BTreeMap<Name, Arc<T>>, one: &BTreeMap<Name, Arc<T>>| {
            one.keys().filter(|name| !other.contains_key(name)).cloned().collect()
        };
        let differs = |(name, value): (&Name, &Arc<T>)| {
            new.get(name).is_some_and(|other| other != value).then(|| name.clone())
        };
        Self {
            added: missing_in(old, new),
            removed: missing_in(new, old),
            changed: old.iter().filter_map(differs).collect(),
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Diff {
    /// What changes from `old` to `new`.
    pub fn between(old: &Intent, new: &Intent) -> Self {
        let restart = [
            ("server.state_dir", old.server.state_dir != new.server.state_dir),
            ("server.workers", old.server.workers != new.server.workers),
            ("server.memory", old.server.memory != new.server.memory),
            ("admin", old.admin.needs_restart(&new.admin)),
        ];
        Self {
            listeners: Changes::between(&old.listeners, &new.listeners),
            services: Changes::between(&old.services, &new.services),
            jobs: Changes::between(&old.jobs, &new.jobs),
            auth: Changes::between(&old.auth, &new.auth),
            limits: Changes::between(&old.limits, &new.limits),
            abuse: Changes::between(&old.abuse, &new.abuse),
            routes_changed: old.routes != new.routes,
            acme_changed: old.acme != new.acme || old.internal != new.internal,
            store_changed: old.store != new.store,
            secrets_changed: old.secrets != new.secrets,
            admin_changed: old.admin.tls != new.admin.tls && !old.admin.needs_restart(&new.admin),
            needs_restart: restart
                .iter()
                .filter(|(_, differs)| *differs)
                .map(|(key, _)| *key)
                .collect(),
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.listeners.is_empty()
            && self.services.is_empty()
            && self.jobs.is_empty()
            && self.auth.is_empty()
            && self.limits.is_empty()
            && self.abuse.is_empty()
            && !self.routes_changed
            && !self.acme_changed
            && !self.store_changed
            && !self.secrets_changed
            && !self.admin_changed
            && self.needs_restart.is_empty()
    }
}
